//! The files of a run's folder.

use affekt_core::{ErrorKind, Explain};
use affekt_report::Metrics;
use affekt_report::training::file::{self, Error};
use affekt_report::training::{Evidence, Training};

use crate::sample::{Plan, made, run};

fn saved(plan: &Plan) -> (tempfile::TempDir, Training, Evidence) {
    let folder = tempfile::tempdir().unwrap();
    let (training, evidence) = run(plan);
    training.save(folder.path(), std::slice::from_ref(&evidence), &made()).unwrap();
    (folder, training, evidence)
}

fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_run_is_read_back_by_its_folder_or_its_file() {
    let (folder, training, evidence) = saved(&Plan { clips: 30, ..Plan::default() });
    for path in [folder.path().to_owned(), folder.path().join(file::METRICS)] {
        assert_eq!(Training::read(&path).unwrap(), training);
        assert_eq!(Evidence::read(&path).unwrap(), std::slice::from_ref(&evidence));
    }
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected =
        [file::METRICS, file::METRICS_TABLE, file::EPOCHS, file::PREDICTIONS, file::EVIDENCE, file::PAGE];
    expected.sort_unstable();
    assert_eq!(names, expected, "and no draft is left");
}

#[test]
fn tables_hold_all_numbers() {
    let (folder, training, evidence) = saved(&Plan { clips: 30, ..Plan::default() });
    let read = |name: &str| rows(&std::fs::read_to_string(folder.path().join(name)).unwrap());
    let metrics = read(file::METRICS_TABLE);
    assert_eq!(metrics.len(), 1 + training.results.len());
    for name in Metrics::NAMES {
        let column = metrics[0].iter().position(|head| head == name).unwrap();
        for (row, outcome) in metrics[1..].iter().zip(&training.results) {
            let entry = outcome.metrics.entries().into_iter().find(|entry| entry.name == name).unwrap();
            assert_eq!(row[column].parse::<f64>().ok(), entry.value, "{name}");
        }
    }
    let epochs = read(file::EPOCHS);
    assert_eq!(epochs.len(), 26);
    let column = |head: &str| epochs[0].iter().position(|name| name == head).unwrap();
    assert_eq!(
        epochs[3][column("loss.rnc")].parse::<f64>().unwrap(),
        training.epochs[2].loss("rnc").unwrap()
    );
    let valid = training.epochs[2].validated("text-missing").unwrap().mae;
    assert_eq!(epochs[3][column("valid.text-missing.mae")].parse::<f64>().unwrap(), valid);
    let predictions = read(file::PREDICTIONS);
    assert_eq!(predictions[0], ["clip", "split", "label", "complete", "text-missing"]);
    assert_eq!(predictions[1][4].parse::<f64>().unwrap(), evidence.clips[0].valence[1]);
    assert_eq!(predictions.len(), 31);
}

#[test]
fn losses_that_are_no_numbers_come_back() {
    let (mut training, _) = run(&Plan { clips: 3, epochs: 2, ..Plan::default() });
    training.epochs[1].losses[0].1 = f64::INFINITY;
    let back: Training = serde_json::from_str(&training.to_json()).unwrap();
    assert!(back.epochs[1].losses[0].1.is_nan());
    assert_eq!(back.epochs[0], training.epochs[0]);
}

#[test]
fn what_cannot_be_read_is_named_with_a_remedy() {
    let (folder, ..) = saved(&Plan { clips: 3, epochs: 1, ..Plan::default() });
    let kind = |error: &Error, parts: &[&str]| {
        let told = format!("{error} {}", error.hint().unwrap());
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        error.kind()
    };
    let nowhere = folder.path().join("nowhere");
    let error = Training::read(&nowhere).unwrap_err();
    assert_eq!(kind(&error, &["nowhere", "metrics.json", "affekt train --out"]), ErrorKind::NotFound);
    assert_eq!(Evidence::read(&nowhere).unwrap(), []);
    std::fs::write(folder.path().join(file::METRICS), "{\"affekt\": \"0.1.0\"}").unwrap();
    let error = Training::read(folder.path()).unwrap_err();
    assert_eq!(
        kind(&error, &["metrics.json", "missing field", "method", "affekt eval"]),
        ErrorKind::BadInput
    );
    let path = folder.path().join(file::EVIDENCE);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"flows\":[", "\"flows\":[\"third\",", 1)).unwrap();
    let error = Evidence::read(folder.path()).unwrap_err();
    assert_eq!(kind(&error, &["evidence.json", "2 predictions", "3 flows", "v000_0"]), ErrorKind::BadInput);
    let (training, _) = run(&Plan { clips: 3, epochs: 1, ..Plan::default() });
    let error = training.save(&path, &[], &made()).unwrap_err();
    assert_eq!(kind(&error, &["evidence.json", "right to write"]), ErrorKind::Unwritable);
}
