//! `run sdumc`: features (b, t, width) of three modalities -> valence and representations.

use affekt_pipelines::Error;
use affekt_sdumc::{Config, Flow, RawConfig, Sdumc, Sequence, Sequences, keys};
use candle_core::DType;

use super::job::outputs;
use super::{Forward, Job};

pub fn prepare(job: &Job) -> Result<Forward, Error> {
    let config = config(job)?;
    let network =
        job.weights()?.load(keys(&config), job.dtype, &job.device, |vb| Sdumc::load(vb, &config))?;
    let inputs = Sequences {
        audio: sequence(job, "audio")?,
        text: sequence(job, "text")?,
        video: sequence(job, "video")?,
    };
    let flow = if job.special().missing { Flow::TextMissing } else { Flow::Complete };
    Ok(Box::new(move || {
        let output = network.forward(&inputs, flow)?;
        let f32 = |tensor: &candle_core::Tensor| tensor.to_dtype(DType::F32);
        Ok(outputs([
            ("valence", f32(&output.valence)?), // (b)
            ("r", f32(&output.r)?),             // (b, D / 2)
            ("rnc", f32(&output.rnc)?),         // (b, D / 4)
            ("text1", f32(&output.text1)?),     // (b, D)
            ("text2", f32(&output.text2)?),     // (b, 7, D / 2)
        ]))
    }))
}

/// The settings: of the configuration, the flags and the checkpoint's shapes.
pub fn config(job: &Job) -> Result<Config, Error> {
    let mut raw: RawConfig = job.config_or_default::<RawConfig>()?.infer(job.weights()?);
    if let Some(compat) = &job.special().compat {
        raw.compat = compat.parse()?;
    }
    if let Some(mia) = &job.special().mia {
        raw.mia = Some(mia.parse()?);
    }
    Ok(raw.resolve()?)
}

/// The feature `name` (b, t, width), with `lengths.NAME` where there are any.
pub fn sequence(job: &Job, name: &str) -> Result<Sequence, Error> {
    let rows = job.input.floats(name, 3, job.dtype)?; // (b, t, width)
    let (batch, longest, _) = rows.dims3()?;
    Ok(match job.input.lengths(&format!("lengths.{name}"), batch, longest)? {
        Some(lengths) => Sequence::padded(rows, &lengths)?,
        None => Sequence::new(rows)?,
    })
}
