//! What a pass costs, in CPU time of this process.

use std::time::Duration;

use affekt_core::Seconds;
use rustix::time::{ClockId, clock_gettime};

/// Shares the CPU time of this process out between decoding and faces. Right in a process that does nothing else.
pub(super) struct Meter {
    last: Duration,
    decode: Duration,
    faces: Duration,
}

impl Meter {
    pub(super) fn start() -> Self {
        Self { last: now(), decode: Duration::ZERO, faces: Duration::ZERO }
    }

    /// What has passed since the last call was decoding.
    pub(super) fn decoded(&mut self) {
        let lap = self.lap();
        self.decode += lap;
    }

    /// What has passed since the last call was work on faces.
    pub(super) fn tracked(&mut self) {
        let lap = self.lap();
        self.faces += lap;
    }

    /// What has passed since the last call was neither.
    pub(super) fn skip(&mut self) {
        self.lap();
    }

    /// CPU time of decoding and of faces.
    pub(super) fn read(&self) -> (Seconds, Seconds) {
        (Seconds(self.decode.as_secs_f64()), Seconds(self.faces.as_secs_f64()))
    }

    fn lap(&mut self) -> Duration {
        let now = now();
        now.saturating_sub(std::mem::replace(&mut self.last, now))
    }
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
