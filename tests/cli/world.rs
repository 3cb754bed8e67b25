//! A trained bundle that knows only a small world: every result says so, once and first.

use std::fs;
use std::path::Path;

use affekt_testkit::realdata;
use serde_json::Value;

use crate::batch::{Cache, end, extract, small_tree};
use crate::bundles::{drawn, worldly};
use crate::command::{SAMPLE, affekt};

const WORLD: &str = "drawn dolls that speak";
const CAUTION: &str = "bundle tiny knows only its small world: drawn dolls that speak; on other faces and voices its numbers \
                       mean little";
const UNHEARD: &str = "network whisper of bundle tiny is untrained: its words carry no meaning";

fn bundle() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    worldly(folder.path(), WORLD);
    let path = folder.path().to_str().unwrap().to_owned();
    (folder, path)
}

fn warnings(json: &Value) -> Vec<&str> {
    json["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap()).collect()
}

#[test]
fn a_prediction_warns_of_the_world_and_of_words_that_mean_nothing() {
    let (folder, bundle) = bundle();
    let page = folder.path().join("page.html");
    let words = ["predict", SAMPLE, "--json", "--end", "2", "--models", &bundle, "--transcript"];
    let given = affekt(words.iter().chain(&["I love it.", "--report", page.to_str().unwrap()])).json();
    assert_eq!(warnings(&given)[0], CAUTION);
    assert_eq!(given["warnings"].to_string().matches("small world").count(), 1, "{given}");
    assert!(!given["warnings"].to_string().contains("untrained"), "{given}");
    let html = fs::read_to_string(page).unwrap();
    assert!(html.contains("<strong>A small world. </strong>") && html.contains(CAUTION));
    let heard = affekt(words.iter().chain(&["auto"])).json();
    assert_eq!(heard["text_source"], "asr", "{heard}");
    assert_eq!(warnings(&heard)[..2], [CAUTION, UNHEARD]);
    let block = affekt(["predict", SAMPLE, "--end", "1", "--quiet", "--models", &bundle]).stdout;
    assert!(block.lines().nth(1).unwrap().contains(CAUTION), "{block}");
}

#[test]
fn an_untrained_recogniser_says_so() {
    let (_folder, bundle) = bundle();
    let told = affekt(["transcribe", SAMPLE, "--json", "--end", "2", "--models", &bundle]).json();
    assert_eq!(warnings(&told)[0], UNHEARD);
}

#[test]
fn a_run_over_many_clips_says_so_in_its_record_and_its_summary() {
    let (folder, bundle) = bundle();
    let (tree, cache) = (small_tree(), Cache::new());
    let flags = ["--models", &bundle, "--features", "speech,text", "--json"];
    let told = end(&extract(&tree, &cache.path(), &flags));
    assert_eq!(told["bundle"]["caution"], CAUTION);
    let heard = ["--models", &bundle, "--features", "text", "--transcript", "auto", "--json"];
    let told = end(&extract(&tree, &Cache::new().path(), &heard));
    assert_eq!(told["bundle"]["caution"], format!("{CAUTION}; {UNHEARD}"));
    let report = folder.path().join("agreement.json");
    let path = cache.path();
    let words = ["simulate", "--cache", path.to_str().unwrap(), "--models", &bundle, "--max-new-tokens", "4"];
    let ended = affekt(words.iter().chain(&["--agreement", report.to_str().unwrap()]));
    assert!(ended.stdout.contains(&format!("\n  warning     {CAUTION}\n")), "{}", ended.stdout);
    assert_eq!(ended.stdout.matches(CAUTION).count(), 1, "{}", ended.stdout);
    let agreement: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(warnings(&agreement["about"]), [CAUTION]);
}

#[test]
fn doctor_and_models_ls_tell_what_is_trained() {
    let (_folder, bundle) = bundle();
    let of = |command: &[&str]| {
        let ended = affekt(command);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended
    };
    let world = format!("knows only its small world: {WORLD}");
    let listed = of(&["models", "ls", &bundle]).stdout;
    assert!(listed.contains(&format!("\n  {world}\n  untrained networks: whisper\n")), "{listed}");
    let told = of(&["models", "ls", &bundle, "--json"]).json();
    assert_eq!((&told["trained"], &told["world"]), (&true.into(), &WORLD.into()));
    assert_eq!(told["untrained"], serde_json::json!(["whisper"]));
    let told = of(&["doctor", "--models", &bundle]).stdout;
    assert!(told.contains(&world) && told.contains("untrained: whisper"), "{told}");
    let told = of(&["doctor", "--models", &bundle, "--json"]).json()["bundle"]["Ok"].clone();
    assert_eq!((&told["world"], &told["untrained"][0]), (&WORLD.into(), &"whisper".into()));
    let plain = of(&["models", "ls", drawn()]).stdout;
    assert!(plain.contains("\n  untrained: its numbers carry no meaning\n"), "{plain}");
    assert!(of(&["doctor", "--models", drawn()]).stdout.contains("untrained: its numbers"), "{plain}");
}

#[test]
fn a_world_of_an_untrained_bundle_is_refused() {
    let (folder, bundle) = bundle();
    let path = Path::new(&bundle).join("bundle.toml");
    let manifest = fs::read_to_string(&path).unwrap().replacen("trained = true", "trained = false", 1);
    fs::write(path, manifest).unwrap();
    let ended = affekt(["models", "ls", &bundle]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(
        ended.stderr.contains("trained is false") && ended.stderr.contains("bundle.toml"),
        "{}",
        ended.stderr
    );
    drop(folder);
}

#[test]
fn the_embedded_bundle_goes_on_with_another_detector_and_says_so() {
    let Some(pictures) = realdata::files("faces", &["jpg"]) else { return };
    let weights = pictures[0].ancestors().nth(2).unwrap().join("face_detector/yunet_n_320_320.onnx");
    let words = ["predict", SAMPLE, "--json", "--end", "2"];
    let other = "sdumc of bundle tiny learnt from faces that rustface-0.1.7-288 found, and yunet-n-320 finds them here";
    let json = affekt(words.iter().chain(&["--yunet", weights.to_str().unwrap()])).json();
    assert_eq!(warnings(&json)[1], other);
    assert!(json["valence"]["without_text"].is_number() && json["faces"]["with_face"].as_u64().unwrap() > 0);
    assert!(!affekt(words).json()["warnings"].to_string().contains("learnt from faces"));
}
