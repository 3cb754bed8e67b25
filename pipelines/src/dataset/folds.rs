//! The official splits of known datasets: which recordings belong to which.

use std::collections::HashMap;

use super::Split;

/// The official lists, an id of a recording a line (see the book's page on datasets for their source).
const OFFICIAL: [(&str, [&str; 3]); 2] = [
    (
        "mosei",
        [
            include_str!("folds/mosei_train.txt"),
            include_str!("folds/mosei_valid.txt"),
            include_str!("folds/mosei_test.txt"),
        ],
    ),
    (
        "mosi",
        [
            include_str!("folds/mosi_train.txt"),
            include_str!("folds/mosi_valid.txt"),
            include_str!("folds/mosi_test.txt"),
        ],
    ),
];

/// To which split each recording of a dataset belongs.
#[derive(Clone, Debug)]
pub struct Folds {
    splits: HashMap<&'static str, Split>,
}

impl Folds {
    /// The official splits of `dataset`: `mosei` or `mosi`.
    pub fn official(dataset: &str) -> Option<Self> {
        let (_, lists) = OFFICIAL.iter().find(|(name, _)| *name == dataset)?;
        let of = |(split, list): (Split, &&'static str)| list.lines().map(move |video| (video, split));
        Some(Self { splits: Split::ALL.into_iter().zip(lists).flat_map(of).collect() })
    }

    /// The split of a recording.
    pub fn split_of(&self, video: &str) -> Option<Split> {
        self.splits.get(video).copied()
    }

    /// How many recordings a split has.
    pub fn count(&self, split: Split) -> usize {
        self.splits.values().filter(|&&of| of == split).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recording_is_in_one_split() {
        for (name, counts) in [("mosei", [2249, 300, 678]), ("mosi", [52, 10, 31])] {
            let folds = Folds::official(name).unwrap();
            // A recording in two lists would be missing from one of the counts.
            assert_eq!(Split::ALL.map(|split| folds.count(split)), counts, "{name}");
        }
        assert!(Folds::official("meld").is_none());
        let mosei = Folds::official("mosei").unwrap();
        assert_eq!(mosei.split_of("-3g5yACwYnA"), Some(Split::Train));
        assert_eq!(mosei.split_of("--qXJuDtHPw"), Some(Split::Valid));
        assert_eq!(mosei.split_of("7l3BNtSE0xc"), Some(Split::Test));
        assert_eq!(mosei.split_of(""), None);
    }
}
