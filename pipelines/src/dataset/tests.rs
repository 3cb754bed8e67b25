//! Tests by what they are about.

mod fuzz;
mod inventories;
mod manifests;
mod shards;
mod splits;
mod tables;
mod trees;

use std::path::Path;

use affekt_core::{ClipId, Span};

use super::{Kind, Labels, Manifest, Problem, Row, jsonl};

fn manifest(text: &str) -> Manifest {
    jsonl::manifest(text, Path::new("clips.jsonl"), Path::new("media"))
}

fn table(text: &str) -> Labels {
    Labels::parse(text, Path::new("labels.csv"), None).unwrap()
}

fn kinds(problems: &[Problem]) -> Vec<Kind> {
    problems.iter().map(|problem| problem.kind).collect()
}

/// A clip of `VIDEO.mp4`.
fn row(video: &str, clip: usize, start: f64, end: Option<f64>) -> Row {
    Row {
        id: ClipId::new(format!("{video}_{clip}")).unwrap(),
        video: video.into(),
        media: format!("{video}.mp4").into(),
        span: Span::new(Some(start), end).unwrap(),
        text: None,
        label: None,
        split: None,
    }
}

fn of_rows(rows: Vec<Row>) -> Manifest {
    Manifest { rows, ..Manifest::default() }
}
