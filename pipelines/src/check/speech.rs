//! WavLM.

use affekt_wavlm::{Config, KEYS, RawConfig, WavLm};
use affekt_weights::Checkpoint;
use candle_core::Tensor;

use super::bounds::Kind;
use super::golden::{Golden, file};
use super::ledger::Ledger;
use super::{Error, Plan};

/// A golden network and its clips.
pub struct Case {
    pub golden: Golden,
    pub config: Config,
    pub checkpoint: Checkpoint,
}

impl Case {
    pub fn open(plan: &Plan, name: &str) -> Result<Self, Error> {
        let path = |ending: &str| file(plan.goldens, "wavlm", &format!("{name}{ending}.safetensors"));
        let golden = Golden::open(&path(""), plan.device)?;
        let config = golden.note::<RawConfig>("config")?.into_config()?;
        Ok(Self { golden, config, checkpoint: Checkpoint::open(&path(".weights"))? })
    }

    fn network(&self, ledger: &Ledger) -> Result<WavLm, Error> {
        let load = |vb: candle_nn::VarBuilder| WavLm::load(vb, &self.config);
        Ok(self.checkpoint.load(&KEYS, ledger.dtype, ledger.device(), load)?)
    }
}

pub fn check(ledger: &mut Ledger) {
    for name in ["large", "base"] {
        let (plan, dtype) = (ledger.plan, ledger.dtype);
        let found = Case::open(plan, name).and_then(|case| Ok((case.network(ledger)?, case)));
        let what = if name == "large" { "as WavLM-Large, narrow" } else { "as WavLM-Base, narrow" };
        let (network, case) = match found {
            Ok(found) => found,
            Err(error) => {
                ledger.case(what, Kind::Reference, |_| Err(error));
                continue;
            }
        };
        ledger.case(format!("{what}: every layer"), Kind::Reference, |worst| {
            let (golden, lengths) = (&case.golden, case.golden.lengths("lengths")?);
            let states = network.forward(&golden.floats("waveform", dtype)?, Some(&lengths))?;
            for (layer, state) in states.iter().enumerate() {
                let want = golden.tensor(&format!("hidden.{layer}"))?;
                for (row, &length) in lengths.iter().enumerate() {
                    let frames = network.frames(length);
                    let at = format!("layer {layer}, clip {row}");
                    worst.near(at, &valid(state, row, frames)?, &valid(&want, row, frames)?)?;
                }
            }
            Ok(())
        });
        ledger.case(format!("{what}: batch against single, padding NaN"), Kind::Batch, |worst| {
            let waveform = case.golden.floats("waveform", dtype)?.narrow(0, 0, 1)?;
            let lengths = [9_000, 32_000, 400];
            let padded = lengths.map(|length| {
                let sound = waveform.narrow(1, 0, length)?;
                // To fill a tensor of nothing is an error on a card.
                if length == 32_000 {
                    return Ok(sound);
                }
                let rest = Tensor::full(f32::NAN, (1, 32_000 - length), waveform.device())?;
                Tensor::cat(&[sound, rest.to_dtype(dtype)?], 1)
            });
            let padded = padded.into_iter().collect::<candle_core::Result<Vec<_>>>()?;
            let batch = network.forward(&Tensor::cat(&padded, 0)?, Some(&lengths))?;
            for (row, &length) in lengths.iter().enumerate() {
                let single = network.forward(&waveform.narrow(1, 0, length)?.contiguous()?, None)?;
                for (layer, (batch, single)) in batch.iter().zip(&single).enumerate() {
                    let at = format!("layer {layer}, clip {row}");
                    worst.near(at, &valid(batch, row, network.frames(length))?, single)?;
                }
            }
            Ok(())
        });
    }
}

/// The valid frames of one clip of a batch: (1, t, hidden).
fn valid(state: &Tensor, row: usize, frames: usize) -> Result<Tensor, Error> {
    Ok(state.narrow(0, row, 1)?.narrow(1, 0, frames)?)
}
