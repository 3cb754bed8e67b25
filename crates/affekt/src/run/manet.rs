//! `run manet`: images (b, 3, side, side) in 0 to 1 -> embedding (b, 1024).

use affekt_manet::{KEYS, Manet, RawConfig};
use affekt_pipelines::Error;
use candle_core::DType;

use super::job::outputs;
use super::{Forward, Job};

pub fn prepare(job: &Job) -> Result<Forward, Error> {
    let mut raw = job.config_or_default::<RawConfig>()?.infer(job.weights()?);
    if let Some(variant) = &job.special().variant {
        raw.variant = variant.parse()?;
    }
    let config = raw.resolve()?;
    let network = job.weights()?.load(&KEYS, job.dtype, &job.device, |vb| Manet::load(vb, &config))?;
    let images = job.input.floats("images", 4, job.dtype)?; // (b, 3, side, side)
    Ok(Box::new(move || {
        let embedding = network.forward(&images)?.to_dtype(DType::F32)?; // (b, 1024)
        Ok(outputs([("embedding", embedding)]))
    }))
}
