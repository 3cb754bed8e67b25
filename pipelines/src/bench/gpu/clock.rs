//! The time of a piece of work.

use std::time::{Duration, Instant};

use candle_core::Device;

use super::Error;

/// Runs that are not counted: kernels are loaded, pools grow, clocks rise.
const WARM_UP: usize = 2;
/// A piece of work that takes long is repeated less often, but this often in any case.
const LONGEST: Duration = Duration::from_secs(20);
const LEAST: usize = 3;

/// Seconds of each of `runs` runs, until the device has done all of it. What a run gives is dropped within its time.
pub fn timed<T>(
    device: &Device,
    runs: usize,
    mut work: impl FnMut() -> Result<T, Error>,
) -> Result<Vec<f64>, Error> {
    for _ in 0..WARM_UP {
        drop(work()?);
    }
    device.synchronize()?;
    let (mut seconds, begun) = (Vec::new(), Instant::now());
    while seconds.len() < runs && (seconds.len() < LEAST || begun.elapsed() < LONGEST) {
        let started = Instant::now();
        drop(work()?);
        device.synchronize()?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// The shortest.
pub fn fastest(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(f64::INFINITY, f64::min).max(1e-9)
}

/// The middle one, of an even number the later.
pub fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
