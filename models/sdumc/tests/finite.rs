//! A number that is NaN or infinite never leaves the network, and the error names where it first was.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use affekt_nn::finite::NotFinite;
use affekt_sdumc::{Config, Error, Flow, Sdumc, Sequence, Sequences, Widths};
use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};

const MODALITIES: [&str; 3] = ["audio", "text", "video"];

fn small() -> Config {
    Config { widths: Widths { audio: 8, text: 8, video: 8 }, dim: 16, ..Config::default() }
}

/// Rows (2, 3, 8) of each modality; the one called `bad` has a `number` in the middle.
fn inputs(bad: &str, number: f32) -> Sequences {
    let sequence = |name: &str| {
        let mut rows = vec![0.5f32; 2 * 3 * 8];
        if name == bad {
            rows[20] = number;
        }
        Sequence::new(Tensor::from_vec(rows, (2, 3, 8), &Device::Cpu).unwrap()).unwrap()
    };
    Sequences { audio: sequence("audio"), text: sequence("text"), video: sequence("video") }
}

fn layer(network: &Sdumc, inputs: &Sequences) -> Option<String> {
    match network.forward(inputs, Flow::TextMissing) {
        Ok(_) => None,
        Err(Error::Tensor(error)) => Some(NotFinite::of(&error).unwrap().layer.clone()),
        Err(other) => panic!("{other}"),
    }
}

/// The layer of a parameter: its module, without indices of what is inside it.
fn module(parameter: &str) -> &str {
    parameter.split('.').next().unwrap()
}

#[test]
fn a_damaged_parameter_of_any_layer_is_found_and_named() {
    let vars = VarMap::new();
    let network = Sdumc::load(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu), &small()).unwrap();
    assert_eq!(layer(&network, &inputs("", 0.0)), None);
    let vars = vars.data().lock().unwrap();
    for (name, var) in vars.iter() {
        let sound = var.as_tensor().copy().unwrap();
        // Infinity would be no damage everywhere: a tanh makes 1 of it.
        var.set(&Tensor::full(f32::NAN, sound.shape(), &Device::Cpu).unwrap()).unwrap();
        assert_eq!(layer(&network, &inputs("", 0.0)).as_deref(), Some(module(name)), "{name}");
        var.set(&sound).unwrap();
    }
    assert_eq!(layer(&network, &inputs("", 0.0)), None);
}

#[test]
fn a_damaged_input_is_named() {
    let vars = VarMap::new();
    let network = Sdumc::load(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu), &small()).unwrap();
    for name in MODALITIES {
        for number in [f32::NAN, f32::NEG_INFINITY] {
            assert_eq!(layer(&network, &inputs(name, number)), Some(format!("the input {name}")));
        }
    }
}
