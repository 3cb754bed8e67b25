//! Error rates against jiwer's, against the definition, and as a distance.

use affekt_report::{ErrorRate, error_rate};
use arbtest::arbitrary::{Result, Unstructured};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    transcript: String,
    hypothesis: String,
    wer: f64,
    word_errors: usize,
    words: usize,
    cer: f64,
    char_errors: usize,
    chars: usize,
}

#[test]
fn rates_are_those_of_jiwer() {
    let golden: Golden = serde_json::from_str(include_str!("golden/error_rate.json")).unwrap();
    assert_eq!(golden.cases.len(), 79);
    assert!(golden.cases.iter().any(|case| case.wer > 1.0));
    for case in &golden.cases {
        let found = error_rate(&case.transcript, &case.hypothesis).unwrap();
        let pair = format!("{:?} {:?}", case.transcript, case.hypothesis);
        assert_eq!((found.word_errors, found.words), (case.word_errors, case.words), "{pair}");
        assert_eq!((found.char_errors, found.chars), (case.char_errors, case.chars), "{pair}");
        assert!((found.wer - case.wer).abs() < 1e-12 && (found.cer - case.cer).abs() < 1e-12, "{pair}");
    }
}

/// Up to nine words of a small vocabulary, written in one of several ways.
fn words(source: &mut Unstructured) -> Result<Vec<&'static str>> {
    const WORDS: [&str; 6] = ["a", "the", "dont", "film", "café", "10000"];
    (0..source.int_in_range(0..=9)?).map(|_| source.choose(&WORDS).copied()).collect()
}

fn written(source: &mut Unstructured, words: &[&str]) -> Result<String> {
    let mut text = String::new();
    for word in words {
        let ways: &[&str] = match *word {
            "a" => &["a", "A,", "\u{201c}a"],
            "the" => &["the", "THE", "(uhh) the"],
            "dont" => &["dont", "don't", "Don\u{2019}t!"],
            "film" => &["film", "\u{fb01}lm", "(Film)"],
            "café" => &["café", "cafe\u{301}", "CAFÉ."],
            _ => &["10000", "10,000", "[music] 10000"],
        };
        text += source.choose(ways)?;
        text += source.choose(&[" ", "\n", " - ", "\u{2014}"])?;
    }
    Ok(text)
}

/// The definition, word for word.
fn distance<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for row in 0..=a.len() {
        for column in 0..=b.len() {
            table[row][column] = match (row, column) {
                (0, other) | (other, 0) => other,
                _ => {
                    let replaced = table[row - 1][column - 1] + usize::from(a[row - 1] != b[column - 1]);
                    replaced.min(table[row - 1][column] + 1).min(table[row][column - 1] + 1)
                }
            };
        }
    }
    table[a.len()][b.len()]
}

fn characters(words: &[&str]) -> Vec<char> {
    words.join(" ").chars().collect()
}

#[test]
fn rates_are_what_the_definition_says_however_texts_are_written() {
    arbtest::arbtest(|source| {
        let (said, heard) = (words(source)?, words(source)?);
        let (transcript, hypothesis) = (written(source, &said)?, written(source, &heard)?);
        let Some(found) = error_rate(&transcript, &hypothesis) else {
            assert!(said.is_empty(), "{transcript:?}");
            return Ok(());
        };
        let ErrorRate { substitutions, deletions, insertions, word_errors, .. } = found;
        assert_eq!(
            (word_errors, found.words),
            (distance(&said, &heard), said.len()),
            "{transcript:?} {hypothesis:?}"
        );
        assert_eq!(found.char_errors, distance(&characters(&said), &characters(&heard)));
        assert_eq!(found.wer == 0.0, said == heard);
        assert_eq!(word_errors, substitutions + deletions + insertions);
        assert_eq!(said.len() + insertions, heard.len() + deletions);
        assert!(
            word_errors >= said.len().abs_diff(heard.len()) && word_errors <= said.len().max(heard.len())
        );
        if let Some(back) = error_rate(&hypothesis, &transcript) {
            assert_eq!((back.word_errors, back.char_errors), (word_errors, found.char_errors));
        }
        Ok(())
    });
}

#[test]
fn no_text_is_too_strange() {
    arbtest::arbtest(|source| {
        let (transcript, hypothesis): (String, String) = (source.arbitrary()?, source.arbitrary()?);
        if let Some(found) = error_rate(&transcript, &hypothesis) {
            assert!(found.wer.is_finite() && found.cer.is_finite());
            assert_eq!(error_rate(&transcript, &transcript).map(|same| same.char_errors), Some(0));
        }
        Ok(())
    });
}
