//! MANet.

use affekt_manet::{KEYS, Manet, RawConfig, Variant};
use affekt_weights::Checkpoint;
use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use super::bounds::Kind;
use super::golden::{Golden, file};
use super::ledger::Ledger;
use super::{Error, Plan};

/// The faces that both variants are shown: (2, 3, 64, 64).
pub fn images(plan: &Plan, dtype: DType) -> Result<Tensor, Error> {
    Golden::open(&file(plan.goldens, "manet", "sdumc.safetensors"), plan.device)?.floats("images", dtype)
}

/// The golden weights, which are those of both variants.
pub fn weights(plan: &Plan) -> Result<Checkpoint, Error> {
    Ok(Checkpoint::open(&file(plan.goldens, "manet", "manet.weights.safetensors"))?)
}

pub fn check(ledger: &mut Ledger) {
    for (name, variant) in [("sdumc", Variant::Sdumc), ("upstream", Variant::Upstream)] {
        let (plan, dtype) = (ledger.plan, ledger.dtype);
        let network = || {
            let checkpoint = weights(plan)?;
            let cfg = RawConfig { variant, ..RawConfig::default() }.infer(&checkpoint).resolve()?;
            let load = |vb: VarBuilder| Manet::load(vb, &cfg);
            Ok::<_, Error>(checkpoint.load(&KEYS, dtype, plan.device, load)?)
        };
        ledger.case(format!("variant {name}, narrow: embedding"), Kind::Reference, |worst| {
            let path = file(plan.goldens, "manet", &format!("{name}.safetensors"));
            let want = Golden::open(&path, plan.device)?.tensor("embedding")?;
            worst.near("embedding", &network()?.forward(&images(plan, dtype)?)?, &want)
        });
        ledger.case(format!("variant {name}, narrow: batch against single"), Kind::Batch, |worst| {
            let (network, images) = (network()?, images(plan, dtype)?);
            let together = network.forward(&images)?;
            for face in 0..2 {
                let alone = network.forward(&images.narrow(0, face, 1)?.contiguous()?)?;
                worst.near(format!("face {face}"), &together.narrow(0, face, 1)?, &alone)?;
            }
            Ok(())
        });
    }
}
