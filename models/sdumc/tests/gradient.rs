//! The forward pass as training will use it: parameters drawn anew, a gradient for every one that takes part.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use affekt_sdumc::{Compat, Config, Flow, Mia, MiaResidual, Sdumc, Sequence, Sequences};
use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};

fn drawn(cfg: &Config) -> (VarMap, Sdumc) {
    let vars = VarMap::new();
    let network = Sdumc::load(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu), cfg).unwrap();
    (vars, network)
}

fn random(widths: [usize; 3]) -> Sequences {
    let sequence = |width| {
        let rows = affekt_testkit::noise(0.0, 1.0, (2, 5, width));
        Sequence::padded(rows, &[5, 3]).unwrap()
    };
    Sequences { audio: sequence(widths[0]), text: sequence(widths[1]), video: sequence(widths[2]) }
}

/// Names of the parameters that have a gradient different from zero in the sum of all outputs of `flow`.
fn reached(cfg: &Config, flow: Flow) -> (Vec<String>, Vec<String>) {
    let (vars, network) = drawn(cfg);
    let output = network.forward(&random([8, 8, 8]), flow).unwrap();
    let sums = [output.valence, output.rnc, output.text1, output.text2]
        .map(|tensor| tensor.sqr().unwrap().sum_all().unwrap());
    let gradients =
        sums.iter().skip(1).fold(sums[0].clone(), |sum, next| (sum + next).unwrap()).backward().unwrap();
    let vars = vars.data().lock().unwrap();
    let has = |name: &&String| {
        let gradient = gradients.get(&vars[*name]);
        let size = |g: &Tensor| g.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
        gradient.is_some_and(|g| size(g).is_finite() && size(g) > 0.0)
    };
    let (mut with, mut without): (Vec<_>, Vec<_>) = vars.keys().partition(has);
    with.sort();
    without.sort();
    (with.into_iter().cloned().collect(), without.into_iter().cloned().collect())
}

fn small(compat: Compat, mia: Mia) -> Config {
    let widths = affekt_sdumc::Widths { audio: 8, text: 8, video: 8 };
    Config { widths, dim: 64, compat, mia, ..Config::default() }
}

#[test]
fn every_parameter_of_the_missing_flow_is_reached() {
    for compat in [Compat::Paper, Compat::Release] {
        for mia in [
            Mia::Off,
            Mia::ResidualAe(MiaResidual::Text),
            Mia::ResidualAe(MiaResidual::Transition),
            Mia::Equation,
        ] {
            let (_, without) = reached(&small(compat, mia), Flow::TextMissing);
            assert!(without.is_empty(), "{compat:?} {mia:?}: {without:?}");
        }
    }
}

#[test]
fn the_complete_flow_leaves_the_imagination_alone() {
    let (_, without) = reached(&small(Compat::Paper, Mia::ResidualAe(MiaResidual::Text)), Flow::Complete);
    assert_eq!(without.len(), 16);
    assert!(without.iter().all(|name| name.starts_with("missing_")), "{without:?}");
}

#[test]
fn the_published_size_has_4_27_million_parameters() {
    let (vars, _) = drawn(&Config::default());
    let count: usize = vars.all_vars().iter().map(|var| var.elem_count()).sum();
    assert_eq!(count, 4_268_235);
}
