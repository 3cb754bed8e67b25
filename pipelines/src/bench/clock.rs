//! Wall time and CPU time.

use std::time::Instant;

use serde::Serialize;

use super::Error;

/// What some work took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    /// Wall time in seconds.
    pub wall: f64,
    /// CPU time in seconds, of this process and of those that it has started and that have ended meanwhile.
    pub cpu: f64,
}

impl Spent {
    /// Measures `work`.
    ///
    /// # Errors
    /// [`Error::Clock`], and that of `work`.
    pub fn on<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(T, Self), Error> {
        let (start, before) = (Instant::now(), cpu()?);
        let result = work()?;
        Ok((result, Self { wall: start.elapsed().as_secs_f64(), cpu: (cpu()? - before).max(0.0) }))
    }
}

/// CPU time of this process and of its children that have ended, in seconds.
#[cfg(target_os = "linux")]
fn cpu() -> Result<f64, Error> {
    use rustix::time::{ClockId, clock_gettime};
    let own = clock_gettime(ClockId::ProcessCPUTime);
    let stat = std::fs::read_to_string("/proc/self/stat")
        .map_err(|error| Error::Clock { reason: error.to_string() })?;
    let children = of_children(&stat).ok_or_else(|| Error::Clock { reason: stat.trim().to_owned() })?;
    Ok(own.tv_sec as f64 + own.tv_nsec as f64 / 1e9 + children)
}

#[cfg(not(target_os = "linux"))]
fn cpu() -> Result<f64, Error> {
    Err(Error::Clock { reason: "it is not Linux".into() })
}

/// Fields 16 and 17 of `stat`, in hundredths of a second: user and system time of children that have ended. The second
/// field, the name, is in brackets and may hold blanks.
#[cfg(target_os = "linux")]
fn of_children(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(13).map(|field| field.parse::<f64>().ok());
    Some((times.next()?? + times.next()??) / 100.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read_behind_any_name() {
        let stat = "4711 (a ) b) R 1 2 3 4 5 6 7 8 9 10 11 12 150 50 15 16 17 18 123456 20 21";
        assert_eq!(of_children(stat), Some(2.0));
        assert_eq!(of_children("4711 (short"), None);
    }

    #[test]
    fn work_takes_time() {
        let work =
            || Ok((0..3_000_000u64).fold(1u64, |sum, n| std::hint::black_box(sum.wrapping_mul(n | 1))));
        let (_, spent) = Spent::on(work).unwrap();
        assert!(spent.cpu > 0.0 && spent.wall > 0.0, "{spent:?}");
    }
}
