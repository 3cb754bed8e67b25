//! Steps of the optimiser against PyTorch's (`golden.py`).
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::BTreeMap;
use std::path::Path;

use affekt_testkit::assert_close;
use affekt_testkit::golden::Golden;
use affekt_train::{Adam, AdamConfig, Gradients};
use candle_core::{Tensor, Var};

const NAMES: [&str; 2] = ["weight", "bias"];

fn golden() -> Golden {
    Golden::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/adam.safetensors"))
}

fn config() -> AdamConfig {
    AdamConfig { lr: 1e-2, weight_decay: 1e-1, ..AdamConfig::default() }
}

fn vars(golden: &Golden, step: usize) -> BTreeMap<String, Var> {
    let var = |name: &str| Var::from_tensor(&golden.tensor(&format!("{name}.{step}"))).unwrap();
    NAMES.iter().map(|name| ((*name).to_owned(), var(name))).collect()
}

/// Gradients of these values: those of the sum of the products with them.
fn gradients(golden: &Golden, vars: &BTreeMap<String, Var>, step: usize) -> Gradients {
    let with_gradient = NAMES.iter().filter(|name| !(step == 2 && **name == "bias"));
    let loss = with_gradient
        .map(|name| {
            let gradient = golden.tensor(&format!("gradient.{name}.{step}"));
            (vars[*name].as_tensor() * gradient).unwrap().sum_all().unwrap()
        })
        .reduce(|sum, next| (sum + next).unwrap());
    Gradients::of(vars, loss.unwrap().backward().unwrap())
}

fn step(golden: &Golden, vars: &BTreeMap<String, Var>, adam: &mut Adam, step: usize) {
    let mut gradients = gradients(golden, vars, step);
    if step >= 5 {
        assert!(gradients.clip(1.0).unwrap() > 1.0);
        assert!((gradients.norm().unwrap() - 1.0).abs() < 1e-5);
    }
    adam.step(vars, &gradients, if step >= 3 { 0.5 } else { 1.0 }).unwrap();
}

fn check(golden: &Golden, vars: &BTreeMap<String, Var>, step: usize) {
    for name in NAMES {
        let want = golden.tensor(&format!("{name}.{step}"));
        assert_close(&format!("{name} before step {step}"), vars[name].as_tensor(), &want, 1e-6);
    }
}

#[test]
fn steps_are_pytorchs() {
    let golden = golden();
    let (vars, mut adam) = (vars(&golden, 0), Adam::new(config()));
    for at in 0..6 {
        check(&golden, &vars, at);
        step(&golden, &vars, &mut adam, at);
    }
    check(&golden, &vars, 6);
}

#[test]
fn an_optimiser_that_is_restored_goes_on_to_the_bit() {
    let golden = golden();
    let (through, mut adam) = (vars(&golden, 0), Adam::new(config()));
    (0..3).for_each(|at| step(&golden, &through, &mut adam, at));
    let kept: BTreeMap<String, Tensor> =
        adam.tensors().unwrap().into_iter().map(|(name, tensor)| (name, tensor.copy().unwrap())).collect();
    let copy = |var: &Var| Var::from_tensor(&var.as_detached_tensor().copy().unwrap()).unwrap();
    let restored: BTreeMap<String, Var> =
        through.iter().map(|(name, var)| (name.clone(), copy(var))).collect();
    let mut other = Adam::new(config());
    other.restore(&restored, &kept).unwrap();
    for at in 3..6 {
        step(&golden, &through, &mut adam, at);
        step(&golden, &restored, &mut other, at);
    }
    for name in NAMES {
        assert_close(name, restored[name].as_tensor(), through[name].as_tensor(), 0.0);
    }
    let mut fewer = restored.clone();
    fewer.remove("bias");
    assert!(other.restore(&fewer, &kept).unwrap_err().to_string().contains("bias"));
}

#[test]
fn settings_without_a_meaning_are_refused() {
    for config in [
        AdamConfig { lr: -1.0, ..config() },
        AdamConfig { betas: [0.9, 1.0], ..config() },
        AdamConfig { weight_decay: f64::NAN, ..config() },
    ] {
        assert!(config.check().is_err(), "{config:?}");
    }
    config().check().unwrap();
}
