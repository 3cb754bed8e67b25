//! What people say in MOSEI is neither a refusal nor a loop. Runs where the data is.

use std::collections::HashMap;

use affekt_generate::{looped, refused};
use affekt_testkit::realdata;

#[test]
fn no_transcript_of_mosei_is_a_refusal_or_a_loop() {
    let Some(files) = realdata::files("mosei_labels", &["tsv"]) else { return };
    let table = files.iter().find(|file| file.ends_with("mosei_index.tsv")).expect("the index of MOSEI");
    let table = std::fs::read_to_string(table).expect("a text file");
    let transcripts: Vec<&str> =
        table.lines().skip(1).map(|line| line.rsplit('\t').next().unwrap_or_default()).collect();
    assert_eq!(transcripts.len(), 22_788);
    let mut known = HashMap::new();
    let mut tokens = |text: &str| -> Vec<u32> {
        let words = text.split_whitespace().map(str::to_lowercase);
        words
            .map(|word| {
                let next = known.len() as u32;
                *known.entry(word).or_insert(next)
            })
            .collect()
    };
    let refusals: Vec<&&str> = transcripts.iter().filter(|text| refused(text)).collect();
    assert!(refusals.is_empty(), "{refusals:#?}");
    let loops: Vec<&&str> = transcripts.iter().filter(|text| looped(&tokens(text))).collect();
    assert!(loops.is_empty(), "{loops:#?}");
    // As a language model's tokens: marks apart from words, and a row of one mark in one. Two transcripts end in a row of
    // four then, which is what a loop cut by the limit looks like.
    let loops: Vec<&str> = transcripts.iter().copied().filter(|text| looped(&tokens(&apart(text)))).collect();
    let ends = ["up, up, up, up, up", "blah, blah, blah, blah, blah"];
    assert!(loops.len() == 2 && loops.iter().zip(ends).all(|(text, end)| text.ends_with(end)), "{loops:#?}");
}

fn apart(text: &str) -> String {
    let is_mark = |letter: char| !letter.is_alphanumeric() && !letter.is_whitespace() && letter != '\'';
    let mut apart = String::new();
    let mut last = ' ';
    for letter in text.chars() {
        if letter != last && (is_mark(letter) || is_mark(last)) {
            apart.push(' ');
        }
        apart.push(letter);
        last = letter;
    }
    apart
}
