//! Clips that cannot be done cost nothing but themselves.

use std::fs;

use crate::batch::{Cache, end, extract, small_tree};
use crate::command::project;

#[test]
fn what_fails_is_a_row_with_its_reason_and_the_rest_is_done() {
    let (tree, cache) = (small_tree(), Cache::new());
    fs::write(tree.media("a"), "no film at all").unwrap();
    fs::remove_file(tree.media("b")).unwrap();
    // Behind the end of the recording, which lasts 5.7 s.
    tree.video("d", &["0___0.0___0.5___fine", "1___50.0___51.0___too late"]);
    let flags = ["--json", "--features", "audio,video,text"];
    let ended = extract(&tree, &cache.path(), &flags);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let told = end(&ended);
    assert_eq!((&told["clips"]["failed"], &told["clips"]["total"]), (&9.into(), &14.into()));
    let failures = told["failures"].as_array().unwrap();
    for (clip, stage, word) in
        [("a_0", "decode", "a.mp4"), ("b_3", "decode", "b.mp4"), ("d_1", "decode", "end")]
    {
        let failure = failures.iter().find(|failure| failure["clip"] == clip).unwrap();
        assert_eq!(failure["stage"], stage);
        assert_eq!(failure["features"].as_array().unwrap().len(), 2, "its words are there: {failure}");
        assert!(failure["reason"].as_str().unwrap().contains(word), "{failure}");
    }
    // Each was told when it happened, too.
    let events = ended.json_lines();
    assert_eq!(events.iter().filter(|event| event["event"] == "failed").count(), 9);
    assert_eq!(cache.tensors().keys().filter(|name| name.starts_with("video/")).count(), 5);

    // They are left alone, but not forgotten.
    let again = extract(&tree, &cache.path(), &flags);
    assert_eq!((again.code, &end(&again)["clips"]["total"]), (2, &0.into()));
    let people = extract(&tree, &cache.path(), &flags[1..]);
    assert!(people.stdout.contains("9 clips failed in earlier runs"), "{}", people.stdout);
    // Mended, they are taken up on request.
    tree.copy("a");
    tree.copy("b");
    let retried =
        extract(&tree, &cache.path(), &["--json", "--features", "audio,video,text", "--retry-failed"]);
    assert_eq!((retried.code, &end(&retried)["clips"]["failed"]), (2, &1.into()), "{}", retried.stdout);
    assert_eq!(cache.tensors().keys().filter(|name| name.starts_with("video/")).count(), 13);
}

#[test]
fn a_run_in_which_too_many_fail_stops() {
    let (tree, cache) = (small_tree(), Cache::new());
    ["a", "b", "c"].into_iter().for_each(|video| fs::write(tree.media(video), "no film").unwrap());
    let ended = extract(&tree, &cache.path(), &["--json", "--features", "audio", "--max-failures", "20"]);
    let told = end(&ended);
    assert_eq!((ended.code, &told["ended_by"]), (1, &"stopped".into()), "{told}");
    assert!(told["message"].as_str().unwrap().contains("--max-failures"), "{told}");
    // All of them, and nothing stops it: then every input has failed.
    let cache = Cache::new();
    let ended = extract(&tree, &cache.path(), &["--json", "--features", "audio"]);
    assert_eq!((ended.code, &end(&ended)["clips"]["failed"]), (1, &12.into()));
}

#[test]
fn without_a_face_there_are_zeros_and_without_a_sound_a_reason() {
    let (tree, cache) = (small_tree(), Cache::new());
    affekt_testkit::clips::Clip::new(3.0).without_audio().write(tree.media("a").parent().unwrap(), "a.mp4");
    let ended = extract(&tree, &cache.path(), &["--json", "--features", "audio,video"]);
    assert_eq!(ended.code, 2, "one clip lies behind the end: {}", ended.stderr);
    let folders = affekt_cache::folders(&cache.path()).unwrap();
    let clip = |kind: &str, id: &str| {
        let folder = folders.iter().find(|folder| folder.name().starts_with(kind)).unwrap();
        folder.store().unwrap().unwrap().clip(&affekt_core::ClipId::new(id).unwrap()).unwrap().clone()
    };
    let faces = clip("video", "a_0").facts.face_mask.unwrap();
    assert_eq!(faces.0, vec![false; 15]);
    let affekt_cache::Status::Absent { reason } = clip("audio", "a_0").status else { panic!("no sound") };
    assert!(reason.contains("sound") || reason.contains("audio"), "{reason}");
    let zeros = &cache.tensors()["video/a_0.npy"];
    assert!(zeros[128..].iter().all(|byte| *byte == 0));
}

/// The script for many machines is a real one.
#[cfg(unix)]
#[test]
fn the_slurm_script_extracts_its_share() {
    let (tree, cache) = (small_tree(), Cache::new());
    let program = assert_cmd::cargo::cargo_bin("affekt");
    let folder = program.parent().unwrap().to_str().unwrap();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut clips = 0;
    for task in ["0", "1"] {
        let output = std::process::Command::new("bash")
            .arg(project().join("pipelines/extract/mosei.slurm"))
            .envs([("SLURM_ARRAY_TASK_ID", task), ("SHARDS", "2"), ("PATH", &path)])
            .envs([("MOSEI", tree.path()), ("CACHE", &cache.path())])
            .envs([("MODELS", "tiny"), ("FEATURES", "text")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let now = cache.tensors().len();
        assert!(now > clips, "each task has its share");
        clips = now;
    }
    assert_eq!(clips, 9);
}

#[test]
fn damage_and_missing_parts_are_told_with_the_clip() {
    let (tree, cache) = (small_tree(), Cache::new());
    // The sample lasts 5.7 s; and no language model reads 3,000 words.
    let words = format!("1___0.0___0.5___{}", "so many words ".repeat(1_000));
    tree.video("a", &["0___4.0___9.0___cut short by its end", &words]);
    let ended = extract(&tree, &cache.path(), &["--json", "--features", "audio,text"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = end(&ended);
    let warnings = told["warnings"].as_array().unwrap();
    let of = |clip: &str| {
        let found = warnings.iter().filter(|warning| warning["clip"] == clip);
        found.map(|warning| warning["warning"].as_str().unwrap()).collect::<Vec<_>>().join("; ")
    };
    assert!(of("a_0").contains("of its 5.000 s"), "{warnings:?}");
    assert!(of("a_1").contains("tokens of its words"), "{warnings:?}");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(ended.json_lines().iter().any(|event| event["event"] == "warned" && event["clip"] == "a_0"));
    let people = extract(&tree, &Cache::new().path(), &["--features", "audio"]);
    assert!(people.stdout.contains("1 clip is there, but"), "{}", people.stdout);
}

#[test]
fn features_of_two_recordings_never_stand_under_one_name() {
    let (tree, cache) = (small_tree(), Cache::new());
    assert_eq!(extract(&tree, &cache.path(), &["--features", "audio"]).code, 0);
    affekt_testkit::clips::Clip::new(6.0).write(tree.media("a").parent().unwrap(), "a.mp4");
    let ended = extract(&tree, &cache.path(), &["--json", "--features", "audio,video"]);
    let told = end(&ended);
    assert_eq!((ended.code, &told["clips"]["failed"]), (2, &4.into()), "{told}");
    let reason = told["failures"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("a.mp4 is another file") && reason.contains("--cache"), "{reason}");
    // Mended times of a clip that failed are taken; its words came from no recording.
    let cache = Cache::new();
    tree.write("b", &["0___50.0___51.0___behind the end"]);
    let flags = ["--features", "text,audio"];
    assert_eq!(extract(&tree, &cache.path(), &flags).code, 2);
    tree.write("b", &["0___1.0___2.0___behind the end"]);
    let mended = extract(&tree, &cache.path(), &["--features", "text,audio", "--retry-failed"]);
    assert_eq!(mended.code, 0, "{} {}", mended.stdout, mended.stderr);
}

#[test]
fn the_bound_on_failures_is_that_of_all_clips_whatever_is_done_already() {
    let (tree, cache) = (small_tree(), Cache::new());
    assert_eq!(extract(&tree, &cache.path(), &["--features", "audio"]).code, 0);
    tree.write("d", &["0___0.0___1.0___gone"]);
    // One of 13.
    let ended = extract(&tree, &cache.path(), &["--json", "--features", "audio", "--max-failures", "10"]);
    assert_eq!((ended.code, &end(&ended)["ended_by"]), (2, &"finished".into()));
}

#[test]
fn what_ends_a_run_is_said_even_when_quiet() {
    let (tree, cache) = (small_tree(), Cache::new());
    fs::write(tree.media("a"), "no film").unwrap();
    let ended = extract(&tree, &cache.path(), &["--quiet", "--features", "audio", "--max-failures", "0"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(
        ended.stderr.starts_with("error: ") && ended.stderr.contains("--max-failures"),
        "{}",
        ended.stderr
    );
}
