//! `run sdumc-loss`: features of both flows and labels -> the terms of the loss, and the gradient of every parameter.

use affekt_pipelines::Error;
use affekt_sdumc::{Clips, Differentiable, LossWeights, Losses};
use candle_core::{DType, Tensor};

use super::job::outputs;
use super::sdumc::{config, sequence};
use super::{Forward, Job};

pub fn prepare(job: &Job) -> Result<Forward, Error> {
    if job.dtype != DType::F32 {
        let reason = format!("network sdumc-loss computes gradients in F32, not in {:?}", job.dtype);
        return Err(Error::Setting { name: "--dtype".into(), reason });
    }
    let config = config(job)?;
    let weights = match &job.special().loss_weights {
        Some(weights) => weights.parse()?,
        None => LossWeights::of(config.compat),
    };
    let network = Differentiable::load(job.weights()?, &config, &job.device)?;
    let clips = Clips {
        audio: sequence(job, "audio")?,
        text: sequence(job, "text")?,
        simulated: sequence(job, "simulated")?,
        video: sequence(job, "video")?,
    };
    let labels = labels(job, clips.audio.rows().dim(0)?)?;
    Ok(Box::new(move || {
        let (losses, gradients) = network.losses(&clips, &labels, &weights)?;
        let mut outputs = outputs([("loss", losses.total.detach())]); // ()
        let terms = Losses::TERMS.into_iter().zip(losses.terms());
        outputs.extend(terms.map(|(name, term)| (name.to_owned(), term.detach()))); // ()
        outputs.extend(gradients.into_iter().map(|(name, gradient)| (format!("grad.{name}"), gradient)));
        Ok(outputs)
    }))
}

/// Valence of each of `batch` clips: of any size, as this is not yet training.
fn labels(job: &Job, batch: usize) -> Result<Tensor, Error> {
    let labels = job.input.floats("labels", 1, DType::F32)?; // (b)
    if labels.dims() == [batch] {
        return Ok(labels);
    }
    Err(job.input.bad("labels", &labels, &format!("{batch} numbers, one a clip")).into())
}
