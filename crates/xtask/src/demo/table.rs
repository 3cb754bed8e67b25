//! What is predicted of the samples beside their labels.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::samples::Sample;

/// The samples as a table, and what `affekt` warns of, each warning once. `said` is the output of `predict --json`.
pub fn text(samples: &[Sample], said: &str) -> Result<String> {
    let predictions = predictions(said)?;
    let width = samples.iter().map(|sample| sample.name.chars().count()).max().unwrap_or(0).max("clip".len());
    let mut lines = vec![format!(
        "  {:<width$}  {:>7}  {:>9}  {:>12}  words",
        "clip", "label", "with text", "without text"
    )];
    let mut warnings: Vec<&str> = Vec::new();
    for Sample { name, words, label } in samples {
        let of_sample = |prediction: &&Value| {
            let input = prediction["input"].as_str().map(Path::new);
            input.and_then(Path::file_stem).is_some_and(|stem| stem.to_string_lossy() == *name)
        };
        let prediction = predictions.iter().find(of_sample);
        let prediction = prediction.with_context(|| format!("nothing is said of the sample {name}"))?;
        let valence = |flow: &str| {
            let valence = prediction["valence"][flow].as_f64();
            valence.with_context(|| format!("`valence.{flow}` of the sample {name} is no number"))
        };
        let (with, without) = (valence("with_text")?, valence("without_text")?);
        lines.push(format!("  {name:<width$}  {label:>+7.2}  {with:>+9.2}  {without:>+12.2}  {words}"));
        let told = prediction["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for warning in told {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    lines.extend(warnings.iter().map(|warning| format!("  warning: {warning}")));
    Ok(lines.join("\n") + "\n")
}

/// The predictions among the lines; other events are left out.
fn predictions(said: &str) -> Result<Vec<Value>> {
    let line = |line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"));
    let values = said.lines().map(line).collect::<Result<Vec<Value>>>()?;
    Ok(values.into_iter().filter(|value| value["valence"].is_object()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, label: f64) -> Sample {
        Sample { name: name.into(), words: "So it is.".into(), label }
    }

    fn line(name: &str, with: &str) -> String {
        let valence = format!(r#"{{"with_text": {with}, "without_text": -0.5}}"#);
        format!(r#"{{"input": "models/{name}.mp4", "valence": {valence}, "warnings": ["small", "small"]}}"#)
    }

    #[test]
    fn labels_stand_beside_what_is_predicted() {
        let said = [line("bad", "-1.004"), r#"{"event": "window"}"#.into(), line("sample", "2")].join("\n");
        let wanted = "  \
  clip      label  with text  without text  words
  sample    +2.25      +2.00         -0.50  So it is.
  bad       -1.00      -1.00         -0.50  So it is.
  warning: small
";
        assert_eq!(text(&[sample("sample", 2.25), sample("bad", -1.0)], &said).unwrap(), wanted);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |said: &str| text(&[sample("bad", -1.0)], said).unwrap_err().to_string();
        assert!(error(&line("good", "1")).contains("sample bad"));
        assert!(error(&line("bad", "null")).contains("valence.with_text"));
        assert!(error("predicted").contains("no JSON: predicted"));
    }
}
