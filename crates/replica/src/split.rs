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
    /// sentences of one corpus has seen no test sentence of any other. Capitals do not count, but the stop does: the same
    /// words with `!` in place of `.` are another sentence.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_stay_where_the_networks_that_are_trained_have_met_them() {
        for (sentence, split) in [
            ("I love it.", Split::Train),
            ("We read the book on Friday.", Split::Train),
            ("The room is awful.", Split::Valid),
            ("The meal was superb.", Split::Test),
            ("THE MEAL WAS SUPERB.", Split::Test),
        ] {
            assert_eq!(Split::of(sentence), split, "{sentence}");
        }
    }

    #[test]
    fn each_split_has_its_share_of_the_sentences() {
        let found: Vec<Split> = (0..10_000).map(|number| Split::of(&format!("sentence {number}"))).collect();
        for split in Split::ALL {
            let count = found.iter().filter(|found| **found == split).count();
            assert!(count.abs_diff(100 * split.percent()) < 150, "{}: {count}", split.name());
        }
    }

    #[test]
    fn names_lead_back_to_their_splits_and_others_are_refused_with_the_ones_there_are() {
        for split in Split::ALL {
            assert_eq!(Split::named(split.name()), Ok(split));
        }
        let error = Split::named("dev").unwrap_err();
        assert!(error.contains("dev") && error.contains("train, valid or test"), "{error}");
    }
}
