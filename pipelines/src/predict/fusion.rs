//! Features to valence: both flows through the fusion model.

use affekt_core::FeatureKind;
use affekt_report::prediction::Shares;
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

/// What one flow says.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Sentiment valence, unclipped.
    pub valence: f64,
    /// Share of each modality.
    pub shares: Shares,
    /// Share of each view, in the order of [`affekt_report::exhibit::Views::NAMES`].
    pub views: [f64; 7],
}

/// What both flows say; the complete one only where there are words.
#[derive(Clone, Copy, Debug)]
pub struct Verdicts {
    /// Complete flow.
    pub with_text: Option<Verdict>,
    /// Text-missing flow.
    pub without_text: Verdict,
}

/// Runs both flows, on features standardised as in the training. A model that was trained without simulated text gets none.
pub fn fuse(networks: &Networks, features: &Features) -> Result<Verdicts, Error> {
    let lineage = &networks.lineage;
    let standardised = |kind, feature: &Option<Tensor>| {
        feature.as_ref().map(|rows| lineage.standardised(kind, rows)).transpose()
    };
    let Features { audio, text, simulated, video } = features;
    let features = &Features {
        audio: standardised(FeatureKind::Audio, audio)?,
        text: standardised(FeatureKind::Text, text)?,
        simulated: standardised(FeatureKind::Simulated, simulated)?,
        video: standardised(FeatureKind::Video, video)?,
    };
    let simulated = features.simulated.as_ref().filter(|_| lineage.takes(FeatureKind::Simulated));
    let without_text = flow(networks, features, simulated, Flow::TextMissing)?;
    let with_text = features.text.as_ref().map(|text| flow(networks, features, Some(text), Flow::Complete));
    Ok(Verdicts { with_text: with_text.transpose()?, without_text })
}

fn flow(
    networks: &Networks,
    features: &Features,
    text: Option<&Tensor>,
    flow: Flow,
) -> Result<Verdict, Error> {
    let widths = networks.sdumc.config().widths;
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
    let views = output.view_attention()?[0].map(f64::from);
    Ok(Verdict { valence, shares: Shares { audio, text, video }, views })
}
