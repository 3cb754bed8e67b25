//! `affekt models pull` against a hub on this machine.

use std::fs;

use serde_json::Value;

use super::hub::{COMMIT, FakeHub, Mood};
use super::{Place, files_below};
use crate::command::Ended;

/// One large file and one small one on the hub, one that can only be imported.
fn bundle(place: &Place, large: &str) -> String {
    let facts = "licence = \"MIT\"\nsource = \"a test\"\n";
    place.bundle(&format!(
        "[networks.n]\nconfig = \"n/config.json\"\nweights = \"n/model.bin\"\n\
         [files.\"n/config.json\"]\n{facts}hub = {{ repo = \"o/n\", file = \"config.json\" }}\n\
         [files.\"n/model.bin\"]\n{facts}hub = {{ repo = \"o/n\", file = \"model.bin\" }}\n{large}\n\
         [files.\"by-hand.bin\"]\n{facts}import = \"https://example.org/page\"\n"
    ))
}

fn place(hub: &FakeHub) -> Place {
    Place::new().with("HF_ENDPOINT", &hub.endpoint)
}

fn pull(place: &Place, bundle: &str, files: &[&str]) -> Ended {
    place.affekt(["models", "pull", bundle, "--json"].iter().chain(files))
}

/// The error of a pull of the large file, of which nothing must be left that could be taken for it.
fn refused(place: &Place, bundle: &str, code: i32) -> Value {
    let ended = pull(place, bundle, &["n/model.bin"]);
    assert_eq!(ended.code, code, "{}{}", ended.stdout, ended.stderr);
    assert!(!place.path("bundle/n/model.bin").exists());
    let left = files_below(&place.path("hf"));
    assert!(!left.iter().any(|file| file.contains("snapshots")), "{left:?}");
    ended.json()["error"].clone()
}

#[test]
fn files_come_are_locked_and_come_only_once() {
    let hub = FakeHub::new();
    let place = place(&hub);
    let bundle = bundle(&place, "");
    let ended = pull(&place, &bundle, &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    let rows = ended.json_lines();
    assert_eq!(rows[0]["file"], "n/config.json");
    assert_eq!(rows[1]["sha256"], hub.sha256().as_str());
    assert_eq!((rows[1]["how"].as_str(), rows[1]["revision"].as_str()), (Some("fetched"), Some(COMMIT)));
    let target = fs::read_link(place.path("bundle/n/model.bin")).unwrap();
    assert!(target.starts_with(place.path("hf/hub/models--o--n/snapshots").join(COMMIT)), "{target:?}");
    assert_eq!(fs::read(place.path("bundle/n/model.bin")).unwrap(), hub.state().large);
    let lock = fs::read_to_string(place.path("bundle/bundle.lock")).unwrap();
    assert!(
        lock.contains(&hub.sha256()) && lock.contains(COMMIT) && lock.contains("size = 700000"),
        "{lock}"
    );

    let requests = hub.state().log.len();
    let again = pull(&place, &bundle, &[]).json_lines();
    assert!(again.iter().all(|row| row["how"] == "already"), "{again:?}");
    assert_eq!(hub.state().log.len(), requests, "nothing is asked for twice");
    let files = place.affekt(["models", "ls", &bundle, "--json"]).json()["files"].clone();
    assert_eq!((files[2]["state"].as_str(), files[2]["digest"].as_str()), (Some("present"), Some("locked")));
    assert_eq!(files[0]["page"], "https://example.org/page");
    assert_eq!(place.affekt(["models", "verify", &bundle]).code, 0);
    assert!(fs::read_dir(place.path("hf/hub/models--o--n/blobs")).unwrap().count() >= 2);
}

#[test]
fn a_network_names_its_files() {
    let hub = FakeHub::new();
    let place = place(&hub);
    let bundle = bundle(&place, "");
    assert_eq!(pull(&place, &bundle, &["n"]).json_lines().len(), 2);
    for (name, told) in
        [("by-hand.bin", "https://example.org/page"), ("nothing", "neither a file nor a network")]
    {
        let ended = pull(&place, &bundle, &[name]);
        assert_eq!(ended.code, 1);
        assert!(ended.json()["error"]["message"].as_str().unwrap().contains(told), "{}", ended.stdout);
    }
}

#[test]
fn dropped_connections_are_resumed() {
    let hub = FakeHub::new();
    hub.set(|state| state.mood = Mood::Drops(vec![300_000, 250_000, 1_000_000]));
    let place = place(&hub);
    let ended = pull(&place, &bundle(&place, ""), &["n/model.bin"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(ended.json()["sha256"], hub.sha256().as_str());
    assert_eq!(hub.starts(), [0, 300_000, 550_000]);
}

#[test]
fn a_later_run_goes_on_where_an_earlier_one_gave_up() {
    let hub = FakeHub::new();
    hub.set(|state| state.mood = Mood::Drops(vec![300_000, 0]));
    let place = place(&hub);
    let bundle = bundle(&place, "");
    let error = refused(&place, &bundle, 1);
    assert_eq!(error["kind"], "network");
    assert!(error["message"].as_str().unwrap().contains("300000 of 700000"), "{error}");
    hub.set(|state| (state.mood, state.log) = (Mood::Good, Vec::new()));
    assert_eq!(pull(&place, &bundle, &["n/model.bin"]).code, 0);
    assert_eq!(hub.starts(), [300_000]);
}

#[test]
fn a_server_that_does_not_resume_sends_all_again() {
    let hub = FakeHub::new();
    hub.set(|state| state.mood = Mood::NoResume);
    let place = place(&hub);
    let ended = pull(&place, &bundle(&place, ""), &["n/model.bin"]);
    assert_eq!(ended.json()["sha256"], hub.sha256().as_str(), "{}", ended.stdout);
}

#[test]
fn wrong_bytes_are_refused_and_removed() {
    let hub = FakeHub::new();
    hub.set(|state| state.mood = Mood::Lies);
    let place = place(&hub);
    let bundle = bundle(&place, "");
    let error = refused(&place, &bundle, 1);
    assert_eq!(error["kind"], "bad_model");
    assert!(error["message"].as_str().unwrap().contains(&hub.sha256()), "{error}");
    assert_eq!(place.affekt(["models", "verify", &bundle]).code, 0, "nothing is there to be wrong");
    hub.set(|state| state.mood = Mood::Good);
    assert_eq!(pull(&place, &bundle, &["n/model.bin"]).code, 0);
}

#[test]
fn a_pinned_digest_is_compared_before_bytes_come() {
    let hub = FakeHub::new();
    let place = place(&hub);
    let pinned = "5".repeat(64);
    let error = refused(&place, &bundle(&place, &format!("sha256 = \"{pinned}\"")), 1);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&pinned) && message.contains(&hub.sha256()), "{message}");
    assert!(hub.starts().is_empty());
}

#[test]
fn another_file_than_the_locked_one_is_refused() {
    let hub = FakeHub::new();
    let place = place(&hub);
    let bundle = bundle(&place, "");
    assert_eq!(pull(&place, &bundle, &["n/model.bin"]).code, 0);
    let locked = hub.sha256();
    fs::remove_dir_all(place.path("hf")).unwrap();
    hub.set(|state| state.large[5] ^= 1);
    let error = refused(&place, &bundle, 1);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&locked) && message.contains(&hub.sha256()), "{message}");
    // The commit that was recorded is asked for, not main.
    let asked = hub.state().log.into_iter().rfind(|(path, ..)| path.contains("/resolve/")).unwrap();
    assert!(asked.0.contains(COMMIT), "{asked:?}");
    // A hub that answers with another commit than the one asked for is not believed either.
    hub.set(|state| (state.large[5], state.commit) = (state.large[5] ^ 1, "f".repeat(40)));
    assert!(refused(&place, &bundle, 1)["message"].as_str().unwrap().contains("ffff"));
}

#[test]
fn refusals_are_told_apart() {
    let hub = FakeHub::new();
    let gated = place(&hub);
    let path = bundle(&gated, "");
    for (status, kind, hint) in
        [(401, "network", "HF_TOKEN"), (404, "network", "import"), (503, "network", "again")]
    {
        hub.set(|state| state.status = Some(status));
        let error = refused(&gated, &path, 1);
        assert_eq!(error["kind"], kind);
        assert!(error["message"].as_str().unwrap().contains(&status.to_string()), "{error}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
    }
    let known = place(&hub).with("HF_TOKEN", "hf_secret");
    hub.set(|state| state.status = Some(403));
    let error = refused(&known, &bundle(&known, ""), 1);
    assert!(error["hint"].as_str().unwrap().contains("accept"), "{error}");
    assert_eq!(hub.state().log.last().unwrap().2, "Bearer hf_secret");
}

#[test]
fn the_token_file_is_read() {
    let hub = FakeHub::new();
    let place = place(&hub);
    fs::create_dir_all(place.path("hf")).unwrap();
    fs::write(place.path("hf/token"), "hf_from_a_file\n").unwrap();
    assert_eq!(pull(&place, &bundle(&place, ""), &["n"]).code, 0);
    assert_eq!(hub.state().log[0].2, "Bearer hf_from_a_file");
}

#[test]
fn offline_uses_the_cache_and_nothing_else() {
    let hub = FakeHub::new();
    let online = place(&hub);
    let path = bundle(&online, "");
    let offline = place(&hub).with("HF_HUB_OFFLINE", "1");
    let error = refused(&offline, &bundle(&offline, ""), 1);
    assert_eq!(error["kind"], "not_found");
    assert!(error["message"].as_str().unwrap().contains("o/n@main: model.bin"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("affekt models import"), "{error}");
    assert!(hub.state().log.is_empty());

    assert_eq!(pull(&online, &path, &[]).code, 0);
    let requests = hub.state().log.len();
    let cached = place(&hub).with("HF_HUB_OFFLINE", "1").with("HF_HOME", online.path("hf").to_str().unwrap());
    let rows = pull(&cached, &bundle(&cached, ""), &[]).json_lines();
    assert!(rows.iter().all(|row| row["how"] == "cached" && row["revision"] == COMMIT), "{rows:?}");
    assert_eq!(hub.state().log.len(), requests);
}

#[test]
fn a_damaged_cache_is_not_believed() {
    let hub = FakeHub::new();
    let place = place(&hub);
    let bundle = bundle(&place, "");
    assert_eq!(pull(&place, &bundle, &["n/model.bin"]).code, 0);
    let blob = place.path("hf/hub/models--o--n/blobs").join(hub.sha256());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[7] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let verified = place.affekt(["models", "verify", &bundle, "--json"]);
    assert_eq!((verified.code, verified.json()["wrong"].as_u64()), (1, Some(1)));
    assert_eq!(pull(&place, &bundle, &["n/model.bin"]).json()["how"], "fetched");
    assert_eq!(place.affekt(["models", "verify", &bundle]).code, 0);
}

#[test]
fn silence_ends_the_wait() {
    let hub = FakeHub::new();
    hub.set(|state| state.mood = Mood::Hangs);
    let place = place(&hub).with("HF_HUB_DOWNLOAD_TIMEOUT", "0.2");
    let start = std::time::Instant::now();
    let error = refused(&place, &bundle(&place, ""), 1);
    assert_eq!(error["kind"], "network");
    assert!(start.elapsed().as_secs() < 15, "{:?}", start.elapsed());
}

#[test]
fn what_is_no_hub_is_not_believed() {
    let hub = FakeHub::new();
    let hostile = place(&hub);
    let path = bundle(&hostile, "");
    for etag in ["../../../../outside", "/absolute", "a/b"] {
        hub.set(|state| state.etag = Some(etag.into()));
        let error = refused(&hostile, &path, 1);
        assert!(error["message"].as_str().unwrap().contains("entity tag"), "{error}");
    }
    hub.set(|state| (state.etag, state.commit) = (None, "../..".into()));
    assert!(refused(&hostile, &path, 1)["message"].as_str().unwrap().contains("commit"));
    let closed = Place::new().with("HF_ENDPOINT", "http://127.0.0.1:9");
    let error = refused(&closed, &bundle(&closed, ""), 1);
    assert!(error["message"].as_str().unwrap().contains("127.0.0.1:9"), "{error}");
    let nonsense = Place::new().with("HF_ENDPOINT", "nonsense");
    assert_eq!(refused(&nonsense, &bundle(&nonsense, ""), 1)["kind"], "bad_config");
}
