//! MANet over a batch of faces.

use affekt_manet::{Config, Manet, Variant};

use super::clock::timed;
use super::limits::{Limit, Work};
use super::peer::Sample;
use super::room::{fits, with};
use super::{Error, Limits, Ours, Plan};
use crate::seeded::{noise, weights};

/// Operations for one face at the published size, as the cost model counts them.
const PUBLISHED: f64 = 7.28e9;
/// Numbers in the weights, at the published size.
const PARAMETERS: f64 = 50.5e6;

pub(super) fn measure(plan: &Plan, limits: &Limits) -> Result<Vec<(Ours, f64, Limit)>, Error> {
    let ((width, side), (batch, _)) = (plan.scale.face(), plan.scale.faces());
    let config = Config { width, variant: Variant::Sdumc };
    let mut all = Vec::new();
    for dtype in plan.scale.halves() {
        let network = fits(plan.device, || Ok(Manet::load(weights(dtype, plan.device), &config)?))?;
        let measured = with(&network, plan.device, |network| {
            let faces = noise("images", (batch, 3, side, side), 0.25, dtype, plan.device)?;
            let seconds = timed(plan.device, plan.runs, || Ok(network.forward(&faces)?))?;
            let first = network.forward(&faces.narrow(0, 0, 1)?.contiguous()?)?;
            Ok((seconds, Some(Sample::of(&first)?)))
        })?;
        let ours = Ours::new(format!("{side} x {side}"), batch, dtype, work(width, side, batch), measured);
        let (floor, limit) = limits.floor(&ours.work);
        all.push((ours, floor, limit));
    }
    Ok(all)
}

/// Of a network narrower or of smaller images, in proportion.
fn work(width: usize, side: usize, batch: usize) -> Work {
    let (wide, large) = ((width as f64 / 64.0).powi(2), (side as f64 / 224.0).powi(2));
    let images = (batch * 3 * side * side) as f64;
    Work {
        flop: batch as f64 * PUBLISHED * wide * large,
        bytes: 2.0 * (PARAMETERS * wide + images),
        flop_f32: 0.0,
    }
}
