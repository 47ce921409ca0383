//! Decompression of what is pushed: gzip members and zstd frames, one after another, or nothing to do.

use super::{Failure, GZIP, ZSTD, is_zstd};
use flate2::write::MultiGzDecoder;
use std::fmt;
use std::io::Write;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// Decompressed at once, bytes: as much as the gzip decoder hands over too.
const OUTPUT_BYTES: usize = 32 << 10;

/// Given to a decoder at once, bytes, counted from the beginning. Of damaged input it may hand over less or more before
/// it says so, by how much it was given: what is set aside as damaged and what as too long must not depend on the pieces
/// in which an object was read. Found by a fuzzer.
const BLOCK_BYTES: usize = 32 << 10;

/// Largest window of a zstd frame, as a power of two, bytes: 128 MiB, the library's own default, written down since
/// a frame that one version refuses every version must refuse.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What zlib's inflate takes beside its output: its window of 32 KB and its tables. Bytes.
const GZIP_BYTES: usize = 64 << 10;

/// How zstd says that it got no memory (`ZSTD_error_memory_allocation` of zstd_errors.h, negated; its numbers are fixed).
const ZSTD_NO_MEMORY: usize = 64_usize.wrapping_neg();

/// Takes decompressed bytes; fails when there are too many.
type Sink<'f> = &'f mut dyn FnMut(&[u8]) -> Result<(), Failure>;

/// Tells a compression by its magic number and undoes it.
pub(crate) enum Inflater {
    /// Too short so far to tell.
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
    /// [`Failure::Damaged`], or what the sink fails with. Push no more after either.
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
    /// [`Failure::Damaged`] when more should have come, or what the sink fails with.
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

    /// What is held in memory, bytes: of zstd above all the frame's window.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Untold(begin) => begin.len(),
            Self::Plain => 0,
            Self::Compressed(blocks) => blocks.block.capacity() + blocks.codec.held_bytes(),
        }
    }

    /// Decides by the bytes so far, and gives them back.
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

/// Compressed bytes, given to their decoder in the same blocks whatever pieces they come in.
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

/// The decoder hands over at most a buffer a write, however much the bytes expand to.
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
            // A frame's first byte goes alone: the library decodes a frame that it sees whole by another way, which
            // refuses other frames.
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

/// What an error of zstd's says of the bytes. That there is no memory says nothing of them: whether an object is set aside
/// must not depend on the machine, so this ends as every other allocation that fails does.
fn damaged(code: usize) -> Failure {
    assert_ne!(code, ZSTD_NO_MEMORY, "no memory for a zstd frame's window: the function needs a larger MemorySize");
    Failure::Damaged
}
