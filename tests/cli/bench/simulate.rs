//! `affekt bench simulate`.

use serde_json::Value;

use super::number;
use crate::batch::{Cache, extract, small_tree};
use crate::bundles::{drawn, slot_bytes};
use crate::command::{Ended, affekt};

/// Measures short texts, which drawn weights do not end before their limit.
fn simulate(more: &[&str]) -> Ended {
    let words = ["bench", "simulate", "--max-new-tokens", "6"];
    let models: &[&str] = if more.contains(&"--models") { &[] } else { &["--models", drawn()] };
    affekt(words.iter().chain(models).chain(more))
}

fn rows(told: &Value) -> &[Value] {
    told["simulate"].as_array().unwrap()
}

#[test]
fn drawn_voices_give_every_member() {
    let ended = simulate(&["--clips", "3", "--in-flight", "3,1,3", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    let told = ended.json();
    let in_flight: Vec<f64> = rows(&told).iter().map(|row| number(&row["in_flight"])).collect();
    assert_eq!(in_flight, [1.0, 3.0]);
    let positive = [
        "seconds",
        "clips",
        "tokens",
        "passes",
        "beam_rows",
        "prompt_rows",
        "mean_in_flight",
        "occupancy",
        "most_in_flight",
        "peak_cache_bytes",
        "clips_per_s",
        "tokens_per_s",
        "rows_per_s",
        "ratio",
        "read_gb_per_s",
        "of_reading",
        "gflop_per_s",
        "of_products",
        "mosei_hours",
    ];
    for row in rows(&told) {
        assert!(positive.iter().all(|member| number(&row[member]) > 0.0), "{row}");
        assert_eq!((number(&row["clips"]), number(&row["held_back"])), (3.0, 0.0), "{row}");
        assert!(["weights", "arithmetic", "neither"].contains(&row["limit"].as_str().unwrap()), "{row}");
    }
    let [alone, three] = rows(&told) else { panic!("two rows") };
    for member in ["tokens", "beam_rows", "prompt_rows"] {
        assert_eq!(alone[member], three[member], "{member} depends on the clips in flight");
    }
    assert_eq!((number(&alone["ratio"]), number(&alone["mean_in_flight"])), (1.0, 1.0));
    assert!(number(&three["passes"]) < number(&alone["passes"]));
    assert!(number(&three["most_in_flight"]) == 3.0 && number(&three["occupancy"]) <= 1.0, "{three}");
    for (object, members) in [
        ("machine", &["cores"][..]),
        ("recipe", &["beams", "max_new_tokens"]),
        ("network", &["parameters", "bytes"]),
        ("data", &["clips", "clip_s"]),
        ("reach", &["read_gb_per_s", "gflop_per_s"]),
        ("text", &["clips", "tokens", "alone_per_s", "together_per_s", "ratio"]),
        ("projection", &["clips", "clip_hours", "in_flight", "simulate_hours", "text_hours"]),
    ] {
        assert!(members.iter().all(|member| number(&told[object][member]) > 0.0), "{}", told[object]);
    }
    assert_eq!((&told["data"]["cached"], &told["text"]["cached"]), (&false.into(), &false.into()));
}

#[test]
fn the_recipe_is_that_of_the_flags() {
    let flags =
        ["--clips", "2", "--in-flight", "2", "--beams", "2", "--mode", "beam0", "--prompt", "slam", "--json"];
    let told = simulate(&[&flags[..], &["--layers=-4..-1", "--robust"]].concat()).json();
    let recipe = &told["recipe"];
    assert_eq!((recipe["mode"].as_str(), recipe["layers"].as_str()), (Some("beam0"), Some("-4..-1")));
    assert_eq!((number(&recipe["beams"]), number(&recipe["max_new_tokens"])), (2.0, 6.0));
    assert_eq!(recipe["robust"], true);
    assert!(
        recipe["prompt"].as_str().unwrap().starts_with("USER: Transcribe speech to text. \n"),
        "{recipe}"
    );
    // Without one in flight there is nothing to hold it against.
    assert!(rows(&told)[0]["ratio"].is_null(), "{told}");
    // Two beams a clip: the first pass over one feeds no beam, the last token is never fed.
    assert!(number(&rows(&told)[0]["beam_rows"]) <= 2.0 * 2.0 * 5.0, "{told}");
}

#[test]
fn people_read_rates_limits_and_the_projection() {
    let ended = simulate(&["--clips", "2", "--in-flight", "1,2"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    for part in [
        "2 voices",
        "drawn",
        "llama of tiny on cpu",
        "tokens/s",
        "occupied",
        "limited by",
        "real text",
        "MOSEI",
    ] {
        assert!(ended.stdout.contains(part), "{part} in {}", ended.stdout);
    }
}

#[test]
fn voices_come_out_of_a_cache() {
    let (tree, cache) = (small_tree(), Cache::new());
    let ended = extract(&tree, &cache.path(), &["--quiet", "--features", "speech,text"]);
    assert!(ended.code != 1, "{}", ended.stderr);
    let spoken = cache.rows("speech").values().filter(|clip| clip.is_done()).count();
    let path = cache.path();
    let folder = path.to_str().unwrap();
    let told = simulate(&["--cache", folder, "--in-flight", "1,2", "--json"]).json();
    assert_eq!((&told["data"]["cached"], number(&told["data"]["clips"])), (&true.into(), spoken as f64));
    assert_eq!(told["text"]["cached"], true);
    // Nothing is written.
    assert!(cache.stores("simulated").is_empty());
    let one = simulate(&["--cache", folder, "--clips", "1", "--in-flight", "1", "--json"]).json();
    assert_eq!(number(&one["data"]["clips"]), 1.0);
}

#[test]
fn too_little_memory_holds_clips_back_or_is_refused() {
    let bytes = 300 * slot_bytes();
    let memory = bytes.to_string();
    let held = simulate(&["--clips", "4", "--in-flight", "4", "--kv-memory", &memory, "--json"]).json();
    let row = &rows(&held)[0];
    assert!(number(&row["most_in_flight"]) < 4.0, "{row}");
    assert!(number(&row["peak_cache_bytes"]) <= bytes as f64, "{row}");
    let refused = simulate(&["--clips", "2", "--kv-memory", "10KiB"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("the memory budget is 10240 bytes"), "{}", refused.stderr);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = simulate(&["--cache", folder.path().to_str().unwrap(), "--json"]);
    let error = &empty.json()["error"];
    assert_eq!((empty.code, error["kind"].as_str()), (1, Some("bad_dataset")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("has no speech by the bundle tiny"), "{error}");
    for bad in [["--in-flight", "0"], ["--in-flight", "1,x"], ["--clips", "0"], ["--speech", "f32"]] {
        let refused = simulate(&bad);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{bad:?}");
        assert!(refused.stderr.contains(bad[0]) || refused.stderr.contains("--cache"), "{}", refused.stderr);
    }
    let unknown = simulate(&["--models", "absent", "--json"]);
    assert_eq!((unknown.code, unknown.json()["error"]["kind"].as_str()), (1, Some("bad_model")));
}
