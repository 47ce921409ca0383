//! What a process takes, as Linux has it (proc_pid_status(5)).

/// Most memory it ever had resident.
pub const PEAK: &str = "VmHWM";
/// Of what it has resident now, pages of files, which is to say of its executable: other processes share them, and the
/// system takes them back when it needs room.
pub const FILES: &str = "RssFile";
/// What it has resident now.
pub const RESIDENT: &str = "VmRSS";

/// A line of `/proc/<process>/status`, bytes; 0 where the system does not say.
pub fn memory_bytes(process: &str, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    found.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}
