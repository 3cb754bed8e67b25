//! Features to valence: both flows through the fusion model.

use affekt_report::prediction::{Attention, Shares, Valence};
use affekt_sdumc::{Flow, Sequence, Sequences};
use candle_core::{DType, Tensor};

use crate::{Error, Networks};

/// The features of one clip, each (rows, width); `None` for a modality that is absent.
pub struct Features {
    /// Voice.
    pub audio: Option<Tensor>,
    /// Words.
    pub text: Option<Tensor>,
    /// Words generated from the voice.
    pub simulated: Option<Tensor>,
    /// Face.
    pub video: Option<Tensor>,
}

/// Valence and shares of each flow; the complete one only where there are words.
pub fn fuse(networks: &Networks, features: &Features) -> Result<(Valence, Attention), Error> {
    let without = flow(networks, features, features.simulated.as_ref(), Flow::TextMissing)?;
    let with = features.text.as_ref().map(|text| flow(networks, features, Some(text), Flow::Complete));
    let with = with.transpose()?;
    Ok((
        Valence { with_text: with.map(|(valence, _)| valence), without_text: without.0 },
        Attention { with_text: with.map(|(_, shares)| shares), without_text: without.1 },
    ))
}

fn flow(
    networks: &Networks,
    features: &Features,
    text: Option<&Tensor>,
    flow: Flow,
) -> Result<(f64, Shares), Error> {
    let widths = networks.widths();
    let sequence = |feature: Option<&Tensor>, width| -> Result<Sequence, Error> {
        Ok(match feature {
            Some(rows) => Sequence::new(rows.unsqueeze(0)?)?, // (1, t, width)
            None => Sequence::absent(width, &networks.device)?,
        })
    };
    let inputs = Sequences {
        audio: sequence(features.audio.as_ref(), widths.audio)?,
        text: sequence(text, widths.text)?,
        video: sequence(features.video.as_ref(), widths.video)?,
    };
    let output = networks.sdumc.forward(&inputs, flow)?;
    let valence = output.valence.to_dtype(DType::F64)?.to_vec1::<f64>()?[0];
    let share = output.attention()?[0];
    let [audio, text, video] = [share.audio, share.text, share.video].map(f64::from);
    Ok((valence, Shares { audio, text, video }))
}
