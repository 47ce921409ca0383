//! Bounds on what is read at once.

/// Bounds of a [`crate::Reader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadSettings {
    /// Bytes fetched and not yet taken by the consumer, of all objects.
    pub bytes_in_flight_max: usize,
    /// Objects read at a time.
    pub objects_in_flight_max: usize,
    /// Bytes of one range of a large object. Objects up to twice as large are fetched as they come.
    pub part_bytes: usize,
    /// Ranges of one object fetched at a time.
    pub parts_in_flight_max: usize,
    /// How often a broken body is taken up again.
    pub resumes_max: u32,
    /// How long a body may give nothing, milliseconds.
    pub stall_ms_max: u64,
}

impl ReadSettings {
    /// For a function of that memory, MiB: a quarter of it may be in flight. The rest is the process, and what the
    /// consumer makes of the bytes.
    pub fn for_memory_mib(memory_mib: usize) -> Self {
        // More connections than these gain nothing: a request is shorter than its setup is dear.
        const OBJECTS_MAX: usize = 32;
        const PART_BYTES: usize = 4 << 20;
        let bytes_in_flight_max = (memory_mib << 20) / 4;
        Self {
            bytes_in_flight_max,
            objects_in_flight_max: (bytes_in_flight_max / STREAM_BYTES).clamp(1, OBJECTS_MAX),
            part_bytes: PART_BYTES.min(bytes_in_flight_max / 2).max(STREAM_BYTES),
            parts_in_flight_max: 4,
            resumes_max: 3,
            stall_ms_max: 5_000,
        }
    }

    /// Length up to which an object is fetched as it comes, and not in ranges. Bytes.
    pub fn stream_bytes_max(&self) -> u64 {
        2 * self.part_bytes as u64
    }
}

/// What a body that is taken as it comes holds at most: the connection's buffer (hyper reads up to 400 KB ahead).
pub(crate) const STREAM_BYTES: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_function_reads_in_parallel_within_a_quarter_of_its_memory() {
        for memory_mib in [128, 256, 512, 1_024, 10_240] {
            let settings = ReadSettings::for_memory_mib(memory_mib);
            assert!(settings.bytes_in_flight_max * 4 <= memory_mib << 20);
            assert!(settings.objects_in_flight_max >= 32, "{memory_mib}: {settings:?}");
            assert!(settings.part_bytes * settings.parts_in_flight_max <= settings.bytes_in_flight_max);
        }
    }
}
