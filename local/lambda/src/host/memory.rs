//! A process's peak memory, for REPORT.

/// `VmHWM` of `/proc/<pid>/status` in bytes; `None` once the process is gone, or where there is no such file.
pub(crate) fn peak_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn own_peak_is_plausible() {
        let bytes = super::peak_bytes(std::process::id()).expect("the own process exists");
        assert!(bytes > 100 * 1024, "{bytes}");
        assert_eq!(super::peak_bytes(u32::MAX), None);
    }
}
