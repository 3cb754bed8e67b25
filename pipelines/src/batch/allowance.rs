//! What text generation may take: as far as it is said, and what a device has for the rest.

use affekt_generate::Budget;
use affekt_nn::device;
use candle_core::Device;

use crate::Error;

/// Bytes of keys and values on a CPU; on a card no less, where half of what is free holds them.
const BYTES: usize = 4 << 30;
/// Clips in flight on a card: its passes take long to be bound by arithmetic.
const CARD_CLIPS: usize = 128;
/// Positions of prompts in a pass on a card.
const CARD_PREFILL: usize = 2048;

/// What text generation may take on each device; `None` for what suits the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes of keys and values: 4 GiB on a CPU; on a card 30% of what is free when the networks are there, and at least
    /// 4 GiB where half of it holds them.
    pub bytes: Option<usize>,
    /// Most clips in flight: 16 on a CPU, 128 on a card.
    pub clips: Option<usize>,
    /// Most positions of prompts in a forward pass: 256 on a CPU, 2,048 on a card.
    pub prefill: Option<usize>,
}

impl From<Budget> for Allowance {
    fn from(budget: Budget) -> Self {
        let Budget { bytes, clips, prefill } = budget;
        Self { bytes: Some(bytes), clips: Some(clips), prefill: Some(prefill) }
    }
}

impl Allowance {
    /// The same, with what is known on `devices` before networks are loaded: all but the bytes on a card.
    pub fn known(self, devices: &[Device]) -> Self {
        let card = devices.iter().any(|device| !device.is_cpu());
        let Budget { bytes, clips, prefill } = self.with(card.then_some(0));
        let bytes = self.bytes.or((!card).then_some(bytes));
        Self { bytes, clips: Some(clips), prefill: Some(prefill) }
    }

    /// On `device`, with the memory that is free now.
    ///
    /// # Errors
    /// What the driver reports.
    pub fn budget(self, device: &Device) -> Result<Budget, Error> {
        Ok(self.with(device::card(device)?.map(|card| card.memory.free)))
    }

    /// On a card with so many bytes `free`; `None` for a CPU.
    fn with(self, free: Option<usize>) -> Budget {
        let suited = match free {
            Some(free) => Budget {
                bytes: (free / 10 * 3).max(BYTES.min(free / 2)),
                clips: CARD_CLIPS,
                prefill: CARD_PREFILL,
            },
            None => Budget { bytes: BYTES, ..Budget::default() },
        };
        Budget {
            bytes: self.bytes.unwrap_or(suited.bytes),
            clips: self.clips.unwrap_or(suited.clips),
            prefill: self.prefill.unwrap_or(suited.prefill),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_gives_by_what_is_free() {
        let bytes = |gib: usize| Allowance::default().with(Some(gib << 30)).bytes >> 30;
        assert_eq!((bytes(100), bytes(12), bytes(6)), (30, 4, 3));
        let on_card = Allowance::default().with(Some(100 << 30));
        assert_eq!((on_card.clips, on_card.prefill), (CARD_CLIPS, CARD_PREFILL));
    }

    #[test]
    fn a_cpu_gives_as_much_as_ever() {
        let suited = Allowance::default().budget(&Device::Cpu).unwrap();
        assert_eq!(suited, Budget { bytes: 4 << 30, clips: 16, prefill: 256 });
        assert_eq!(Allowance::default().known(&[Device::Cpu]), suited.into());
    }

    #[test]
    fn what_is_said_counts() {
        let said = Budget { bytes: 5, clips: 6, prefill: 7 };
        assert_eq!(Allowance::from(said).with(Some(1 << 40)), said);
        assert_eq!(Allowance::from(said).known(&[Device::Cpu]), said.into());
    }
}
