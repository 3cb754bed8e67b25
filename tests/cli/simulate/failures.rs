//! Clips that cannot be done cost nothing but themselves.

use std::fs;

use affekt_cache::Status;
use affekt_testkit::clips::Clip;

use super::{extract, plant, reason, simulate, simulate_of, spoken};
use crate::batch::{Cache, end, small_tree};
use crate::bundles::{positions, slot_bytes};
use crate::command::Ended;
use crate::tree::Tree;

/// Short texts are texts enough.
fn briefly(cache: &Cache, more: &[&str]) -> Ended {
    simulate(&cache.path(), &[&["--json", "--max-new-tokens", "6"], more].concat())
}

#[test]
fn without_a_voice_there_is_no_text() {
    let tree = Tree::new();
    tree.video("a", &["0___0.0___0.6___heard", "1___1.0___1.01___no row", "2___2.0___2.09___no embedding"]);
    tree.video("b", &["0___0.0___1.0___never there", "1___1.0___2.0___nor this"]);
    tree.video("c", &["0___0.0___1.0___silence", "1___50.0___51.0___behind the end"]);
    Clip::new(3.0).without_audio().write(tree.media("b").parent().unwrap(), "b.mp4");
    let sample = tree.media("a");
    let silent = tree.media("c");
    fs::remove_file(&silent).unwrap();
    affekt_testkit::clips::ffmpeg(&[
        "-i",
        sample.to_str().unwrap(),
        "-af",
        "volume=0",
        silent.to_str().unwrap(),
    ]);
    let (cache, whole) = (spoken(&tree), Cache::new());
    let ended = briefly(&cache, &[]);
    let told = end(&ended);
    let counts = &told["counts"]["simulated"];
    assert_eq!(ended.code, 2, "{told}");
    assert_eq!((&counts["done"], &counts["absent"], &counts["failed"]), (&1.into(), &5.into(), &1.into()));
    let rows = cache.rows("simulated");
    for (id, why) in [
        ("a_1", "too short for a single row"),
        ("a_2", "too short for the projector"),
        ("b_0", "no audio stream"),
        ("c_0", "silent"),
        ("c_1", "the recording ends"),
    ] {
        assert!(reason(&rows[id]).contains(why), "{id}: {}", reason(&rows[id]));
        let failed = matches!(rows[id].status, Status::Failed { .. });
        assert_eq!(failed, id == "c_1", "{id}");
    }
    // As an extraction has it, but for the words of what failed.
    assert_eq!(extract(&tree, &whole.path(), &["--features", "simulated", "--quiet"]).code, 2);
    for (id, clip) in whole.rows("simulated") {
        assert_eq!(
            std::mem::discriminant(&clip.status),
            std::mem::discriminant(&rows[&id].status),
            "{id}: {:?}, {:?}",
            clip.status,
            rows[&id].status
        );
    }
}

#[test]
fn what_had_no_speech_is_done_when_it_has_come() {
    let tree = small_tree();
    let film = fs::read(tree.media("a")).unwrap();
    fs::write(tree.media("a"), "no film at all").unwrap();
    let cache = spoken(&tree);
    let ended = briefly(&cache, &[]);
    assert_eq!((ended.code, &end(&ended)["clips"]["failed"]), (2, &4.into()));
    let again = briefly(&cache, &[]);
    assert_eq!((again.code, &end(&again)["clips"]["total"]), (2, &0.into()), "left alone, not forgotten");
    let people = simulate(&cache.path(), &["--max-new-tokens", "6"]);
    assert!(people.stdout.contains("4 clips failed in earlier runs"), "{}", people.stdout);
    // Asked for, they are tried; but nothing has come since.
    let retried = briefly(&cache, &["--retry-failed"]);
    assert_eq!((retried.code, &end(&retried)["clips"]["failed"]), (2, &4.into()));
    fs::write(tree.media("a"), film).unwrap();
    let flags = ["--json", "--max-new-tokens", "6"];
    let other = cache.copy();
    let left = simulate_of(&tree, &other.path(), &flags);
    assert_eq!(
        (left.code, &end(&left)["clips"]["total"]),
        (2, &0.into()),
        "nobody has asked to hear it again"
    );
    let heard = simulate_of(&tree, &other.path(), &[&flags[..], &["--retry-failed"]].concat());
    assert_eq!((heard.code, &end(&heard)["counts"]["simulated"]["done"]), (0, &4.into()), "{}", heard.stderr);
    // Heard by the other command, it needs no word here.
    assert_eq!(extract(&tree, &cache.path(), &["--features", "speech", "--retry-failed"]).code, 0);
    let mended = briefly(&cache, &[]);
    assert_eq!((mended.code, &end(&mended)["counts"]["simulated"]["done"]), (0, &4.into()));
    assert_eq!(cache.rows("simulated").len(), 12);
    assert!(cache.rows("simulated").values().all(affekt_cache::Clip::is_done));
}

#[test]
fn a_run_in_which_too_many_fail_stops() {
    let tree = small_tree();
    fs::write(tree.media("a"), "no film at all").unwrap();
    let cache = spoken(&tree);
    let ended = briefly(&cache, &["--max-failures", "20"]);
    let told = end(&ended);
    assert_eq!((ended.code, &told["ended_by"]), (1, &"stopped".into()), "{told}");
    assert!(told["message"].as_str().unwrap().contains("--max-failures"), "{told}");
    assert_eq!(briefly(&cache.copy(), &["--max-failures", "40", "--retry-failed"]).code, 2);
    // So does one whose speech cannot be had.
    let unheard = Cache::new();
    let ended = simulate_of(&tree, &unheard.path(), &["--json", "--max-failures", "20"]);
    let told = end(&ended);
    assert_eq!((ended.code, &told["ended_by"]), (1, &"stopped".into()), "{told}");
    assert!(unheard.stores("simulated").is_empty());
}

#[test]
fn a_clip_that_does_not_fit_the_memory_says_what_helps() {
    let cache = spoken(&small_tree());
    plant(&cache, "long", 3_000);
    let memory = (244 * slot_bytes()).to_string();
    let ended = briefly(&cache, &["--kv-memory", &memory]);
    let told = end(&ended);
    assert_eq!((ended.code, &told["clips"]["failed"]), (2, &1.into()), "{told}");
    let row = cache.row("simulated", "long");
    assert!(
        reason(&row).contains(&format!("{memory} bytes")) && reason(&row).contains("--kv-memory"),
        "{}",
        reason(&row)
    );
    let retried = briefly(&cache, &["--retry-failed"]);
    assert_eq!((retried.code, &end(&retried)["counts"]["simulated"]["done"]), (0, &1.into()));
}

/// What is in the cache is not heard again, whichever command goes on.
#[test]
fn an_extraction_goes_on_from_cached_speech() {
    let (tree, cache) = (small_tree(), Cache::new());
    let flags = ["--json", "--features", "simulated"];
    let memory = (48 * slot_bytes()).to_string();
    let ended = extract(&tree, &cache.path(), &[&flags[..], &["--kv-memory", &memory]].concat());
    let told = end(&ended);
    assert_eq!((ended.code, &told["counts"]["speech"]["done"]), (1, &12.into()), "{told}");
    assert!(told["failures"][0]["reason"].as_str().unwrap().contains("--kv-memory"), "{told}");
    let cached = cache.copy();
    ["a", "b", "c"].into_iter().for_each(|video| fs::remove_file(tree.media(video)).unwrap());
    let ended = extract(&tree, &cache.path(), &[&flags[..], &["--retry-failed"]].concat());
    let told = end(&ended);
    assert_eq!((ended.code, &told["counts"]["simulated"]["done"]), (0, &12.into()), "{told}");
    assert!(told["stages"]["decode"].is_null() && told["stages"]["audio"].is_null(), "{told}");
    let ended = simulate_of(&tree, &cached.path(), &["--json", "--retry-failed"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(cached.rows("simulated"), cache.rows("simulated"));
}

/// A position of the language model takes 5 rows of speech, the prompt not counted.
#[test]
fn a_voice_longer_than_the_context_is_a_row_whatever_runs_beside_it() {
    let cache = spoken(&small_tree());
    plant(&cache, "endless", 6 * positions());
    for in_flight in ["1", "16"] {
        let cache = cache.copy();
        let ended = briefly(&cache, &["--in-flight", in_flight]);
        let told = end(&ended);
        assert_eq!((ended.code, &told["clips"]["failed"]), (2, &1.into()), "{told}");
        let row = cache.row("simulated", "endless");
        assert!(reason(&row).contains(&positions().to_string()), "{}", reason(&row));
    }
}

#[test]
fn damaged_numbers_cost_their_clip_only() {
    let cache = spoken(&small_tree());
    let sound = cache.copy();
    assert_eq!(briefly(&sound, &[]).code, 0);
    let [store] = &cache.stores("speech")[..] else { panic!("one recipe") };
    let shard = store.shards()[0].path().to_owned();
    let mut bytes = fs::read(&shard).unwrap();
    let id = affekt_core::ClipId::new("b_1").unwrap();
    let of_clip = store.feature(&id).unwrap().bytes;
    let at = bytes.windows(of_clip.len()).rposition(|window| window == of_clip).unwrap();
    bytes[at + 400..at + 404].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&shard, bytes).unwrap();
    let ended = briefly(&cache, &[]);
    let told = end(&ended);
    assert_eq!((ended.code, &told["clips"]["failed"]), (2, &1.into()), "{told}");
    let mut rows = cache.rows("simulated");
    let mut expected = sound.rows("simulated");
    // Clips of equal recordings are equal: which of them has lost its numbers is told by the row.
    let lost: Vec<String> =
        rows.values().filter(|clip| clip.is_failed()).map(|clip| clip.id.to_string()).collect();
    let [lost] = &lost[..] else { panic!("{lost:?}") };
    let row = rows.remove(lost).unwrap();
    assert!(
        reason(&row).contains("holds a NaN") && reason(&row).contains("cache verify"),
        "{}",
        reason(&row)
    );
    expected.remove(lost);
    assert_eq!(rows, expected);
    let (code, verified) = cache.verified();
    assert!(code != 0 && verified.to_string().contains(&format!("the tensor of {lost}")), "{verified}");
}
