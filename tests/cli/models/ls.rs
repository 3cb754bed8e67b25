//! `affekt models ls`.

use super::Place;

#[test]
fn every_known_bundle_is_listed() {
    let place = Place::new();
    let ended = place.affekt(["models", "ls", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let names: Vec<String> =
        ended.json_lines().iter().map(|row| row["bundle"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["tiny", "wavlm-large-vicuna7b", "wavlm-large-vicuna7b-q4"]);
    let tiny = &ended.json_lines()[0];
    assert_eq!((tiny["complete"].as_bool(), tiny["folder"].is_null()), (Some(true), true));
    let members: Vec<&str> = tiny["files"][0].as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = [
        "path", "state", "page", "size", "digest", "sha256", "licence", "source", "repo", "revision",
        "imported",
    ];
    assert_eq!(members, wanted);
}

#[test]
fn the_table_is_readable_at_100_columns() {
    let place = Place::new();
    let ended = place.affekt(["models", "ls", "wavlm-large-vicuna7b-q4"]);
    assert_eq!(ended.code, 0);
    let folder = place.path("affekt/bundles/wavlm-large-vicuna7b-q4");
    let told = ended.stdout.replace(folder.to_str().unwrap(), "FOLDER");
    for line in told.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    is_as_written(&told);
    assert!(!folder.exists(), "looking creates nothing");
}

/// The whole block, so that a change of it is seen.
fn is_as_written(told: &str) {
    let wanted = include_str!("ls.txt");
    assert_eq!(told, wanted, "\n{told}");
}
