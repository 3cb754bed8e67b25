//! What can be wrong with a checkpoint, and with what is done with it.

use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};

use super::recipes::Difference;

/// Errors of checkpoints. Each names the file where there is one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder without a checkpoint.
    #[error("{}: there is no {} in this folder", folder.display(), super::FILE)]
    NotThere {
        /// The folder.
        folder: PathBuf,
    },
    /// Weights that do not say what they are.
    #[error("{} is a checkpoint without a card: it does not say what was trained, nor on which features", file.display())]
    NoCard {
        /// The file.
        file: PathBuf,
    },
    /// A card of a later affekt.
    #[error("{}: its card has form {format}, and this affekt knows them up to form {known}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Version of the card's form.
        format: u32,
        /// The last version that is known.
        known: u32,
    },
    /// A header or a card that cannot be read.
    #[error("{} is damaged: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Weights of another method.
    #[error("{} is a checkpoint of method {found}, wanted is one of method {wanted}", file.display())]
    Method {
        /// The file.
        file: PathBuf,
        /// The card's method.
        found: String,
        /// The method that is asked for.
        wanted: String,
    },
    /// Features that are made otherwise than those of the training.
    #[error("the features are not made as those that {} was trained on:{}", named(file.as_deref()), list(differences))]
    Recipes {
        /// The checkpoint.
        file: Option<PathBuf>,
        /// Everything that differs.
        differences: Vec<Difference>,
    },
    /// Weights for features of other widths than a bundle's.
    #[error("{} does not fit bundle {bundle}:{}", file.display(), lines(differences))]
    Widths {
        /// The checkpoint.
        file: PathBuf,
        /// The bundle, as commands name it.
        bundle: String,
        /// A sentence for each feature.
        differences: Vec<String>,
    },
    /// Of reading and writing weights.
    #[error(transparent)]
    Weights(#[from] affekt_weights::Error),
}

impl Error {
    /// The error, with the checkpoint's name where it has none.
    pub fn of(mut self, checkpoint: &Path) -> Self {
        if let Self::Recipes { file, .. } = &mut self {
            file.get_or_insert_with(|| checkpoint.into());
        }
        self
    }
}

fn named(file: Option<&Path>) -> String {
    file.map_or_else(|| "the checkpoint".into(), |file| file.display().to_string())
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("\n  {difference}")).collect()
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotThere { .. } => ErrorKind::NotFound,
            Self::Weights(error) => error.kind(),
            _ => ErrorKind::BadModel,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotThere { .. } => {
                "name the folder of a run that is finished (`affekt train --out RUN`; the same command continues one that \
                 was stopped), or the checkpoint itself"
                    .into()
            }
            Self::NoCard { .. } => {
                "name a run of `affekt train` or its checkpoint.safetensors; released weights are taken by `affekt predict \
                 --fusion FILE`, `affekt eval` and `affekt models import BUNDLE sdumc FILE`"
                    .into()
            }
            Self::Newer { .. } => "get the affekt that wrote it, or a later one".into(),
            Self::Damaged { .. } => "copy the file again from where it was trained; its bytes have changed".into(),
            Self::Method { wanted, .. } => format!("name a run of `affekt train --method {wanted}`"),
            Self::Recipes { .. } => {
                "use features that are made as in training (the same bundle; the same way to find faces, see --yunet), \
                 or train anew on features made as here"
                    .into()
            }
            Self::Widths { .. } => "name the bundle whose networks made the features of its training".into(),
            Self::Weights(error) => return error.hint(),
        })
    }
}
