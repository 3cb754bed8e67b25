//! The machine and this process, as far as the system tells. What only Linux tells is `None` elsewhere.

use std::fs;

use affekt_report::run::Host;

/// The machine.
pub fn host() -> Host {
    Host {
        name: name(),
        os: os(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory(),
    }
}

/// Largest resident memory of this process so far, in bytes.
pub fn peak_memory() -> Option<u64> {
    bytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// `moment` as RFC 3339, in UTC, to the second: `2026-11-21T22:00:05Z`.
pub fn utc(moment: time::OffsetDateTime) -> String {
    let moment = moment.to_offset(time::UtcOffset::UTC);
    let (hour, minute, second) = moment.to_hms();
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", moment.date())
}

fn name() -> Option<String> {
    line("/proc/sys/kernel/hostname")
}

/// `linux 6.1.0 x86_64`
fn os() -> String {
    let release = line("/proc/sys/kernel/osrelease").map(|release| format!(" {release}")).unwrap_or_default();
    format!("{}{release} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Memory of the machine, in bytes.
fn memory() -> Option<u64> {
    bytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// A file of one line.
fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The line `name` of a table of the kernel, whose unit `kB` means 1,024 bytes.
fn bytes(table: &str, name: &str) -> Option<u64> {
    let value = table.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "media")]
    #[test]
    fn moments_are_rfc_3339() {
        let moment = time::OffsetDateTime::from_unix_timestamp(1_795_298_405).unwrap();
        assert_eq!(utc(moment), "2026-11-21T22:00:05Z");
        let east = moment.to_offset(time::UtcOffset::from_hms(5, 30, 0).unwrap());
        assert_eq!(utc(east), "2026-11-21T22:00:05Z");
    }

    #[test]
    fn tables_of_the_kernel_are_read() {
        let table = "MemFree:   17 kB\nMemTotal:       16384000 kB\n";
        assert_eq!(bytes(table, "MemTotal:"), Some(16_384_000 * 1_024));
        assert_eq!(bytes(table, "VmHWM:"), None);
        assert_eq!(bytes("VmHWM: many kB", "VmHWM:"), None);
    }

    #[test]
    fn this_machine_is_known() {
        let host = host();
        assert!(host.cpus > 0 && host.os.starts_with(std::env::consts::OS));
        if cfg!(target_os = "linux") {
            let (peak, memory) = (peak_memory().unwrap(), host.memory_bytes.unwrap());
            assert!(host.name.is_some() && peak > 1 << 20 && memory > peak);
        }
    }
}
