//! `run wavlm`: waveform (b, n) -> hidden_states.0 ... hidden_states.L, each (b, t, hidden).

use affekt_pipelines::Error;
use affekt_wavlm::{KEYS, Normalize, RawConfig, WavLm, normalize};
use candle_core::DType;

use super::{Forward, Job, Outputs};

pub fn prepare(job: &Job) -> Result<Forward, Error> {
    let config = job.config::<RawConfig>()?.into_config()?;
    let how: Normalize = job.special().normalize.as_deref().unwrap_or("hf").parse()?;
    let network = job.weights()?.load(&KEYS, job.dtype, &job.device, |vb| WavLm::load(vb, &config))?;
    let waveform = job.input.floats("waveform", 2, DType::F32)?; // (b, n)
    let (batch, samples) = waveform.dims2()?;
    let lengths = job.input.lengths("lengths", batch, samples)?;
    let shortest = lengths.as_ref().and_then(|lengths| lengths.iter().min()).copied().unwrap_or(samples);
    if network.frames(shortest) == 0 {
        let wanted = format!("of clips that are long enough for one frame, not {shortest} samples");
        return Err(job.input.bad("waveform", &waveform, &wanted).into());
    }
    let dtype = job.dtype;
    Ok(Box::new(move || {
        let waveform = normalize(&waveform, how, lengths.as_deref())?.to_dtype(dtype)?;
        let states = network.forward(&waveform, lengths.as_deref())?;
        let named = states.into_iter().enumerate().map(|(at, state)| {
            Ok((format!("hidden_states.{at}"), state.to_dtype(DType::F32)?)) // (b, t, hidden)
        });
        named.collect::<Result<Outputs, Error>>()
    }))
}
