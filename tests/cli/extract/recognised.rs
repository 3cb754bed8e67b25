//! `--transcript auto` and `fill`: text of words that nobody has written down.

use affekt_cache::{Clip, Status};
use affekt_core::TextSource;

use crate::batch::{Cache, end, extract, small_tree};
use crate::bundles::{deaf, positions};
use crate::command::affekt;
use crate::tree::Tree;

fn source(clip: &Clip) -> Option<TextSource> {
    clip.facts.text_source
}

#[test]
fn given_recognised_and_filled_words_stand_side_by_side() {
    let (tree, cache) = (small_tree(), Cache::new());
    // The media of given words are not even opened.
    for (words, stages) in [("dataset", None), ("auto", Some(12)), ("fill", Some(3))] {
        let ended = extract(&tree, &cache.path(), &["--json", "--features", "text", "--transcript", words]);
        let told = end(&ended);
        assert_eq!((ended.code, &told["config"]["transcript"]), (0, &words.into()), "{}", ended.stderr);
        assert_eq!(told["stages"]["recognise"]["clips"].as_u64(), stages, "{told}");
        assert!(
            told["stages"]["audio"].is_null() && told["padding_waste"].is_null(),
            "no voice is encoded: {told}"
        );
    }
    let [given, auto, fill] = ["dataset", "auto", "fill"].map(|words| {
        // Each alone, to tell them apart.
        let alone = Cache::new();
        let ended = extract(&tree, &alone.path(), &["--quiet", "--features", "text", "--transcript", words]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        alone
    });
    let stores = cache.stores("text");
    assert_eq!(stores.len(), 3);
    for alone in [&given, &auto, &fill] {
        let [expected] = &alone.stores("text")[..] else { panic!("one recipe") };
        let store = stores.iter().find(|store| store.spec() == expected.spec()).unwrap();
        assert_eq!(store.clips(), expected.clips());
    }
    let (given, auto, fill) = (given.rows("text"), auto.rows("text"), fill.rows("text"));
    for (id, clip) in &auto {
        let has_words = !id.ends_with("_3");
        assert_eq!(source(clip), Some(TextSource::Asr), "{id}");
        assert_eq!(
            (source(&fill[id]) == Some(TextSource::Transcript), given[id].is_done()),
            (has_words, has_words)
        );
        // Filled, a clip is one or the other.
        let (same, other) = if has_words { (&given[id], clip) } else { (clip, &given[id]) };
        assert_eq!(&fill[id], same, "{id}");
        assert!(fill[id].status != other.status, "{id}");
        match &clip.status {
            Status::Done { rows, .. } => {
                let facts = &clip.facts;
                assert_eq!(Some(rows - 1), facts.tokens, "{id}");
                assert!(facts.score.unwrap() < 0.0 && facts.media.is_some(), "{id}: {facts:?}");
                assert!(!facts.transcript.as_deref().unwrap().trim().is_empty(), "{id}");
            }
            Status::Absent { reason } => assert_eq!(reason, "no words were recognised", "{id}"),
            Status::Failed { .. } => panic!("{id}: {:?}", clip.status),
        }
    }
    assert!(auto.values().any(Clip::is_done), "even drawn weights find words");
    let spoken = given["a_0"].facts.transcript.as_deref();
    assert_eq!(spoken, Some("I really love this film"));
}

#[test]
fn recognised_words_are_those_of_transcribe() {
    let (tree, cache) = (small_tree(), Cache::new());
    let ended = extract(&tree, &cache.path(), &["--features", "text", "--transcript", "auto"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let film = tree.media("a");
    let args = ["transcribe", "--json", "--start", "1.5", "--end", "2.6", film.to_str().unwrap()];
    let told = affekt(args).json();
    let row = cache.row("text", "a_2");
    assert_eq!(row.facts.transcript.unwrap_or_default(), told["text"].as_str().unwrap());
    let warned = told["warnings"].as_array().unwrap();
    for warning in &row.facts.warnings {
        assert!(warned.iter().any(|told| told == warning), "{warning} is not in {warned:?}");
    }
}

#[test]
fn without_anything_to_hear_there_is_a_reason_and_nothing_is_asked_again() {
    let tree = Tree::new();
    tree.video("a", &["0___0.0___1.0___", "1___1.0___1.01___"]);
    tree.write("b", &["0___0.0___1.0___"]);
    affekt_testkit::clips::Clip::new(3.0).without_audio().write(tree.media("b").parent().unwrap(), "b.mp4");
    tree.write("c", &["0___0.0___1.0___", "1___50.0___51.0___"]);
    let (sample, silent) = (tree.media("a"), tree.media("c"));
    affekt_testkit::clips::ffmpeg(&[
        "-i",
        sample.to_str().unwrap(),
        "-af",
        "volume=0",
        silent.to_str().unwrap(),
    ]);
    let cache = Cache::new();
    let flags = ["--json", "--features", "text", "--transcript", "fill"];
    let ended = extract(&tree, &cache.path(), &flags);
    assert_eq!(ended.code, 2, "{} {}", ended.stdout, ended.stderr);
    let rows = cache.rows("text");
    for (id, why) in [("b_0", "no audio stream"), ("c_0", "the sound is silent")] {
        let Status::Absent { reason } = &rows[id].status else { panic!("{id}: {:?}", rows[id].status) };
        assert!(reason.contains(why), "{id}: {reason}");
        assert_eq!(source(&rows[id]), Some(TextSource::Asr), "{id}");
    }
    let Status::Failed { reason, .. } = &rows["c_1"].status else { panic!("{:?}", rows["c_1"].status) };
    assert!(reason.contains("end"), "{reason}");
    let again = extract(&tree, &cache.path(), &flags);
    assert_eq!((again.code, &end(&again)["clips"]["total"]), (2, &0.into()), "{}", again.stdout);
    // A transcript that has come since is read.
    tree.write("b", &["0___0.0___1.0___words that have come"]);
    let more = extract(&tree, &cache.path(), &flags);
    assert_eq!(end(&more)["counts"]["text"]["done"], 1, "{}", more.stdout);
    let row = cache.row("text", "b_0");
    assert_eq!((row.is_done(), source(&row)), (true, Some(TextSource::Transcript)));
}

#[test]
fn a_run_in_parts_is_a_run() {
    let (tree, whole, parts) = (small_tree(), Cache::new(), Cache::new());
    let flags = ["--quiet", "--features", "text,audio,simulated", "--transcript", "auto"];
    assert_eq!(extract(&tree, &whole.path(), &flags).code, 0);
    for more in [&["--shard", "1/3", "--features", "text"][..], &["--shard", "0/2"], &["--commit-every", "1"]]
    {
        let mut flags = flags.to_vec();
        if more.len() > 2 {
            flags.drain(1..3);
        }
        assert_eq!(extract(&tree, &parts.path(), &[&flags, more].concat()).code, 0);
    }
    for feature in ["text", "audio", "speech", "simulated"] {
        assert_eq!(parts.rows(feature), whole.rows(feature), "{feature}");
    }
}

/// What is read of a transcript longer than the context is a row that says so.
#[test]
fn words_that_are_not_read_are_told_in_the_row() {
    let (tree, cache) = (Tree::new(), Cache::new());
    let endless = format!("0___0.0___0.5___{}", "so many words ".repeat(1_000));
    tree.video("a", &[&endless, "1___1.0___1.5___a few"]);
    let ended = extract(&tree, &cache.path(), &["--features", "text,simulated"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let row = cache.row("text", "a_0");
    let positions = positions();
    assert_eq!(row.facts.tokens, Some(positions - 1));
    let cut = format!("{positions} of");
    assert!(row.facts.warnings.iter().any(|warning| warning.contains(&cut)), "{:?}", row.facts.warnings);
    assert!(cache.row("text", "a_1").facts.warnings.is_empty());
    let wer = cache.row("simulated", "a_0").facts.wer.unwrap();
    assert!((0.9..=1.0).contains(&wer), "nearly all of its 3,000 words are missing: {wer}");
}

#[test]
fn a_bundle_without_a_recogniser_is_refused_before_work() {
    let folder = tempfile::tempdir().unwrap();
    deaf(folder.path());
    let bundle = folder.path().to_str().unwrap();
    let tree = small_tree();
    for words in ["auto", "fill"] {
        let cache = Cache::new();
        let ended = extract(&tree, &cache.path(), &["--quiet", "--models", bundle, "--transcript", words]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("no network whisper") && ended.stderr.contains("hint"),
            "{}",
            ended.stderr
        );
        assert!(!cache.path().exists(), "it has begun");
    }
    let cache = Cache::new();
    let given = extract(&tree, &cache.path(), &["--quiet", "--models", bundle, "--features", "text"]);
    assert_eq!(given.code, 0, "{}", given.stderr);
}
