//! Push decompression: gzip members and zstd frames, one after another, or plain bytes unchanged.

use super::{Failure, GZIP, ZSTD, is_zstd};
use flate2::write::MultiGzDecoder;
use std::fmt;
use std::io::Write;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// Bytes decompressed at once: the same as the gzip decoder passes on.
const OUTPUT_BYTES: usize = 32 << 10;

/// Bytes given to a decoder at once, counted from the beginning. On damaged input it may emit more or fewer bytes
/// before it reports the damage, depending on how much it was given: whether an object is rejected as damaged or as too
/// long must not depend on the pieces in which it was read. Found by a fuzzer.
const BLOCK_BYTES: usize = 32 << 10;

/// Largest window of a zstd frame, as a power of two, bytes: 128 MiB, the library's own default, fixed here since a
/// frame that one version rejects every version must reject.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What zlib's inflate takes besides its output: its window of 32 KB and its tables. Bytes.
const GZIP_BYTES: usize = 64 << 10;

/// zstd's code for a failed allocation (`ZSTD_error_memory_allocation` of zstd_errors.h, negated; its numbers are
/// fixed).
const ZSTD_NO_MEMORY: usize = 64_usize.wrapping_neg();

/// Takes decompressed bytes; fails if there are too many.
type Sink<'f> = &'f mut dyn FnMut(&[u8]) -> Result<(), Failure>;

/// Detects a compression by its magic number and decompresses it.
pub(crate) enum Inflater {
    /// Too short so far to decide.
    Untold(Vec<u8>),
    Plain,
    Compressed(Box<Blocks>),
}

impl Default for Inflater {
    fn default() -> Self {
        Self::Untold(vec![])
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untold(_) => "Untold",
            Self::Plain => "Plain",
            Self::Compressed(blocks) => match blocks.codec {
                Codec::Gzip(_) => "Gzip",
                Codec::Zstd(_) => "Zstd",
            },
        })
    }
}

impl Inflater {
    /// # Errors
    /// [`Failure::Damaged`], or the sink's error. Push no more after either.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        match self {
            Self::Untold(begin) => {
                begin.extend_from_slice(bytes);
                if begin.len() < ZSTD.len() {
                    return Ok(());
                }
                let begin = self.tell()?;
                self.push(&begin, sink)
            }
            Self::Plain => sink(bytes),
            Self::Compressed(blocks) => blocks.push(bytes, sink),
        }
    }

    /// # Errors
    /// [`Failure::Damaged`] if more should have come, or the sink's error.
    pub(crate) fn finish(mut self, sink: Sink<'_>) -> Result<(), Failure> {
        if let Self::Untold(_) = self {
            let begin = self.tell()?;
            self.push(&begin, sink)?;
        }
        match self {
            Self::Untold(_) | Self::Plain => Ok(()),
            Self::Compressed(blocks) => blocks.finish(sink),
        }
    }

    /// Memory held, bytes: for zstd above all the frame's window.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Untold(begin) => begin.len(),
            Self::Plain => 0,
            Self::Compressed(blocks) => blocks.block.capacity() + blocks.codec.held_bytes(),
        }
    }

    /// Decides by the bytes so far, and returns them.
    fn tell(&mut self) -> Result<Vec<u8>, Failure> {
        let Self::Untold(begin) = std::mem::replace(self, Self::Plain) else { return Ok(vec![]) };
        if begin.starts_with(GZIP) {
            *self = Self::Compressed(Blocks::of(Codec::Gzip(MultiGzDecoder::new(Vec::with_capacity(OUTPUT_BYTES)))));
        } else if is_zstd(&begin) {
            *self = Self::Compressed(Blocks::of(Codec::Zstd(Zstd::new()?)));
        }
        Ok(begin)
    }
}

#[expect(clippy::large_enum_variant, reason = "one of them, boxed with its block")]
enum Codec {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zstd(Zstd),
}

impl Codec {
    fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        match self {
            Self::Gzip(decoder) => gunzip(decoder, bytes, sink),
            Self::Zstd(zstd) => zstd.push(bytes, sink),
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Gzip(decoder) => GZIP_BYTES + decoder.get_ref().capacity(),
            Self::Zstd(zstd) => zstd.context.sizeof() + zstd.output.capacity(),
        }
    }
}

/// Compressed bytes, passed to their decoder in the same blocks whatever pieces they come in.
pub(crate) struct Blocks {
    codec: Codec,
    /// The block that is not full yet.
    block: Vec<u8>,
}

impl Blocks {
    fn of(codec: Codec) -> Box<Self> {
        Box::new(Self { codec, block: vec![] })
    }

    fn push(&mut self, mut bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        while self.block.len() + bytes.len() >= BLOCK_BYTES {
            let (begin, rest) = bytes.split_at(BLOCK_BYTES - self.block.len());
            bytes = rest;
            if self.block.is_empty() {
                self.codec.push(begin, sink)?;
            } else {
                self.block.extend_from_slice(begin);
                self.codec.push(&self.block, sink)?;
                self.block.clear();
            }
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>, sink: Sink<'_>) -> Result<(), Failure> {
        self.codec.push(&self.block, sink)?;
        match self.codec {
            Codec::Gzip(decoder) => sink(&decoder.finish()?),
            Codec::Zstd(zstd) if zstd.in_frame => Err(Failure::Damaged),
            Codec::Zstd(_) => Ok(()),
        }
    }
}

/// The decoder emits at most one buffer per write, however much the bytes expand to.
fn gunzip(decoder: &mut MultiGzDecoder<Vec<u8>>, mut bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let taken = decoder.write(bytes)?;
        if taken == 0 {
            return Err(Failure::Damaged);
        }
        bytes = &bytes[taken..];
        sink(decoder.get_ref())?;
        decoder.get_mut().clear();
    }
    Ok(())
}

pub(crate) struct Zstd {
    context: DCtx<'static>,
    output: Vec<u8>,
    /// Whether a frame has begun and not ended.
    in_frame: bool,
}

impl Zstd {
    fn new() -> Result<Self, Failure> {
        let mut context = DCtx::create();
        context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).map_err(damaged)?;
        Ok(Self { context, output: vec![0; OUTPUT_BYTES], in_frame: false })
    }

    fn push(&mut self, mut bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        while !bytes.is_empty() {
            // A frame's first byte goes alone: the library decodes a frame that it sees whole on another path, which
            // rejects different frames.
            let length = if self.in_frame { bytes.len() } else { 1 };
            let taken = self.run(&bytes[..length], sink)?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Takes bytes up to the end of the frame.
    fn run(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<usize, Failure> {
        let mut input = InBuffer::around(bytes);
        loop {
            let mut output = OutBuffer::around(&mut self.output[..]);
            self.in_frame = self.context.decompress_stream(&mut output, &mut input).map_err(damaged)? != 0;
            let written = output.pos();
            sink(&self.output[..written])?;
            // A full output may have left some in the decoder; at a frame's end it has not.
            if !self.in_frame || (input.pos == bytes.len() && written < self.output.len()) {
                return Ok(input.pos);
            }
        }
    }
}

/// What a zstd error says about the bytes. Running out of memory says nothing about them: whether an object is rejected
/// must not depend on the machine, so this ends like every other failed allocation.
fn damaged(code: usize) -> Failure {
    assert_ne!(code, ZSTD_NO_MEMORY, "no memory for a zstd frame's window: the function needs a larger MemorySize");
    Failure::Damaged
}
