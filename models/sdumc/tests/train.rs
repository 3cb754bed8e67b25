//! SDUMC behind the interface of the training harness.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::BTreeMap;

use affekt_core::{ClipId, FeatureKind};
use affekt_sdumc::train::REGISTRATION;
use affekt_sdumc::{LossWeights, Settings, Simulated};
use affekt_train::{Adam, AdamConfig, Batch, Gradients, Key, Method, Padded, Parameters, Pass, Recipe};
use candle_core::{DType, Device, Tensor};

const SMALL: &str = r#""widths": {"audio": 8, "text": 12, "video": 6}, "dim": 16"#;

fn settings(more: &str) -> Settings {
    serde_json::from_str(&format!("{{{SMALL}{more}}}")).unwrap()
}

/// Four clips; the third has no face, and no text either.
fn batch() -> Batch {
    let padded = |width, lengths: [usize; 4]| {
        let rows = (affekt_testkit::noise(0.0, 1.0, (4, 5, width)) * 1.0).unwrap();
        let real: Vec<f32> = lengths
            .iter()
            .flat_map(|&length| (0..5).map(move |at| f32::from(u8::from(at < length))))
            .collect();
        let real = Tensor::from_vec(real, (4, 5, 1), &Device::Cpu).unwrap();
        Padded { rows: rows.broadcast_mul(&real).unwrap(), lengths: lengths.to_vec() }
    };
    let features = BTreeMap::from([
        (FeatureKind::Audio, padded(8, [5, 2, 3, 1])),
        (FeatureKind::Video, padded(6, [1, 5, 0, 4])),
        (FeatureKind::Text, padded(12, [2, 3, 0, 5])),
        (FeatureKind::Simulated, padded(12, [5, 1, 2, 3])),
    ]);
    let clips = (0..4).map(|clip| ClipId::new(format!("clip_{clip}")).unwrap()).collect();
    Batch { clips, labels: Tensor::new(&[1f32, -2.0, 0.5, 1.0], &Device::Cpu).unwrap(), features }
}

fn built(settings: Settings) -> (Parameters, Box<dyn Method>) {
    let parameters = Parameters::drawn(Key::new(3));
    let method = settings.resolve().unwrap().build(parameters.builder(&Device::Cpu)).unwrap();
    (parameters, method)
}

fn pass(key: Option<Key>) -> Pass {
    Pass { phase: 0, update: 0, key }
}

#[test]
fn settings_are_strict_and_follow_compat() {
    let weights = |more: &str| *settings(more).resolve().unwrap().weights();
    assert_eq!(weights(""), LossWeights::PAPER);
    assert_eq!(weights(r#", "compat": "release""#), LossWeights::RELEASE);
    let without = LossWeights { mkd1: 0.0, mkd2: 0.0, ..LossWeights::PAPER };
    assert_eq!(weights(r#", "loss": {"mkd1": 0, "mkd2": 0}"#), without);
    for text in [r#"{"los": {}}"#, r#"{"loss": {"rcn": 1}}"#, r#"{"simulated": "none"}"#, r#"{"mai": "on"}"#]
    {
        assert!(serde_json::from_str::<Settings>(text).is_err(), "{text}");
    }
    for more in
        [r#", "loss": {"rnc": -1}"#, r#", "loss": {"full": 0, "missing": 0}"#, r#", "dropout_mlp": 1"#]
    {
        assert!(settings(more).resolve().is_err(), "{more}");
    }
}

#[test]
fn resolved_settings_say_everything_and_mean_the_same() {
    for more in
        ["", r#", "compat": "release""#, r#", "mia_structure": "equation""#, r#", "simulated": "absent""#]
    {
        let recipe = settings(more).resolve().unwrap();
        let told = recipe.settings();
        assert!(told.as_object().unwrap().values().all(|value| !value.is_null()), "{told}");
        let again: Settings = serde_json::from_value(told.clone()).unwrap();
        let again = again.resolve().unwrap();
        assert_eq!((again.config(), again.weights()), (recipe.config(), recipe.weights()));
        assert_eq!(again.settings(), told);
    }
}

#[test]
fn the_harness_finds_it_and_widths_are_those_of_the_features() {
    let kinds = [FeatureKind::Audio, FeatureKind::Text, FeatureKind::Video, FeatureKind::Simulated];
    let prepare = |settings: &str, widths: [usize; 4]| {
        let widths = kinds.into_iter().zip(widths).collect();
        (REGISTRATION.prepare)(&serde_json::from_str(settings).unwrap(), &widths)
    };
    let told = prepare("{}", [8, 12, 6, 12]).unwrap().settings();
    assert_eq!(told["widths"], serde_json::json!({"audio": 8, "text": 12, "video": 6}));
    let small = format!("{{{SMALL}}}");
    assert!(prepare(&small, [8, 12, 6, 12]).is_ok());
    for (settings, widths, named) in [
        (small.as_str(), [9, 12, 6, 12], "audio features are 9 wide, but the network takes 8"),
        ("{}", [8, 12, 6, 11], "simulated features are 11 wide, but the network takes 12"),
        (r#"{"mai": "on"}"#, [8, 12, 6, 12], "unknown field `mai`"),
    ] {
        let error = prepare(settings, widths).err().unwrap().to_string();
        assert!(error.contains(named), "{error}");
    }
    let features = (REGISTRATION.features)(&serde_json::json!({"simulated": "absent"})).unwrap();
    assert!(!features.contains(&FeatureKind::Simulated));
    let error = (REGISTRATION.features)(&serde_json::json!({"dim": 6})).unwrap_err().to_string();
    assert!(error.contains("multiple of 4"), "{error}");
}

#[test]
fn it_needs_simulated_text_unless_that_is_absent() {
    let kinds = |more: &str| -> Vec<FeatureKind> {
        settings(more).resolve().unwrap().needs().iter().map(|need| need.kind).collect()
    };
    assert!(kinds("").contains(&FeatureKind::Simulated));
    assert!(!kinds(r#", "simulated": "absent""#).contains(&FeatureKind::Simulated));
    let mut batch = batch();
    batch.features.remove(&FeatureKind::Simulated);
    let absent = built(Settings { simulated: Simulated::Absent, ..settings("") }).1;
    assert!(absent.losses(&batch, pass(None)).is_ok());
    let error = built(settings("")).1.losses(&batch, pass(None)).unwrap_err().to_string();
    assert!(error.contains("simulated"), "{error}");
}

#[test]
fn both_flows_are_judged_with_shares() {
    let (_, method) = built(settings(""));
    let judged = method.judge(&batch(), 0).unwrap();
    let recipe = settings("").resolve().unwrap();
    assert_eq!(judged.len(), recipe.flows().len());
    for flow in &judged {
        assert_eq!(flow.valence.len(), 4);
        assert_eq!(flow.representation.as_ref().unwrap().dims(), [4, 8]);
        for share in &flow.shares {
            for values in &share.values {
                assert_eq!(values.len(), share.parts.len());
                assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }
    assert_ne!(judged[0].valence, judged[1].valence);
}

#[test]
fn steps_of_adam_lower_the_loss_and_move_every_parameter() {
    let (parameters, method) = built(settings(r#", "dropout_attention": 0, "dropout_mlp": 0"#));
    let (batch, before) = (batch(), parameters.values().unwrap());
    let mut adam = Adam::new(AdamConfig { lr: 3e-3, weight_decay: 0.0, ..AdamConfig::default() });
    let mut totals = Vec::new();
    for step in 0..60 {
        let losses = method.losses(&batch, pass(Some(Key::new(1).at(step)))).unwrap();
        totals.push(losses.total.to_scalar::<f32>().unwrap());
        let gradients = Gradients::of(&parameters.all(), losses.total.backward().unwrap());
        adam.step(&parameters.all(), &gradients, 1.0).unwrap();
    }
    assert!(totals[59] < 0.5 * totals[0], "{totals:?}");
    for (name, after) in parameters.values().unwrap() {
        let moved = (after - &before[&name]).unwrap().abs().unwrap().max_all().unwrap();
        assert!(moved.to_scalar::<f32>().unwrap() > 0.0, "{name}");
    }
}

#[test]
fn randomness_comes_from_the_key() {
    let (_, method) = built(settings(""));
    let batch = batch();
    let total = |key| {
        let total = method.losses(&batch, pass(key)).unwrap().total;
        total.to_dtype(DType::F32).unwrap().to_scalar::<f32>().unwrap()
    };
    assert_eq!(total(Some(Key::new(1))), total(Some(Key::new(1))));
    assert_ne!(total(Some(Key::new(1))), total(Some(Key::new(2))));
    assert_eq!(total(None), total(None));
}
