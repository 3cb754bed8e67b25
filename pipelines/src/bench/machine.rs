//! Which machine was measured.

use serde::Serialize;

/// A machine, and what ran on it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Where the networks ran.
    pub device: String,
    /// The bundle of networks.
    pub bundle: String,
}

impl Machine {
    /// This one.
    pub fn this(device: &candle_core::Device, bundle: &str) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            device: crate::device::name(device),
            bundle: bundle.to_owned(),
        }
    }

    /// Whether networks have a resource of their own.
    #[cfg(feature = "media")]
    pub(super) fn has_device(&self) -> bool {
        self.device != "cpu"
    }
}
