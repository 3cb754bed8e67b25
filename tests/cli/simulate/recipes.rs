//! What differs in the recipe stands apart in the cache; what does not, changes nothing.

use std::collections::BTreeSet;

use affekt_cache::{Clip, Status};

use super::{simulate, spoken};
use crate::batch::{end, small_tree};
use crate::bundles::slot_bytes;

/// Short texts are texts enough.
const BRIEFLY: [&str; 2] = ["--max-new-tokens", "18"];

#[test]
fn every_recipe_has_a_folder_of_its_own() {
    let cache = spoken(&small_tree());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("@{}", path.display())
    };
    let own = write("own.txt", "USER: Write down what you hear.\n ASSISTANT:\n");
    let published = write("slam.txt", "USER: Transcribe speech to text. \n ASSISTANT:\r\n");
    let recipes: [&[&str]; 7] = [
        &[],
        &["--mode", "beam0"],
        &["--layers=-3"],
        &["--beams", "1"],
        &["--prompt", "slam"],
        &["--prompt", &own],
        &["--robust"],
    ];
    let mut folders = BTreeSet::new();
    let mut tensors = BTreeSet::new();
    for recipe in recipes {
        let ended = simulate(&cache.path(), &[&["--json"], recipe, &BRIEFLY[..]].concat());
        let told = end(&ended);
        assert_eq!((ended.code, &told["counts"]["simulated"]["done"]), (0, &12.into()), "{recipe:?}: {told}");
        let made = told["specs"][0]["folder"].as_str().unwrap().to_owned();
        assert!(folders.insert(made.clone()), "{recipe:?} is another recipe, in {made}");
        let store = cache.stores("simulated");
        let store = store.iter().find(|store| store.folder().ends_with(&made)).unwrap();
        for clip in store.clips() {
            assert!(clip.facts.tokens.unwrap() <= 18, "{recipe:?}: {clip:?}");
        }
        let of = |clip: &Clip| store.feature(&clip.id).unwrap().bytes.to_vec();
        tensors.insert(store.clips().into_iter().map(of).collect::<Vec<_>>());
    }
    // No clip is so short that a robust text of it is cut at 18 tokens.
    assert_eq!(tensors.len(), recipes.len() - 1);
    let shorter = simulate(&cache.path(), &["--json", "--max-new-tokens", "3", "--store", "f16"]);
    let made = end(&shorter)["specs"][0]["folder"].as_str().unwrap().to_owned();
    assert!(folders.insert(made), "{}", shorter.stdout);
    // By whatever name, a published prompt is that prompt.
    let told = end(&simulate(&cache.path(), &[&["--json", "--prompt", &published], &BRIEFLY[..]].concat()));
    assert_eq!((&told["clips"]["total"], &told["counts"]["simulated"]["skipped"]), (&0.into(), &12.into()));
    assert_eq!(told["config"]["prompt"], "USER: Transcribe speech to text. \n ASSISTANT:");
}

#[test]
fn neither_neighbours_nor_memory_change_a_text() {
    let cache = spoken(&small_tree());
    let memory = (440 * slot_bytes()).to_string();
    let mut found = Vec::new();
    for (flags, held_back) in [
        (&["--in-flight", "1"][..], false),
        (&["--in-flight", "3"], false),
        (&["--in-flight", "16"], false),
        // What one clip may need, and some more.
        (&["--kv-memory", &memory], true),
    ] {
        let copy = cache.copy();
        let ended = simulate(&copy.path(), &[&["--json", "--max-new-tokens", "60"], flags].concat());
        let told = end(&ended);
        assert_eq!((ended.code, &told["clips"]["failed"]), (0, &0.into()), "{flags:?}: {told}");
        let generation = &told["generation"];
        assert_eq!(generation["held_back"].as_u64().unwrap() > 0, held_back, "{generation}");
        assert!(generation["peak_cache_bytes"].as_u64() <= told["config"]["kv_memory_bytes"].as_u64());
        found.push((copy.rows("simulated"), copy.tensors()));
    }
    let alone = &found[0];
    assert!(found.iter().all(|other| other == alone));
}

#[test]
fn a_robust_text_is_bounded_by_the_seconds_of_its_clip() {
    let cache = spoken(&small_tree());
    assert_eq!(simulate(&cache.path(), &["--robust"]).code, 0);
    let mut capped = 0;
    for clip in cache.rows("simulated").values() {
        let most = 16 + (8.0 * clip.facts.seconds.unwrap().0).ceil() as usize;
        let tokens = clip.facts.tokens.unwrap();
        assert!(tokens <= most, "{}: {tokens} tokens in {:?}", clip.id, clip.facts.seconds);
        // The text of a limit has no end of its own.
        if clip.facts.capped.unwrap() {
            assert_eq!(tokens, most, "{}", clip.id);
            capped += 1;
        }
    }
    assert!(capped > 0, "drawn weights seldom come to an end");
}

#[test]
fn a_row_keeps_what_there_is_to_tell() {
    let cache = spoken(&small_tree());
    assert_eq!(simulate(&cache.path(), &["--max-new-tokens", "40"]).code, 0);
    let rows = cache.rows("simulated");
    for (id, Clip { facts, status, .. }) in &rows {
        let hypothesis = facts.hypothesis.as_deref().unwrap();
        assert!(facts.score.unwrap() < 0.0 && facts.tokens.unwrap() <= 40, "{id}: {facts:?}");
        let flags = [facts.looped, facts.refused, facts.capped];
        assert!(flags.iter().all(Option::is_some), "{id}: {facts:?}");
        assert_eq!(facts.capped, Some(facts.tokens == Some(40)), "{id}");
        assert!(facts.media.is_some() && facts.span.is_some() && facts.samples.is_some(), "{id}: {facts:?}");
        let Status::Done { rows, .. } = status else { panic!("{id}: {status:?}") };
        assert_eq!(
            *rows + 1,
            facts.tokens.unwrap(),
            "{id}: a row a token, but for the last, which is never fed"
        );
        let said = match &id[1..] {
            "_0" => Some("I really love this film"),
            "_1" => Some("The story is warm"),
            "_2" => Some("and funny"),
            _ => None,
        };
        assert_eq!(facts.transcript.as_deref(), said, "{id}");
        let rates = said
            .map(|said| (rate(&words(said), &words(hypothesis)), rate(&letters(said), &letters(hypothesis))));
        assert_eq!(facts.wer.zip(facts.cer), rates, "{id}: {hypothesis:?}");
    }
    assert!(rows["a_0"].facts.wer.unwrap() > 0.0);
}

/// Lower-case letters and digits; whatever else there is divides words, but for what no encoding could read, which may have
/// been an apostrophe.
fn words(text: &str) -> Vec<String> {
    let plain: String = text
        .replace('\u{fffd}', "")
        .chars()
        .map(|sign| if sign.is_alphanumeric() { sign.to_ascii_lowercase() } else { ' ' })
        .collect();
    plain.split_whitespace().map(str::to_owned).collect()
}

fn letters(text: &str) -> Vec<String> {
    words(text).join(" ").chars().map(String::from).collect()
}

/// The fewest changes from one to the other, by the whole table.
fn rate(said: &[String], written: &[String]) -> f64 {
    let mut table = vec![vec![0; written.len() + 1]; said.len() + 1];
    for i in 0..=said.len() {
        for j in 0..=written.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let other = usize::from(said[i - 1] != written[j - 1]);
                (table[i - 1][j - 1] + other).min(table[i - 1][j] + 1).min(table[i][j - 1] + 1)
            };
        }
    }
    table[said.len()][written.len()] as f64 / said.len() as f64
}
