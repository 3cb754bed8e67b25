//! Flags that cannot be met, and exit codes; what inputs can be is in `bad_input`.

use serde_json::Value;

use crate::command::{SAMPLE, affekt};

#[test]
fn one_failed_input_of_two_is_exit_code_2() {
    let ended = affekt(["predict", "absent.mp4", SAMPLE, "--json", "--end", "0.5"]);
    assert_eq!(ended.code, 2);
    let lines = ended.json_lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["error"]["kind"], "not_found");
    assert!(lines[1]["valence"]["without_text"].is_number());
}

fn refused(args: &[&str]) -> Value {
    let ended = affekt(args.iter().chain(&["--json"]));
    assert_eq!(ended.code, 1, "{args:?}");
    ended.json()["error"].clone()
}

#[test]
fn flags_that_cannot_be_met_are_refused_by_name() {
    let cases: [(&[&str], &str, &str); 6] = [
        (&["--start", "100"], "bad_span", "100"),
        (&["--start", "2", "--end", "1"], "bad_config", "--start"),
        (&["--start", "-1"], "bad_config", "-1"),
        (&["--models", "nowhere"], "bad_model", "nowhere"),
        (&["--device", "tpu"], "device", "tpu"),
        (&["--transcript", "@absent.txt"], "bad_transcript", "absent.txt"),
    ];
    for (flags, kind, named) in cases {
        let args: Vec<&str> = ["predict", SAMPLE].iter().chain(flags).copied().collect();
        let error = refused(&args);
        assert_eq!(error["kind"], kind, "{error}");
        assert!(error["message"].as_str().unwrap().contains(named), "{error}");
    }
}
