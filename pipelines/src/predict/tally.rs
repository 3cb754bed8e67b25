//! Windows to the answer for the whole recording.

use affekt_core::Seconds;
use affekt_report::exhibit::{Views, Words};
use affekt_report::prediction::{Attention, Audio, Faces, Shares, Simulated, Valence, Window};

use super::fusion::Verdict;
use super::judge::{Caution, Judged};
use super::recording::Clip;

/// What is known so far.
#[derive(Default)]
pub struct Tally {
    /// All windows.
    pub timeline: Vec<Window>,
    /// Their words.
    pub words: Vec<Words>,
    with_text: Mean,
    without_text: Mean,
    simulated: Generated,
    faces: Counted,
    sound: Sound,
    cautions: Vec<(Caution, Seconds, usize)>,
    /// Windows and seconds without anything to judge.
    empty: (usize, f64),
}

/// Sums of a flow, weighted by duration.
#[derive(Default)]
struct Mean {
    seconds: f64,
    valence: f64,
    shares: [f64; 3],
    views: [f64; 7],
}

impl Mean {
    fn add(&mut self, verdict: &Verdict, seconds: f64) {
        self.seconds += seconds;
        self.valence += seconds * verdict.valence;
        let Shares { audio, text, video } = verdict.shares;
        let weigh = |sums: &mut [f64], values: &[f64]| {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += seconds * value);
        };
        weigh(&mut self.shares, &[audio, text, video]);
        weigh(&mut self.views, &verdict.views);
    }

    /// The means; `None` where nothing was added.
    fn read(&self) -> Option<Verdict> {
        let seconds = Some(self.seconds).filter(|seconds| *seconds > 0.0)?;
        let [audio, text, video] = self.shares.map(|sum| sum / seconds);
        Some(Verdict {
            valence: self.valence / seconds,
            shares: Shares { audio, text, video },
            views: self.views.map(|sum| sum / seconds),
        })
    }
}

#[derive(Default)]
struct Generated {
    texts: Vec<String>,
    tokens: usize,
    log_probability: f64,
    looped: bool,
}

#[derive(Default)]
struct Counted {
    frames: usize,
    with_face: usize,
    tracks: usize,
}

#[derive(Default)]
struct Sound {
    seconds: f64,
    audible: bool,
}

impl Tally {
    /// Adds the next window.
    pub fn add(&mut self, clip: &Clip, judged: Judged) -> Window {
        let Judged { start, end, verdicts, words, told, cautions } = judged;
        // A single picture lasts no time and still has a weight.
        let seconds = (end.0 - start.0).max(1e-3);
        match &verdicts {
            Some(verdicts) => {
                self.without_text.add(&verdicts.without_text, seconds);
                if let Some(with_text) = &verdicts.with_text {
                    self.with_text.add(with_text, seconds);
                }
            }
            None => self.empty = (self.empty.0 + 1, self.empty.1 + seconds),
        }
        self.take_clip(clip);
        self.take_text(&told);
        for caution in cautions {
            match self.cautions.iter_mut().find(|(known, ..)| known.kind == caution.kind) {
                Some((_, _, count)) if clip.several => *count += 1,
                _ => self.cautions.push((caution, start, 1)),
            }
        }
        let window = Window {
            start,
            end,
            with_text: verdicts.and_then(|verdicts| verdicts.with_text).map(|verdict| verdict.valence),
            without_text: verdicts.map(|verdicts| verdicts.without_text.valence),
        };
        self.timeline.push(window);
        self.words.push(Words { start, end, transcript: words, hypothesis: told.hypothesis });
        window
    }

    fn take_clip(&mut self, clip: &Clip) {
        self.faces.frames += clip.track.frames();
        self.faces.with_face += clip.track.with_face();
        self.faces.tracks = self.faces.tracks.max(clip.track.tracks.len());
        if let Some(waveform) = &clip.waveform {
            self.sound.seconds += waveform.duration().0;
            self.sound.audible |= !waveform.is_silent();
        }
    }

    fn take_text(&mut self, told: &Simulated) {
        self.simulated.texts.extend(told.hypothesis.clone());
        self.simulated.tokens += told.tokens;
        self.simulated.log_probability += told.score.unwrap_or_default() * told.tokens as f64;
        self.simulated.looped |= told.looped;
    }

    /// Both valences and their shares; `None` where no window had anything to judge.
    pub fn answer(&self) -> Option<(Valence, Attention, Views)> {
        let without = self.without_text.read()?;
        let with = self.with_text.read();
        Some((
            Valence { with_text: with.map(|verdict| verdict.valence), without_text: without.valence },
            Attention { with_text: with.map(|verdict| verdict.shares), without_text: without.shares },
            Views { with_text: with.map(|verdict| verdict.views), without_text: without.views },
        ))
    }

    /// What was seen.
    pub fn faces(&self) -> Faces {
        let Counted { frames, with_face, tracks } = self.faces;
        Faces { frames, with_face, coverage: with_face as f64 / frames.max(1) as f64, tracks }
    }

    /// What was heard.
    pub fn audio(&self) -> Audio {
        let Sound { seconds, audible } = self.sound;
        Audio {
            present: seconds > 0.0,
            silent: seconds > 0.0 && !audible,
            seconds: Seconds(seconds).rounded(),
        }
    }

    /// The generated text of all windows; its score is that of a token.
    pub fn simulated(&self) -> Simulated {
        let Generated { texts, tokens, log_probability, looped } = &self.simulated;
        let spoken = || texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        Simulated {
            // One text is told as it is, whatever blanks it has.
            hypothesis: match texts.as_slice() {
                [] => None,
                [only] => Some(only.clone()),
                _ => Some(spoken().collect::<Vec<_>>().join(" ")),
            },
            tokens: *tokens,
            score: (*tokens > 0).then(|| log_probability / *tokens as f64),
            looped: *looped,
        }
    }

    /// What a user should know of the windows; those of one kind together.
    pub fn warnings(&self) -> Vec<String> {
        let windows = self.timeline.len();
        let told = self.cautions.iter().map(|(caution, start, count)| match windows {
            1 => caution.text.clone(),
            _ if *count == 1 => format!("{} (in the window from {start})", caution.text),
            _ => format!("{} (in {count} of {windows} windows, first from {start})", caution.text),
        });
        let (empty, seconds) = self.empty;
        let nothing = (empty > 0 && empty < windows).then(|| {
            let seconds = Seconds(seconds);
            format!("{empty} of {windows} windows ({seconds}) hold neither voice nor face nor words: they count nothing")
        });
        told.chain(nothing).collect()
    }
}
