//! Bad input, one command each: a clear error or a result that says what was wrong; never a panic, a hang or memory
//! without bound.
//!
//! | module | holds |
//! |---|---|
//! | `unusable` | what cannot be judged: one error with kind, name and remedy |
//! | `damaged` | what can be judged in part: a warning says how much is missing |
//! | `extreme` | sizes, rates and times beyond reason |
//! | `words` | transcripts that are long, empty or in any script; spans outside |
//! | `names` | odd names, rights, pipes and a reader that goes away |

mod damaged;
mod extreme;
mod names;
mod unusable;
mod words;

use std::path::{Path, PathBuf};

use affekt_testkit::clips::ffmpeg;

use crate::command::{SAMPLE, project};

/// Memory that a short clip of ordinary size may take, in MB.
const ORDINARY: u64 = 400;

/// The sample clip, which has a face and a voice, written anew by FFmpeg as `folder/name` with the output `options`.
fn remade(folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let (from, to) = (project().join(SAMPLE).display().to_string(), path.display().to_string());
    let args = [&["-i", &from, "-preset", "ultrafast"][..], options, &[&to]].concat();
    ffmpeg(&args);
    path
}
