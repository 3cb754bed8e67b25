//! SDUMC.

use affekt_sdumc::{Config, Flow, Output, RawConfig, Sdumc, Sequence, Sequences, keys};
use affekt_weights::Checkpoint;
use candle_core::{DType, Tensor};

use super::bounds::Kind;
use super::golden::{Golden, file};
use super::ledger::Ledger;
use super::{Error, Plan};

/// Whose rules hold, and the imagination.
pub const SETTINGS: [&str; 8] = [
    "paper_off",
    "paper_text",
    "paper_transition",
    "paper_equation",
    "release_off",
    "release_text",
    "release_transition",
    "release_equation",
];
const FLOWS: [(&str, Flow); 2] = [("complete", Flow::Complete), ("missing", Flow::TextMissing)];

/// A network of one setting, and its reference.
pub struct Case {
    pub golden: Golden,
    pub checkpoint: Checkpoint,
    pub config: Config,
}

impl Case {
    /// Of the reference files in `folder`.
    pub fn open(plan: &Plan, folder: &str, setting: &str) -> Result<Self, Error> {
        let path = |name: &str| file(plan.goldens, "sdumc", &format!("{folder}{name}.safetensors"));
        let structure = if setting.ends_with("equation") { "equation" } else { "residual-ae" };
        let checkpoint = Checkpoint::open(&path(&format!("{structure}.weights")))?;
        let golden = Golden::open(&path(setting), plan.device)?;
        let config = golden.note::<RawConfig>("config")?.infer(&checkpoint).resolve()?;
        Ok(Self { golden, checkpoint, config })
    }

    pub fn network(&self, plan: &Plan, dtype: DType) -> Result<Sdumc, Error> {
        let load = |vb: candle_nn::VarBuilder| Sdumc::load(vb, &self.config);
        Ok(self.checkpoint.load(keys(&self.config), dtype, plan.device, load)?)
    }
}

pub fn check(ledger: &mut Ledger) {
    let (plan, dtype) = (ledger.plan, ledger.dtype);
    for setting in SETTINGS {
        ledger.case(format!("{setting}: both flows"), Kind::Reference, |worst| {
            let case = Case::open(plan, "", setting)?;
            let network = case.network(plan, dtype)?;
            for (prefix, flow) in FLOWS {
                let output = network.forward(&inputs(plan, dtype, None)?, flow)?;
                for (name, got) in tensors(&output) {
                    let what = format!("{prefix}.{name}");
                    worst.near(&what, got, &case.golden.tensor(&what)?)?;
                }
            }
            Ok(())
        });
    }
    // The release lets padding take part: there a batch is not its clips.
    ledger.case("paper_text: batch against single", Kind::Batch, |worst| {
        let network = Case::open(plan, "", "paper_text")?.network(plan, dtype)?;
        for (prefix, flow) in FLOWS {
            let together = network.forward(&inputs(plan, dtype, None)?, flow)?;
            for clip in 0..3 {
                let alone = network.forward(&inputs(plan, dtype, Some(clip))?, flow)?;
                for ((name, together), (_, alone)) in tensors(&together).into_iter().zip(tensors(&alone)) {
                    worst.near(
                        format!("{prefix}.{name}, clip {clip}"),
                        &together.narrow(0, clip, 1)?,
                        alone,
                    )?;
                }
            }
        }
        Ok(())
    });
}

fn tensors(output: &Output) -> [(&'static str, &Tensor); 8] {
    [
        ("valence", &output.valence),
        ("r", &output.r),
        ("rnc", &output.rnc),
        ("text1", &output.text1),
        ("text2", &output.text2),
        ("hidden", &output.hidden),
        ("weights", &output.weights),
        ("view_weights", &output.view_weights),
    ]
}

/// The reference's batch of three, or one clip of it without padding.
pub fn inputs(plan: &Plan, dtype: DType, only: Option<usize>) -> Result<Sequences, Error> {
    let inputs = Golden::open(&file(plan.goldens, "sdumc", "inputs.safetensors"), plan.device)?;
    let sequence = |name: &str| -> Result<Sequence, Error> {
        let (rows, lengths) = (inputs.floats(name, dtype)?, inputs.lengths(&format!("lengths.{name}"))?);
        Ok(match only {
            None => Sequence::padded(rows, &lengths)?,
            Some(clip) => Sequence::new(rows.narrow(0, clip, 1)?.narrow(1, 0, lengths[clip])?.contiguous()?)?,
        })
    };
    Ok(Sequences { audio: sequence("audio")?, text: sequence("text")?, video: sequence("video")? })
}
