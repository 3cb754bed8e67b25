//! How the program begins, and when it was started. The system's loader binds FFmpeg's libraries before `main`, which users wait for too.

use std::time::{Duration, Instant};

use affekt::Error;

/// No loader takes longer. A process that was another program before (`bash -c "sleep 2; affekt ..."` turns itself into its
/// last command) is older than that, and does not say since when it is this one.
const LOADER: Duration = Duration::from_millis(300);

/// The moment at which the system started this process, to a hundredth of a second; now where the system does not say.
pub fn moment() -> Instant {
    let now = Instant::now();
    age().and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// How long the process has run, from what Linux tells of it.
fn age() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let age = seconds_up(&uptime)? - seconds_at_start(&stat)?;
    Duration::try_from_secs_f64(age).ok().filter(|age| *age < LOADER)
}

/// Field 22 of `stat`, in hundredths of a second since the system started. The second field, the name, is in brackets and
/// may hold blanks.
fn seconds_at_start(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: f64 = fields.split(' ').nth(19)?.parse().ok()?;
    Some(ticks / 100.0)
}

fn seconds_up(uptime: &str) -> Option<f64> {
    uptime.split(' ').next()?.parse().ok()
}

/// Lets cards round to TF32 where the flag `asked` for it or the environment does.
///
/// # Errors
/// The variable says neither yes nor no.
pub fn rounding(asked: bool) -> Result<(), Error> {
    let value = std::env::var_os("AFFEKT_TF32").unwrap_or_default();
    let by_variable = match value.to_str() {
        Some("1") => true,
        Some("" | "0") => false,
        _ => {
            let reason = format!("it is {value:?}; 1 lets cards round to TF32, 0 does not");
            return Err(Error::Setting { name: "AFFEKT_TF32".into(), reason });
        }
    };
    if asked || by_variable {
        affekt_pipelines::device::allow_tf32();
    }
    Ok(())
}

/// Keeps candle's element-wise operations on the thread that asks for them, unless the user has said otherwise: its own
/// pool waits by spinning, and on a machine with few cores it takes them from the matrix products of a training step.
pub fn without_second_pool() {
    const THREADS: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        // SAFETY: called at the start of `main`, when this process has no other thread that could read the environment.
        unsafe { std::env::set_var(THREADS, "1") };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_read_behind_any_name() {
        let stat = "4711 (a ) b) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 123456 20 21";
        assert_eq!(seconds_at_start(stat), Some(1234.56));
        assert_eq!(seconds_at_start("4711 (short"), None);
        assert_eq!(seconds_up("1300.25 2600.00\n"), Some(1300.25));
    }

    #[test]
    fn this_process_started_before_now() {
        assert!(moment() <= Instant::now());
    }
}
