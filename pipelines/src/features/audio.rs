//! The voice: waveform -> WavLM hidden states.

use affekt_core::Waveform;
use affekt_wavlm::normalize;
use candle_core::Tensor;

use super::summed;
use crate::recipe::AudioRecipe;
use crate::{Error, Networks};

/// Both features of the voice, one row per 20 ms.
pub struct Voice {
    /// (t, width): what the fusion model hears.
    pub audio: Tensor,
    /// (t, width): what the projector hears.
    pub speech: Tensor,
}

/// Encodes a clip at 16 kHz. `None` for one that is too short for a single frame.
///
/// One pass serves both features, unless their recipes normalise differently.
pub fn encode(networks: &Networks, waveform: &Waveform) -> Result<Option<Voice>, Error> {
    if networks.wavlm.frames(waveform.samples.len()) == 0 {
        return Ok(None);
    }
    let (audio, speech) = (&networks.recipes.audio, &networks.recipes.speech);
    let states = hidden_states(networks, waveform, audio)?;
    let own_pass = if audio.normalize == speech.normalize {
        None
    } else {
        Some(hidden_states(networks, waveform, speech)?)
    };
    let speech_states = own_pass.as_ref().unwrap_or(&states);
    Ok(Some(Voice { audio: summed(&states, audio.layers)?, speech: summed(speech_states, speech.layers)? }))
}

fn hidden_states(
    networks: &Networks,
    waveform: &Waveform,
    recipe: &AudioRecipe,
) -> Result<Vec<Tensor>, Error> {
    let samples = Tensor::from_slice(&waveform.samples, (1, waveform.samples.len()), &networks.device)?; // (1, n)
    let samples = normalize(&samples, recipe.normalize.parse()?, None)?;
    let samples = samples.to_dtype(networks.dtype(&recipe.network)?)?;
    Ok(networks.wavlm.forward(&samples, None)?)
}
