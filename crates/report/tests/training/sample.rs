//! Made-up runs that look like real ones.

use std::collections::BTreeMap;

use affekt_core::{Digest, FeatureKind, FeatureSpec, LayerRule};
use affekt_report::Metrics;
use affekt_report::training::evidence::{Attention, Similarity, Verdict};
use affekt_report::training::{
    Chosen, Data, Epoch, Evidence, LeftOut, Made, Outcome, SplitFacts, Times, Training,
};
use serde_json::json;

/// Text that breaks whatever does not escape it.
pub const NASTY: &str = "<script>alert(\"1\")</script> & 'two' </style> ]]> <!-- \u{202e}gpj";
/// The flows of SDUMC.
pub const FLOWS: [&str; 2] = ["complete", "text-missing"];

/// Deterministic numbers.
pub struct Numbers(pub u64);

impl Numbers {
    /// Evenly between 0 and 1.
    pub fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, mean 0, deviation 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() - 6.0
    }
}

/// What a run is made of.
#[derive(Clone)]
pub struct Plan {
    pub name: String,
    pub seed: u64,
    pub epochs: usize,
    pub clips: usize,
    pub flows: Vec<String>,
    pub validated: bool,
    /// How much worse than the best.
    pub worse: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            name: "paper".into(),
            seed: 1,
            epochs: 25,
            clips: 686,
            flows: FLOWS.map(str::to_owned).into(),
            validated: true,
            worse: 0.0,
        }
    }
}

pub fn made() -> Made {
    Made {
        program: "affekt 0.1.0".into(),
        command:
            "affekt train --method sdumc --cache cache --labels mosi.tsv --config paper --out runs/paper-1"
                .into(),
        made: "2026-11-22 05:30 UTC".into(),
    }
}

/// Labels as MOSI has them: fifths from -3 to 3; many near 0.
fn label(numbers: &mut Numbers) -> f64 {
    ((1.5 * numbers.normal()).clamp(-3.0, 3.0) * 5.0).round() / 5.0
}

pub fn evidence(plan: &Plan) -> Evidence {
    let mut numbers = Numbers(plan.seed + 77);
    let clips: Vec<Verdict> = (0..plan.clips)
        .map(|at| {
            let label = label(&mut numbers);
            let shared = 0.5 * numbers.normal();
            let valence = (0..plan.flows.len()).map(|flow| {
                let (pull, noise) = if flow == 0 { (0.78, 0.45) } else { (0.34, 0.7) };
                let noise = noise + plan.worse;
                pull * label + noise * (shared + numbers.normal()) + 0.05
            });
            Verdict { clip: format!("v{:03}_{}", at / 12, at % 12), label, valence: valence.collect() }
        })
        .collect();
    let similarity = (plan.flows.len() > 1).then(|| similarity(&clips, 300, &plan.flows));
    let attention = plan.flows.iter().enumerate().flat_map(|(flow, name)| attention(name, flow)).collect();
    Evidence { split: "test".into(), flows: plan.flows.clone(), clips, similarity, attention }
}

fn similarity(clips: &[Verdict], most: usize, flows: &[String]) -> Similarity {
    let mut sorted: Vec<&Verdict> = clips.iter().take(most).collect();
    sorted.sort_by(|a, b| a.label.total_cmp(&b.label));
    let mut numbers = Numbers(5);
    let mut places = |flow: usize| -> Vec<[f64; 3]> {
        let place =
            |clip: &&Verdict| [2.2 * clip.valence[flow], 0.6 * numbers.normal(), 0.6 * numbers.normal()];
        sorted.iter().map(place).collect()
    };
    let (rows, columns) = (places(0), places(1));
    let distance =
        |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    Similarity {
        rows: flows[0].clone(),
        columns: flows[1].clone(),
        labels: sorted.iter().map(|clip| clip.label).collect(),
        distances: rows.iter().flat_map(|a| columns.iter().map(move |b| distance(a, b))).collect(),
    }
}

fn attention(flow: &str, index: usize) -> [Attention; 2] {
    let modalities = [[0.21, 0.62, 0.17], [0.38, 0.27, 0.35]][index % 2];
    let views =
        [[0.2, 0.17, 0.16, 0.09, 0.08, 0.24, 0.06], [0.19, 0.12, 0.11, 0.2, 0.16, 0.1, 0.12]][index % 2];
    let of = |of: &str, names: &[&str], shares: &[f64]| Attention {
        flow: flow.into(),
        of: of.into(),
        parts: names
            .iter()
            .zip(shares)
            .map(|(name, share)| ((*name).into(), *share, 0.05 + 0.1 * share))
            .collect(),
    };
    [
        of("modality", &["audio", "text", "video"], &modalities),
        of(
            "view",
            &["fused", "audio + text", "text + video", "audio + video", "audio", "text", "video"],
            &views,
        ),
    ]
}

fn outcomes(split: &str, evidence: &Evidence) -> Vec<Outcome> {
    let labels: Vec<f64> = evidence.clips.iter().map(|clip| clip.label).collect();
    let outcome = |(at, flow): (usize, &String)| {
        let said: Vec<f64> = evidence.clips.iter().map(|clip| clip.valence[at]).collect();
        Outcome { split: split.into(), flow: flow.clone(), metrics: Metrics::of(&said, &labels).unwrap() }
    };
    evidence.flows.iter().enumerate().map(outcome).collect()
}

/// A run and what was said of its test clips.
pub fn run(plan: &Plan) -> (Training, Evidence) {
    let test = evidence(plan);
    let mut results = outcomes("test", &test);
    let valid = evidence(&Plan { seed: plan.seed + 1_000, clips: plan.clips.div_ceil(3), ..plan.clone() });
    let of_valid = outcomes("valid", &valid);
    if plan.validated {
        results.extend(of_valid.clone());
    }
    let epochs: Vec<Epoch> = (0..plan.epochs).map(|at| epoch(plan, at, &of_valid)).collect();
    let mean =
        |epoch: &Epoch| epoch.valid.iter().map(|one| one.metrics.mae).sum::<f64>() / epoch.valid.len() as f64;
    let best =
        epochs.iter().filter(|epoch| !epoch.valid.is_empty()).min_by(|a, b| mean(a).total_cmp(&mean(b)));
    let chosen = match best {
        Some(best) => Chosen {
            phase: "train".into(),
            epoch: best.epoch,
            rule: "lowest mean validation MAE of complete and text-missing".into(),
            value: Some(mean(best)),
        },
        None => {
            Chosen { phase: "train".into(), epoch: plan.epochs, rule: "the last epoch".into(), value: None }
        }
    };
    let total = epochs.iter().map(|epoch| epoch.seconds.total).sum();
    let training = Training {
        affekt: "0.1.0".into(),
        method: "sdumc".into(),
        name: plan.name.clone(),
        seed: plan.seed,
        started: "2026-11-22T04:10:05Z".into(),
        device: "cpu".into(),
        config: json!({
            "method": "sdumc", "seed": plan.seed,
            "data": {"splits": ["train", "valid", "test"], "longest": {"audio": 1000}, "incomplete": "refuse"},
            "optimiser": {"lr": 1e-4, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 1e-5},
            "schedule": {"warmup": 5, "factor": 0.9, "every": 10},
            "training": {"epochs": plan.epochs, "batch": 128, "clip": 0.0},
            "selection": {"keep": "best", "flow": "mean", "patience": 0},
            "settings": {
                "compat": "paper", "mia": if plan.name == "no-mia" { "off" } else { "on" },
                "loss": {"full": 0.5, "missing": 0.5, "mkd1": 0.1, "mkd2": 0.7,
                    "rs": if plan.name == "no-rs" { 0.0 } else { 0.13 }, "rnc": 0.5},
            },
        }),
        data: data(plan),
        parameters: 4_270_412,
        flows: plan.flows.clone(),
        epochs,
        chosen,
        results,
        seconds: Times { total, compute: 0.97 * total, waiting: 0.01 * total },
        peak_memory_bytes: Some(1_834_000_000),
        warnings: vec!["3 clips of train have no face: their video is absent".into()],
    };
    (training, test)
}

fn epoch(plan: &Plan, at: usize, valid: &[Outcome]) -> Epoch {
    let mut numbers = Numbers(1_000 * plan.seed + at as u64);
    let progress = 1.0 - (-(at as f64) / 6.0).exp();
    let mut noise = |size: f64| 1.0 + size * numbers.normal();
    let terms = [
        ("task_full", 2.1, 0.35),
        ("task_missing", 2.2, 0.8),
        ("mkd1", 0.31, 0.12),
        ("mkd2", 0.42, 0.2),
        ("rs", 0.5, 0.22),
        ("rnc", 4.85, 4.31),
    ];
    let terms: Vec<(String, f64)> = terms
        .into_iter()
        .map(|(name, first, last)| (name.into(), (first + (last - first) * progress) * noise(0.015)))
        .collect();
    let total =
        [0.5, 0.5, 0.1, 0.7, 0.13, 0.5].iter().zip(&terms).map(|(weight, (_, value))| weight * value).sum();
    let late = 0.006 * (at as f64 - 14.0).max(0.0);
    let valid = valid.iter().map(|outcome| {
        let mae = (outcome.metrics.mae + 0.55 * (-(at as f64) / 4.0).exp() + late) * noise(0.012);
        Outcome { metrics: Metrics { mae, ..outcome.metrics.clone() }, ..outcome.clone() }
    });
    let valid = if plan.validated { valid.collect() } else { Vec::new() };
    let warm = ((at + 1) as f64 / 5.0).min(1.0);
    let stepped = 0.9_f64.powi(((at as i32 - 4).max(0)) / 10);
    Epoch {
        phase: "train".into(),
        epoch: at + 1,
        rate: 1e-4 * warm * stepped,
        losses: std::iter::once(("total".to_owned(), total)).chain(terms).collect(),
        gradient_norm: Some(8.0 * (1.0 - 0.7 * progress) * noise(0.1)),
        valid,
        seconds: Times { total: 31.5, compute: 30.6, waiting: 0.3 },
    }
}

fn data(plan: &Plan) -> Data {
    let split = |name: &str, clips: usize| SplitFacts {
        clips,
        absent: BTreeMap::from([("video".into(), clips / 400), ("text".into(), 0)]),
        label_mean: 0.142,
        label_deviation: 1.58,
        label_least: -3.0,
        label_greatest: 3.0,
        digest: Digest::of(format!("{name} {clips}").as_bytes()),
    };
    let mut splits =
        BTreeMap::from([("train".into(), split("train", 1_284)), ("test".into(), split("test", plan.clips))]);
    if plan.validated {
        splits.insert("valid".into(), split("valid", plan.clips.div_ceil(3)));
    }
    let spec = |kind, encoder: &str, width| FeatureSpec {
        kind,
        encoder: encoder.into(),
        weights: Digest::of(encoder.as_bytes()),
        layers: Some(LayerRule::entry(-5)),
        preprocessing: vec!["decode-16k-mono-v1".into()],
        width,
        dtype: "f16".into(),
        row: "20ms".into(),
    };
    Data {
        labels: "mosi_utterance/labels.tsv".into(),
        labels_digest: Digest::of(b"labels"),
        split_column: "split_clean752".into(),
        features: vec![
            spec(FeatureKind::Audio, "wavlm-large", 1024).into(),
            spec(FeatureKind::Text, "vicuna-7b", 4096).into(),
            spec(FeatureKind::Video, "manet", 1024).into(),
        ],
        splits,
        left_out: (0..51)
            .map(|at| LeftOut {
                clip: format!("long{at:02}_3"),
                split: "train".into(),
                reason: "more than 1000 rows of audio".into(),
            })
            .collect(),
    }
}
