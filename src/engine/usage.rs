//! How much memory the process uses.

/// Memory in use, in bytes, where the system tells.
pub fn memory() -> Option<u64> {
    field("VmRSS:")
}

/// The most memory that was in use so far, in bytes, where the system tells.
pub fn peak_memory() -> Option<u64> {
    field("VmHWM:")
}

fn field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_written_to_is_in_use() {
        if memory().is_none() {
            return;
        }
        // Other tests give memory back meanwhile: what is in use is at least the block.
        let block = vec![1u8; 64 << 20];
        let after = memory().unwrap();
        assert!(after >= 64 << 20, "{after} {}", block[1 << 20]);
        assert!(peak_memory().unwrap() >= after);
    }
}
