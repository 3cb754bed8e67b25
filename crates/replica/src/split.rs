//! Training, validation and test, and which sentence belongs where.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A part of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Valid,
    /// To judge by.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// Its share of the clips, in percent.
    pub fn percent(self) -> usize {
        match self {
            Self::Train => 70,
            Self::Valid => 10,
            Self::Test => 20,
        }
    }

    /// The split of this name.
    ///
    /// # Errors
    ///
    /// Where there is none, with the names that there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|split| split.name() == name);
        known.ok_or_else(|| format!("no split is called {name}: train, valid or test"))
    }

    /// Its name in the table of labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }

    /// The one split that `sentence` may ever be said in, whatever the seed: a network that learnt from the training
    /// sentences of one corpus has seen no test sentence of any other.
    pub fn of(sentence: &str) -> Self {
        let digest = Sha256::digest(sentence.to_lowercase());
        let percent = usize::from(u16::from_be_bytes([digest[0], digest[1]])) * 100 / 65_536;
        match percent {
            0..70 => Self::Train,
            70..80 => Self::Valid,
            _ => Self::Test,
        }
    }
}
