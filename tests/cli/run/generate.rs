//! `run generate` with many prompts: the same whatever is in flight, and told how it went.

use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::{Named, path, run};
use crate::bundles::size;

/// Seven prompts of 1 to 19 positions, padded left with what must not count.
fn ragged() -> Named {
    let lengths = [5, 19, 1, 12, 19, 8, 3];
    let mask: Vec<Vec<i64>> =
        lengths.iter().map(|&length| (0..19).map(|at| i64::from(at >= 19 - length)).collect()).collect();
    let mask = Tensor::new(mask, &Device::Cpu).unwrap();
    let shape = (7, 19, size("llama", "hidden_size"));
    let there = mask.unsqueeze(2).unwrap().broadcast_as(shape).unwrap();
    let padding = Tensor::full(f32::NAN, shape, &Device::Cpu).unwrap();
    let embeds = there.ne(0_i64).unwrap().where_cond(&affekt_testkit::noise(0.0, 1.0, shape), &padding);
    vec![("inputs_embeds", embeds.unwrap()), ("attention_mask", mask)]
}

/// The output file's bytes, and what is told of the search.
fn search(folder: &Path, flags: &[&str], inputs: &Named) -> (Vec<u8>, Value) {
    let weights = path("models/tiny/llama");
    let flags = [&["--weights", &weights, "--max-new-tokens", "9", "--beams", "3", "--layers=-2..-1"], flags]
        .concat();
    let ended = run(folder, "generate", &flags, inputs);
    assert_eq!(ended.code, 0, "{flags:?}: {}{}", ended.stdout, ended.stderr);
    let told = ended.json();
    assert_eq!(told["seconds"].as_array().unwrap().len(), if flags.contains(&"--repeat") { 2 } else { 1 });
    (std::fs::read(folder.join("output.safetensors")).unwrap(), told["search"].clone())
}

#[test]
fn what_is_in_flight_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = ragged();
    let (alone, told) = search(folder.path(), &["--in-flight", "1"], &inputs);
    assert_eq!(
        (&told["clips"], &told["most_in_flight"], &told["prompt_rows"]),
        (&7.into(), &1.into(), &67.into())
    );
    for (flags, most) in
        [(&["--in-flight", "3"][..], 3), (&["--in-flight", "16", "--repeat", "2"], 7), (&[], 7)]
    {
        let (together, other) = search(folder.path(), flags, &inputs);
        assert!(together == alone, "{flags:?}");
        assert_eq!(other["most_in_flight"], most, "{flags:?}");
        assert!(other["passes"].as_u64() < told["passes"].as_u64(), "{flags:?}: {other}");
        for same in ["clips", "tokens", "beam_rows", "prompt_rows"] {
            assert_eq!(other[same], told[same], "{flags:?}: {same}");
        }
        for positive in ["mean_in_flight", "peak_cache_bytes", "clips_per_s", "tokens_per_s", "rows_per_s"] {
            assert!(other[positive].as_f64().unwrap() > 0.0, "{flags:?}: {other}");
        }
    }
}

#[test]
fn none_in_flight_is_refused_and_so_is_the_flag_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let weights = path("models/tiny/llama");
    let ids = vec![("input_ids", Tensor::new(&[[1_i64, 5]], &Device::Cpu).unwrap())];
    for (network, count, named) in [("generate", "0", "1 or more"), ("llama", "3", "does not take it")] {
        let ended = run(folder.path(), network, &["--weights", &weights, "--in-flight", count], &ids);
        let error = &ended.json()["error"];
        assert_eq!((ended.code, &error["kind"]), (1, &"bad_config".into()), "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("--in-flight") && message.contains(named), "{message}");
    }
    let ended = run(folder.path(), "generate", &["--weights", &weights, "--in-flight", "many"], &ids);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
}
