//! What is compared, and what is marked.

use std::time::{Duration, Instant};

use super::*;

/// What is compared of a text, with blanks between words.
fn compared(text: &str) -> String {
    Words::of(text).compared().join(" ")
}

fn characters(text: &str) -> String {
    Words::of(text).characters().into_iter().collect()
}

#[test]
fn case_and_punctuation_do_not_count() {
    assert_eq!(compared("  Hello, WORLD! \u{2026} \u{2013} \u{201c}Yes\u{201d}?\n"), "hello world yes");
    assert_eq!(compared("STRASSE Straße"), "strasse strasse");
    assert_eq!(compared("ΟΔΟΣ οδός οδοσ"), "οδοσ οδόσ οδοσ");
    assert_eq!(compared("$5.00, 50%, #1, AT&T"), "5 00 50 1 at t");
}

#[test]
fn apostrophes_join_whatever_their_shape() {
    for text in ["don't", "don\u{2019}t", "don\u{b4}t", "don`t", "don\u{2bc}t", "don\u{fffd}t", "dont"] {
        assert_eq!(compared(text), "dont", "{text}");
    }
    assert_eq!(compared("the parents' house, '90s"), "the parents house 90s");
}

#[test]
fn hyphens_and_dashes_divide() {
    assert_eq!(
        compared("a long-term, one-on-one plan\u{2014}really and/or_not"),
        "a long term one on one plan really and or not"
    );
    assert_eq!(compared("wait...what end.Then"), "wait what end then");
    assert_eq!(compared("- -- \u{2014}"), "");
}

#[test]
fn numbers_and_abbreviations_stay_whole() {
    assert_eq!(compared("10,000 people, 3.5 stars, PG-13, 7"), "10000 people 3 5 stars pg 13 7");
    assert_eq!(compared("the U.S. and the U.S.A, e.g. at 9 a.m."), "the us and the usa eg at 9 am");
    assert_eq!(compared("three 3"), "three 3");
    assert_eq!(compared("½ ⅓"), "½ ⅓");
}

#[test]
fn notes_of_a_transcriber_are_left_out() {
    assert_eq!(compared("(umm) it was (uhh) good (stutter)"), "it was good");
    assert_eq!(
        compared("( cheers and applause ) thank you {clears throat} [INAUDIBLE] bye"),
        "thank you bye"
    );
    assert_eq!(compared("<i>never</i> &gt;&gt; R&amp;D &lrm;x"), "never r d x");
    assert_eq!(
        compared("um, it was (which is one module) (2) () good"),
        "um it was which is one module 2 good"
    );
    assert_eq!(compared("3 < 5 > 2 [never closed (umm"), "3 5 2 never closed umm");
    assert_eq!(compared("a [b [c] d"), "a b d");
    assert_eq!(compared("movie(umm)star"), "movie star");
}

#[test]
fn scripts_without_spaces_are_compared_by_character() {
    assert_eq!(compared("我很高兴。"), "我 很 高 兴");
    assert_eq!(compared("私はApple社の"), "私 は apple 社 の");
    assert_eq!((characters("我很 高兴"), characters("我 love 你")), ("我很高兴".into(), "我 love 你".into()));
    // A vowel belongs to its consonant.
    assert_eq!(Words::of("ที่นี่").compared().len(), 2);
    assert_eq!(compared("\u{ff76}\u{ff9e}ス"), "ガ ス");
}

#[test]
fn composed_and_decomposed_characters_are_the_same() {
    assert_eq!(compared("cafe\u{301} na\u{ef}ve"), compared("caf\u{e9} nai\u{308}ve"));
    assert_eq!(compared("caf\u{e9}"), "caf\u{e9}");
    assert_eq!(compared("\u{fb01}lm ＡＢＣ１２"), "film abc12");
    assert_eq!(compared("co\u{ad}op \u{feff}x\u{200f}"), "coop x");
    assert_ne!(compared("cafe"), compared("café"));
}

fn lacking(words: &[(&str, bool)]) -> Vec<String> {
    words.iter().filter(|(_, shared)| !shared).map(|(word, _)| (*word).to_owned()).collect()
}

#[test]
fn replaced_missing_and_added_words_are_marked() {
    let aligned = align("I really loved it, every minute.", "i loved at every single minute").unwrap();
    assert_eq!(lacking(&aligned.first), ["really", "it,"]);
    assert_eq!(lacking(&aligned.second), ["at", "single"]);
    assert_eq!((aligned.errors, aligned.words), (3, 6));
}

#[test]
fn notes_are_shown_and_never_marked() {
    let aligned = align("(umm) a long-term plan", "the long plan").unwrap();
    assert_eq!(
        aligned.first,
        [("(umm)", true), ("a", false), ("long-", true), ("term", false), ("plan", true)]
    );
    assert_eq!(lacking(&aligned.second), ["the"]);
}

#[test]
fn marks_and_rates_follow_one_rule() {
    let (said, heard) = ("one two three two one", "two one three four one two");
    let rate = error_rate(said, heard).unwrap();
    let aligned = align(said, heard).unwrap();
    assert_eq!((aligned.errors, aligned.words), (rate.word_errors, rate.words));
    assert_eq!(lacking(&aligned.first).len(), rate.substitutions + rate.deletions);
    assert_eq!(lacking(&aligned.second).len(), rate.substitutions + rate.insertions);
}

#[test]
fn a_transcript_without_words_has_no_rate() {
    for transcript in ["", " ", "...", "(uhh)", "[inaudible]"] {
        assert_eq!(ErrorRate::of(transcript, "some words"), Err(Incomparable::NoWords), "{transcript:?}");
        assert_eq!(error_rate(transcript, ""), None);
    }
    let nothing = error_rate("some words", "(uhh)").unwrap();
    assert_eq!((nothing.wer, nothing.cer, nothing.deletions), (1.0, 1.0, 2));
}

#[test]
fn endless_texts_take_no_endless_time() {
    let started = Instant::now();
    let endless = "word ".repeat(100_000);
    assert_eq!(error_rate(&endless, &endless).unwrap().word_errors, 0);
    assert_eq!(ErrorRate::of(&endless, &"other ".repeat(100_000)), Err(Incomparable::TooLong));
    assert_eq!(error_rate(&endless, "word other").unwrap().word_errors, 99_999);
    assert_eq!(align(&endless, &"other ".repeat(100_000)), None);
    assert_eq!(align(&endless, &"word ".repeat(200)).unwrap().errors, 99_800);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn a_part_is_found_where_it_fits() {
    let whole: Vec<&str> = "the plot was good but the plot was long".split(' ').collect();
    let fit = |part: &str, near| fitted(&part.split(' ').collect::<Vec<_>>(), &whole, near).unwrap();
    assert_eq!(fit("the plot was", 0), align::Fit { errors: 0, start: 0, end: 3 });
    assert_eq!(fit("the plot was", 6), align::Fit { errors: 0, start: 5, end: 8 });
    assert_eq!(fit("was good and the plot", 0), align::Fit { errors: 1, start: 2, end: 7 });
    assert_eq!(fit("nothing of this", 4).errors, 3);
}
