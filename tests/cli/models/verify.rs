//! `affekt models verify`, and what a bundle may not say.

use std::fs;

use super::Place;

#[test]
fn the_embedded_bundle_is_right() {
    let ended = Place::new().affekt(["models", "verify", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let rows = ended.json_lines();
    assert_eq!(rows[0]["bundle"], "tiny");
    assert!(rows[0]["files"].as_array().unwrap().iter().all(|file| file["state"] == "ok"));
    assert!(rows[1]["files"].as_array().unwrap().iter().any(|file| file["state"] == "missing"));
}

#[test]
fn a_changed_file_is_found_and_a_right_one_is_recorded() {
    let place = Place::new();
    let folder = place.tiny();
    let bundle = folder.to_str().unwrap();
    assert_eq!(place.affekt(["models", "verify", bundle]).code, 0);
    let lock = fs::read_to_string(folder.join("bundle.lock")).unwrap();
    assert!(lock.contains("[files.\"wavlm/model.safetensors\"]") && lock.contains("modified_ns"), "{lock}");
    assert_eq!(place.affekt(["doctor", "--models", bundle]).code, 0);

    let weights = folder.join("manet/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    fs::remove_file(folder.join("slam/model.safetensors")).unwrap();
    let ended = place.affekt(["models", "verify", bundle, "--json"]);
    assert_eq!(ended.code, 2);
    let files = ended.json()["files"].clone();
    let state = |path: &str| {
        let file = files.as_array().unwrap().iter().find(|file| file["path"] == path);
        file.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("manet/model.safetensors"), "wrong");
    assert_eq!(state("slam/model.safetensors"), "missing");
    assert_eq!(state("wavlm/model.safetensors"), "ok");
    let told = place.affekt(["models", "verify", bundle]).stdout;
    assert!(told.contains("must be"), "{told}");
    // Its size is as recorded, its time is not: whoever opens the bundle notices.
    assert_eq!(place.affekt(["doctor", "--models", bundle]).code, 1);
}

#[test]
fn a_lock_that_disagrees_is_named() {
    let place = Place::new();
    let folder = place.tiny();
    let bundle = folder.to_str().unwrap();
    assert_eq!(place.affekt(["models", "verify", bundle]).code, 0);
    let manifest = fs::read_to_string(folder.join("bundle.toml")).unwrap();
    let (before, after) = manifest.split_once("[files.\"llama/config.json\"]\nsha256 = \"").unwrap();
    let changed =
        format!("{before}[files.\"llama/config.json\"]\nsha256 = \"{}{}", "0".repeat(8), &after[8..]);
    fs::write(folder.join("bundle.toml"), changed).unwrap();
    let ended = place.affekt(["models", "ls", bundle]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("llama/config.json") && ended.stderr.contains("bundle.lock"),
        "{}",
        ended.stderr
    );
}

#[test]
fn manifests_that_cannot_be_followed_are_refused() {
    let place = Place::new();
    let file =
        |path: &str, rest: &str| format!("[files.\"{path}\"]\nlicence = \"MIT\"\nsource = \"x\"\n{rest}\n");
    let cases = [
        (file("../outside", ""), "outside"),
        (file("/etc/passwd", ""), "outside"),
        (file("a", "") + &file("a", ""), "duplicate"),
        (file("a", "colour = \"red\""), "colour"),
        (file("a", "sha256 = \"abc\""), "abc"),
        (file("a", "hub = { repo = \"../x\", file = \"y\" }"), "owner/name"),
        ("[networks.n]\nweights = \"absent\"\n[files]\n".to_owned(), "absent"),
        ("[files\n".to_owned(), "bundle.toml"),
    ];
    for (text, named) in cases {
        let bundle = place.bundle(&text);
        let ended = place.affekt(["models", "ls", &bundle, "--json"]);
        assert_eq!(ended.code, 1, "{text}");
        let message = ended.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(named), "{message}");
    }
    let bundle = place.bundle(&file("a", ""));
    fs::write(place.path("bundle/bundle.lock"), "version = 7\n").unwrap();
    assert!(place.affekt(["models", "ls", &bundle]).stderr.contains("version 7"));
    assert_eq!(place.affekt(["models", "ls", "nowhere"]).code, 1);
}
