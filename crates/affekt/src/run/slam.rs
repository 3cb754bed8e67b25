//! `run slam`: features (b, t, encoder width) -> projected (b, t / k, llm width).

use affekt_llama::slam::{Config, KEYS, Projector};
use affekt_pipelines::Error;
use candle_core::DType;

use super::job::outputs;
use super::{Forward, Job};

pub fn prepare(job: &Job) -> Result<Forward, Error> {
    let features = job.input.floats("features", 3, job.dtype)?; // (b, t, encoder width)
    // The published checkpoint comes without a configuration: its sizes are those of its weights.
    let inferred = Config::infer(job.weights()?, features.dim(2)?);
    let config = match (job.has_config(), inferred) {
        (false, Some(config)) => config?,
        _ => job.config_or_default()?,
    };
    if features.dim(2)? != config.encoder_dim {
        let wanted = format!("of width {}, as the projector", config.encoder_dim);
        return Err(job.input.bad("features", &features, &wanted).into());
    }
    let network = job.weights()?.load(&KEYS, job.dtype, &job.device, |vb| Projector::load(vb, &config))?;
    Ok(Box::new(move || {
        let projected = network.forward(&features)?.to_dtype(DType::F32)?; // (b, t / k, llm width)
        Ok(outputs([("projected", projected)]))
    }))
}
