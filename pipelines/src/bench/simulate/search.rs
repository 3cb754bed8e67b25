//! All voices through the language model, with so many in flight.

use std::time::Instant;

use affekt_generate::{Budget, Engine, Tally};
use affekt_llama::Llama;

use super::{Error, Voices};
use crate::features::simulated::Encoder;

/// What that took.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Most clips in flight that were allowed.
    pub in_flight: usize,
    /// Wall time in seconds.
    pub seconds: f64,
    /// What the engine counted.
    pub tally: Tally,
    /// The tokens of each voice's text; none of one that is too short for the projector.
    pub texts: Vec<Vec<u32>>,
}

impl Taken {
    /// Voices that have a text.
    pub fn clips(&self) -> usize {
        self.texts.iter().filter(|text| !text.is_empty()).count()
    }

    /// Tokens of all texts, their ends among them.
    pub fn tokens(&self) -> usize {
        self.texts.iter().map(Vec::len).sum()
    }

    /// Refuses another text of any voice.
    ///
    /// # Errors
    /// [`Error::Differs`], of the first.
    pub fn same(&self, other: &Self, voices: &Voices) -> Result<(), Error> {
        let pairs = self.texts.iter().zip(&other.texts);
        match voices.all.iter().zip(pairs).find(|(_, (one, other))| one != other) {
            None => Ok(()),
            Some((voice, (one, text))) => Err(Error::Differs {
                clip: voice.clip.clone(),
                in_flight: [self.in_flight, other.in_flight],
                texts: Box::new([one.clone(), text.clone()]),
            }),
        }
    }
}

/// Runs the shortest voice within `bytes` of keys and values: what is set up with a first pass does not count.
///
/// # Errors
/// As [`run`].
pub fn warm_up(encoder: &Encoder, voices: &Voices, bytes: usize) -> Result<(), Error> {
    let shortest = voices.all.last().into_iter().cloned().collect();
    let budget = Budget { bytes, clips: 1, ..Budget::default() };
    pass(encoder, &Voices { all: shortest, ..*voices }, budget).map(|_| ())
}

/// Simulates the text of all `voices`, as many at once as `budget` allows: projector, search, words.
///
/// # Errors
/// [`Error::Nothing`] where no voice is long enough; those of generation, of the first voice that has one.
pub fn run(encoder: &Encoder, voices: &Voices, budget: Budget) -> Result<Taken, Error> {
    let taken = pass(encoder, voices, budget)?;
    if taken.clips() == 0 {
        return Err(Error::Nothing { reason: "no voice is long enough for a row of the projector".into() });
    }
    Ok(taken)
}

fn pass(encoder: &Encoder, voices: &Voices, budget: Budget) -> Result<Taken, Error> {
    let mut engine = encoder.engine(budget)?;
    let mut texts = vec![Vec::new(); voices.all.len()];
    let started = Instant::now();
    for (at, voice) in voices.all.iter().enumerate() {
        let Some(request) = encoder.request(&voice.speech, voice.samples)? else { continue };
        engine.submit(at, &request.prompt, request.max_new_tokens).map_err(crate::Error::from)?;
        while engine.in_flight() + engine.waiting() > budget.clips && engine.advance() {
            leave(encoder, &mut engine, &mut texts)?;
        }
    }
    while engine.advance() {
        leave(encoder, &mut engine, &mut texts)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Taken { in_flight: budget.clips, seconds, tally: engine.tally(), texts })
}

/// Takes the texts that have ended.
fn leave(
    encoder: &Encoder,
    engine: &mut Engine<'_, Llama, usize>,
    texts: &mut [Vec<u32>],
) -> Result<(), Error> {
    while let Some((at, generation)) = engine.ended() {
        let generation = generation.map_err(crate::Error::from)?;
        encoder.simulation(&generation)?;
        texts[at] = generation.tokens;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_text_of_a_voice_is_refused_by_name() {
        let voices = Voices::drawn(2, 1).unwrap();
        let taken = |in_flight, texts: [&[u32]; 2]| Taken {
            in_flight,
            seconds: 1.0,
            tally: Tally::default(),
            texts: texts.map(<[u32]>::to_vec).to_vec(),
        };
        let one = taken(1, [&[3, 4, 2], &[]]);
        assert_eq!((one.clips(), one.tokens()), (1, 3));
        assert!(one.same(&taken(4, [&[3, 4, 2], &[]]), &voices).is_ok());
        let error = one.same(&taken(4, [&[3, 5, 2], &[]]), &voices).unwrap_err().to_string();
        let clip = voices.all[0].clip.as_str();
        assert!(
            error.starts_with(&format!("{clip} has another text with 4 in flight than with 1")),
            "{error}"
        );
    }
}
