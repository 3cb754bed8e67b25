//! What a run that is continued begins with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use affekt_core::Digest;
use affekt_report::training::{Epoch, Outcome};
use affekt_train::{Adam, Parameters};
use affekt_weights::tensors::{read_noted, write_noted};
use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::Error;

/// The file of a run that has not ended.
const FILE: &str = "state.safetensors";
/// The key of [`Notes`] in it.
const NOTES: &str = "state";
/// Changes with the meaning of the file.
const VERSION: u32 = 1;

/// How far a run is, beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notes {
    version: u32,
    /// Digest of everything that decides what the run learns.
    pub run: Digest,
    /// Index of the phase.
    pub phase: usize,
    /// Epochs of the phase that are done.
    pub done: usize,
    /// Whether the phase has ended before its last epoch.
    pub enough: bool,
    /// All epochs so far.
    pub epochs: Vec<Epoch>,
    /// Wall time so far.
    pub seconds: f64,
    /// When the run began.
    pub started: String,
}

/// The state of a run in its folder.
pub struct State {
    path: PathBuf,
    run: Digest,
}

/// The tensors of a state.
pub struct Held {
    /// How far the run is.
    pub notes: Notes,
    tensors: BTreeMap<String, Tensor>,
}

impl State {
    /// Of the run `run` in `folder`.
    pub fn new(folder: &Path, run: Digest) -> Self {
        Self { path: folder.join(FILE), run }
    }

    /// Whether `folder` holds one.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// What was saved last; `None` where nothing was.
    ///
    /// # Errors
    /// [`Error::State`] where it is that of another run, or of another version of affekt.
    pub fn read(&self) -> Result<Option<Held>, Error> {
        if !self.path.is_file() {
            return Ok(None);
        }
        let bad = |reason: String| Error::State { path: self.path.clone(), reason };
        let (tensors, notes) = read_noted(&self.path).map_err(|error| bad(error.to_string()))?;
        let notes = notes.get(NOTES).ok_or_else(|| bad("it is not the state of a run".into()))?;
        let version = serde_json::from_str::<serde_json::Value>(notes).ok();
        let version = version.and_then(|notes| notes["version"].as_u64());
        if version != Some(u64::from(VERSION)) {
            return Err(bad("another version of affekt has written it".into()));
        }
        let notes: Notes = serde_json::from_str(notes).map_err(|error| bad(error.to_string()))?;
        if notes.run != self.run {
            let reason = "it is that of another run: configuration, clips, labels or features differ";
            return Err(bad(reason.into()));
        }
        Ok(Some(Held { notes, tensors }))
    }

    /// Saves how far a run is.
    pub fn save(
        &self,
        notes: &Notes,
        parameters: &Parameters,
        best: &BTreeMap<String, Tensor>,
        optimisers: &[Adam],
    ) -> Result<(), Error> {
        let mut tensors = BTreeMap::new();
        let mut add = |prefix: String, found: BTreeMap<String, Tensor>| -> Result<(), Error> {
            for (name, tensor) in found {
                // Once: what writes them reads them several times.
                tensors.insert(format!("{prefix}.{name}"), tensor.to_device(&Device::Cpu)?);
            }
            Ok(())
        };
        let values = parameters.all().into_iter().map(|(name, var)| (name, var.as_detached_tensor()));
        add("value".into(), values.collect())?;
        add("best".into(), best.clone())?;
        for (index, adam) in optimisers.iter().enumerate() {
            add(format!("adam{index}"), adam.tensors()?)?;
        }
        let notes = serde_json::to_string(notes).expect("notes are plain data");
        let notes = BTreeMap::from([(NOTES.to_owned(), notes)]);
        write_noted(&self.path, &tensors, &notes)
            .map_err(|error| Error::State { path: self.path.clone(), reason: error.to_string() })
    }

    /// Removes it: the run has ended.
    pub fn remove(&self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Write { path: self.path.clone(), source: error })
            }
            _ => Ok(()),
        }
    }
}

impl Notes {
    /// Of a run that begins at `started`.
    pub fn new(run: Digest, started: String) -> Self {
        Self {
            version: VERSION,
            run,
            phase: 0,
            done: 0,
            enough: false,
            epochs: Vec::new(),
            seconds: 0.0,
            started,
        }
    }

    /// Validation outcomes of the epochs of the current phase, in order.
    pub fn seen<'n>(&'n self, phase: &'n str) -> impl Iterator<Item = &'n [Outcome]> {
        self.epochs.iter().filter(move |epoch| epoch.phase == phase).map(|epoch| epoch.valid.as_slice())
    }
}

impl Held {
    /// The tensors under `prefix`.
    fn part(&self, prefix: &str) -> BTreeMap<String, Tensor> {
        let prefix = format!("{prefix}.");
        let named = self.tensors.iter();
        named
            .filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone())))
            .collect()
    }

    /// Gives everything back as it was; returns the best parameters so far.
    pub fn restore(
        &self,
        parameters: &Parameters,
        vars: &BTreeMap<String, Var>,
        optimisers: &mut [Adam],
    ) -> Result<BTreeMap<String, Tensor>, Error> {
        parameters.set(&self.part("value"))?;
        for (index, adam) in optimisers.iter_mut().enumerate() {
            adam.restore(vars, &self.part(&format!("adam{index}")))?;
        }
        Ok(self.part("best"))
    }
}
