//! A video: its clips spoken one after the other, with the pictures that belong to the sound, as a file.
//!
//! | module | holds |
//! |---|---|
//! | [`sound`] | the clips' speech with pauses and noise; when each is spoken; how loud each frame is |
//! | [`motion`] | what head, eyes and lids do by themselves |
//! | `encode` | pictures and sound to mp4, by the program ffmpeg |

mod encode;
pub mod motion;
pub mod sound;

use std::path::{Path, PathBuf};

use tiny_skia::Pixmap;

use crate::face::Look;
use crate::scene::{Grain, HEIGHT, Shown, Stage, WIDTH};
use crate::script::Clip;
use crate::speech;
use motion::Motion;
pub use sound::Sound;

/// Pictures a second.
pub const FRAMES: u32 = 25;

/// Seconds that an expression takes to come and to go.
const FADE: f64 = 0.3;

/// Why a video could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its speech.
    #[error("clip {clip}: {source}")]
    Speech {
        /// The clip.
        clip: String,
        /// Why.
        source: speech::Error,
    },
    /// The program ffmpeg cannot be started.
    #[error("ffmpeg cannot be started ({0}): `cargo xtask setup` or `apt-get install ffmpeg` brings it")]
    NoFfmpeg(#[source] std::io::Error),
    /// ffmpeg ended with an error.
    #[error("{}: ffmpeg failed: {message}", path.display())]
    Ffmpeg {
        /// The video.
        path: PathBuf,
        /// What it says.
        message: String,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no memory for a picture.
    #[error("no memory for a picture of {WIDTH} x {HEIGHT} pixels")]
    Memory,
}

/// All of a video but its pixels.
pub struct Film<'a> {
    clips: &'a [Clip],
    seed: u64,
    sound: Sound,
    motion: Motion,
}

impl<'a> Film<'a> {
    /// Speaks the clips of a video and plans its pictures: the same for the same clips and seed.
    ///
    /// # Errors
    ///
    /// Where a clip cannot be spoken.
    pub fn new(clips: &'a [Clip], seed: u64) -> Result<Self, Error> {
        let sound = Sound::record(clips, seed)?;
        let motion = Motion::draw(seed, sound.seconds());
        Ok(Self { clips, seed, sound, motion })
    }

    /// What is heard, and when.
    pub fn sound(&self) -> &Sound {
        &self.sound
    }

    /// What frame `index` shows.
    fn shown(&self, index: usize) -> Shown {
        let time = index as f64 / f64::from(FRAMES);
        let (number, strength) = self.turn(time);
        let Some(clip) = self.clips.get(number) else { return Shown::Nobody };
        let level = self.sound.levels.get(index).copied().unwrap_or_default();
        let place = self.motion.place(time, level);
        if !clip.visible {
            return self.motion.absence(number, place);
        }
        let look = Look {
            expression: clip.expression,
            strength: (clip.strength * strength) as f32,
            opening: level,
            blink: self.motion.blink(time),
            gaze: self.motion.gaze(time),
            turn: self.motion.turn(time),
            light: self.motion.light(),
        };
        Shown::Face { look, place }
    }

    /// The clip whose turn it is at `time`, and how much of its expression has come. A turn lasts from the middle of the
    /// pause before a clip to the middle of the one after it.
    fn turn(&self, time: f64) -> (usize, f64) {
        let spoken = &self.sound.spoken;
        let number =
            spoken.windows(2).take_while(|pair| time >= f64::midpoint(pair[0].end, pair[1].start)).count();
        let Some(own) = spoken.get(number) else { return (number, 0.0) };
        let rise = (time - (own.start - FADE)) / FADE;
        let fall = (own.end + FADE - time) / FADE;
        let part = rise.min(fall).clamp(0.0, 1.0);
        (number, part * part * (3.0 - 2.0 * part))
    }

    /// Writes the video to `path`, with `mark` as its comment. The same film gives the same bytes by the
    /// same ffmpeg.
    ///
    /// # Errors
    ///
    /// Where ffmpeg is missing or fails, and where the files cannot be written.
    pub fn write(&self, path: &Path, mark: &str) -> Result<(), Error> {
        let mut pictures = Pictures::new(self)?;
        encode::encode(path, mark, &self.sound.samples, self.sound.levels.len(), |index, rgb| {
            pictures.frame(index, rgb);
        })
    }
}

/// The pixels of a film, one frame after the other.
struct Pictures<'a> {
    film: &'a Film<'a>,
    stages: Vec<((u32, u32), Stage)>,
    picture: Pixmap,
    grain: Grain,
}

impl<'a> Pictures<'a> {
    fn new(film: &'a Film<'a>) -> Result<Self, Error> {
        let picture = Pixmap::new(WIDTH, HEIGHT).ok_or(Error::Memory)?;
        let mut stages: Vec<((u32, u32), Stage)> = Vec::new();
        for clip in film.clips {
            let cast = (clip.person, clip.background);
            if stages.iter().all(|(known, _)| *known != cast) {
                stages.push((cast, Stage::new(cast.0, cast.1).ok_or(Error::Memory)?));
            }
        }
        Ok(Self { film, stages, picture, grain: Grain::new(film.seed) })
    }

    fn frame(&mut self, index: usize, rgb: &mut Vec<u8>) {
        let (number, _) = self.film.turn(index as f64 / f64::from(FRAMES));
        let cast = self.film.clips.get(number).map(|clip| (clip.person, clip.background));
        if let Some((_, stage)) = self.stages.iter().find(|(known, _)| Some(*known) == cast) {
            stage.draw(&mut self.picture, &self.film.shown(index));
        }
        self.grain.lay(self.picture.data(), index, rgb);
    }
}
