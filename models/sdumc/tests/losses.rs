//! Losses and the gradient of every parameter against the PyTorch reference (`golden_loss.py`), and against finite
//! differences of the loss itself.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use affekt_nn::dropout::Dropout;
use affekt_sdumc::{
    Clips, Config, Differentiable, Flow, LossWeights, Losses, Output, Pair, RawConfig, Sdumc, Sequence,
    Sequences, keys,
};
use affekt_testkit::golden::Golden;
use affekt_testkit::{assert_close, relative_error};
use affekt_train::Gradients;
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;

const SETTINGS: [&str; 8] = [
    "paper_off",
    "paper_text",
    "paper_transition",
    "paper_equation",
    "release_off",
    "release_text",
    "release_transition",
    "release_equation",
];

/// It moves all representations alike, and their order is all that the loss sees of them: its gradient is zero, but for
/// what is lost to rounding.
const SHIFT: &str = "orgin_linear_change.2.bias";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/loss").join(format!("{name}.safetensors"))
}

/// One setting of the reference.
struct Case {
    golden: Golden,
    cfg: Config,
    network: Differentiable,
}

impl Case {
    fn open(setting: &str) -> Self {
        let golden = Golden::open(file(setting));
        let checkpoint = Self::weights(setting);
        let raw: RawConfig = serde_json::from_str(&golden.metadata("config")).unwrap();
        let cfg = raw.infer(&checkpoint).resolve().unwrap();
        let network = Differentiable::load(&checkpoint, &cfg, &Device::Cpu).unwrap();
        Self { golden, cfg, network }
    }

    fn weights(setting: &str) -> Checkpoint {
        let structure = if setting.ends_with("equation") { "equation" } else { "residual-ae" };
        Checkpoint::open(&file(&format!("{structure}.weights"))).unwrap()
    }

    fn losses(&self, dropout: Dropout) -> Losses {
        losses(&self.network.forward(&clips(DType::F32), dropout).unwrap(), &self.cfg)
    }

    /// The reference's gradient of each parameter; it keeps them flat, in the order of the names in the checkpoint.
    fn references(&self, setting: &str) -> BTreeMap<String, Tensor> {
        let (flat, mut at) = (self.golden.tensor("gradients"), 0);
        let checkpoint = Self::weights(setting);
        let all = checkpoint.shapes().map(|(name, shape)| {
            let count = shape.iter().product();
            let gradient = flat.narrow(0, at, count).unwrap().reshape(shape).unwrap();
            at += count;
            (name.to_owned(), gradient)
        });
        let all = all.collect();
        assert_eq!(at, flat.elem_count());
        all
    }

    /// Names of the parameters that take part.
    fn reached(&self, setting: &str) -> Vec<String> {
        let flags: Vec<u8> = self.golden.tensor("reached").to_vec1().unwrap();
        let checkpoint = Self::weights(setting);
        let names = checkpoint.shapes().map(|(name, _)| name.to_owned());
        names.zip(flags).filter(|(_, reached)| *reached == 1).map(|(name, _)| name).collect()
    }
}

fn losses(pair: &Pair, cfg: &Config) -> Losses {
    let labels = Golden::open(file("inputs")).tensor("labels");
    Losses::of(pair, &labels, &LossWeights::of(cfg.compat)).unwrap()
}

/// The reference's batch: five clips, labels with ties.
fn clips(dtype: DType) -> Clips {
    let inputs = Golden::open(file("inputs"));
    let sequence = |name: &str| {
        let lengths: Vec<i64> = inputs.tensor(&format!("lengths.{name}")).to_vec1().unwrap();
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        Sequence::padded(inputs.tensor(name).to_dtype(dtype).unwrap(), &lengths).unwrap()
    };
    Clips {
        audio: sequence("audio"),
        text: sequence("text"),
        simulated: sequence("simulated"),
        video: sequence("video"),
    }
}

fn largest(x: &Tensor) -> f32 {
    x.abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn terms_and_gradients_agree_with_the_reference() {
    let (mut term_error, mut gradient_error) = (0f64, 0f64);
    for setting in SETTINGS {
        let case = Case::open(setting);
        let losses = case.losses(Dropout::OFF);
        for (name, term) in Losses::TERMS.into_iter().zip(losses.terms()).chain([("loss", &losses.total)]) {
            assert_close(&format!("{setting} {name}"), term, &case.golden.tensor(name), 1e-5);
            term_error = term_error.max(relative_error(term, &case.golden.tensor(name)));
        }
        let gradients = Gradients::of(case.network.parameters(), losses.total.backward().unwrap());
        let (references, reached) = (case.references(setting), case.reached(setting));
        for (name, reference) in references {
            match gradients.get(&name) {
                Some(gradient) if name == SHIFT => assert!(largest(gradient) < 1e-8, "{setting}"),
                Some(gradient) => {
                    assert!(reached.contains(&name), "{setting} {name}");
                    assert_close(&format!("{setting} {name}"), gradient, &reference, 1e-4);
                    gradient_error = gradient_error.max(relative_error(gradient, &reference));
                }
                None => assert!(!reached.contains(&name), "{setting}: {name} has no gradient"),
            }
        }
    }
    println!("largest error: of a term {term_error:.1e}, of a gradient {gradient_error:.1e}");
}

/// The network in f64, of composed operations instead of kernels, and its parameters.
struct Exact<'c> {
    case: &'c Case,
    values: HashMap<String, Tensor>,
    clips: Clips,
    dropout: Dropout,
}

impl<'c> Exact<'c> {
    fn new(case: &'c Case, dropout: Dropout) -> Self {
        let value = |var: &Var| var.as_detached_tensor().to_dtype(DType::F64).unwrap();
        let values = case.network.parameters().iter().map(|(name, var)| (name.clone(), value(var))).collect();
        Self { case, values, clips: clips(DType::F64), dropout }
    }

    fn pair(&self, values: &HashMap<String, Tensor>) -> Pair {
        let vb = VarBuilder::from_tensors(values.clone(), DType::F64, &Device::Cpu);
        Sdumc::load(vb, &self.case.cfg).unwrap().forward_both(&self.clips, self.dropout).unwrap()
    }

    /// Difference quotient of the loss by one number. What the complete flow teaches stays as it is: it has no gradient.
    fn slope(&self, taught: &Output, name: &str, at: usize) -> f64 {
        let step = 1e-5;
        let loss = |step: f64| -> f64 {
            let mut values = self.values.clone();
            let value = &values[name];
            let mut numbers: Vec<f64> = value.flatten_all().unwrap().to_vec1().unwrap();
            numbers[at] += step;
            values.insert(name.into(), Tensor::from_vec(numbers, value.shape(), &Device::Cpu).unwrap());
            let mut pair = self.pair(&values);
            pair.complete.text1 = taught.text1.clone();
            pair.complete.text2 = taught.text2.clone();
            losses(&pair, &self.case.cfg).total.to_scalar().unwrap()
        };
        (loss(step) - loss(-step)) / (2.0 * step)
    }
}

/// Compares the number of each gradient that is largest with the difference quotient. Returns the names of all
/// parameters that have a gradient other than zero.
fn check_differences(setting: &str, dropout: Dropout) -> Vec<String> {
    let case = Case::open(setting);
    let gradients = Gradients::of(case.network.parameters(), case.losses(dropout).total.backward().unwrap());
    let exact = Exact::new(&case, dropout);
    let taught = exact.pair(&exact.values).complete;
    let mut reached = Vec::new();
    for name in case.network.parameters().keys() {
        let Some(gradient) = gradients.get(name) else { continue };
        if name == SHIFT {
            reached.push(name.clone());
            continue;
        }
        if largest(gradient) == 0.0 {
            continue;
        }
        reached.push(name.clone());
        let numbers: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
        let at = (0..numbers.len()).max_by(|&a, &b| numbers[a].abs().total_cmp(&numbers[b].abs())).unwrap();
        let (slope, gradient) = (exact.slope(&taught, name, at), f64::from(numbers[at]));
        let error = (slope - gradient).abs() / gradient.abs();
        assert!(error < 1e-3, "{setting} {name}[{at}]: slope {slope:.6e}, gradient {gradient:.6e}");
    }
    reached
}

#[test]
fn gradients_are_slopes_of_the_loss() {
    for setting in SETTINGS {
        let reached = check_differences(setting, Dropout::OFF);
        assert_eq!(reached, Case::open(setting).reached(setting), "{setting}");
    }
}

#[test]
fn with_dropout_gradients_are_slopes_of_the_loss_too() {
    for setting in ["paper_text", "release_off"] {
        let mut reached = BTreeSet::new();
        for key in 0..6 {
            reached.extend(check_differences(setting, Dropout::keyed(key)));
        }
        // A layer this small may be dropped as a whole, but not with every key.
        assert_eq!(
            reached.into_iter().collect::<Vec<_>>(),
            Case::open(setting).reached(setting),
            "{setting}"
        );
    }
}

#[test]
fn dropout_follows_its_key() {
    let case = Case::open("paper_text");
    let total = |dropout| case.losses(dropout).total.to_scalar::<f32>().unwrap();
    assert_eq!(total(Dropout::keyed(1)), total(Dropout::keyed(1)));
    assert_ne!(total(Dropout::keyed(1)), total(Dropout::keyed(2)));
    assert_ne!(total(Dropout::keyed(1)), total(Dropout::OFF));
    let pair = case.network.forward(&clips(DType::F32), Dropout::keyed(1)).unwrap();
    let (complete, missing) = (pair.complete.hidden, pair.missing.hidden);
    // The audio of both flows is one, but each flow drops other numbers of it.
    let audio = |hidden: &Tensor| hidden.narrow(1, 0, 1).unwrap();
    assert!(relative_error(&audio(&complete), &audio(&missing)) > 1e-2);
}

#[test]
fn both_flows_at_once_are_each_flow_alone() {
    for setting in SETTINGS {
        let (case, clips) = (Case::open(setting), clips(DType::F32));
        let load = |vb: VarBuilder| Sdumc::load(vb, &case.cfg);
        let predicting =
            Case::weights(setting).load(keys(&case.cfg), DType::F32, &Device::Cpu, load).unwrap();
        let pair = case.network.forward(&clips, Dropout::OFF).unwrap();
        let alone = |text: &Sequence, flow| {
            let (audio, video) = (clips.audio.clone(), clips.video.clone());
            predicting.forward(&Sequences { audio, text: text.clone(), video }, flow).unwrap()
        };
        let complete = alone(&clips.text, Flow::Complete);
        let missing = alone(&clips.simulated, Flow::TextMissing);
        for (both, alone) in [(&pair.complete, &complete), (&pair.missing, &missing)] {
            assert_close(setting, &both.valence, &alone.valence, 0.0);
            assert_close(setting, &both.text2, &alone.text2, 0.0);
            assert_close(setting, &both.rnc, &alone.rnc, 0.0);
        }
    }
}

#[test]
fn equal_flows_have_no_distance_and_a_finite_gradient() {
    let case = Case::open("paper_off");
    let mut clips = clips(DType::F32);
    clips.simulated = clips.text.clone();
    let losses = losses(&case.network.forward(&clips, Dropout::OFF).unwrap(), &case.cfg);
    for term in [&losses.mkd1, &losses.mkd2, &losses.rs] {
        assert_eq!(term.to_scalar::<f32>().unwrap(), 0.0);
    }
    let gradients = Gradients::of(case.network.parameters(), losses.total.backward().unwrap());
    for name in case.reached("paper_off") {
        assert!(largest(gradients.get(&name).unwrap()).is_finite(), "{name}");
    }
    let alone = losses.mkd1.backward().unwrap();
    for (name, var) in case.network.parameters() {
        assert!(alone.get(var).is_none_or(|gradient| largest(gradient) == 0.0), "{name}");
    }
}

#[test]
fn a_term_without_weight_gives_no_gradient() {
    let case = Case::open("paper_text");
    let pair = case.network.forward(&clips(DType::F32), Dropout::OFF).unwrap();
    let labels = Golden::open(file("inputs")).tensor("labels");
    let weights = LossWeights { rnc: 0.0, ..LossWeights::PAPER };
    let losses = Losses::of(&pair, &labels, &weights).unwrap();
    let gradients = Gradients::of(case.network.parameters(), losses.total.backward().unwrap());
    assert!(gradients.get("orgin_linear_change.0.weight").is_none());
    assert!(gradients.get("fc_out_v.weight").is_some());
    assert_close("rnc", &losses.rnc, &case.golden.tensor("rnc"), 1e-5);
    let labels = labels.narrow(0, 0, 4).unwrap();
    let error = Losses::of(&pair, &labels, &weights).unwrap_err().to_string();
    assert_eq!(error, "the labels cannot be: their shape is [4], wanted [5]");
    let labels = Tensor::new(&[0f32, 1.0, f32::NAN, 0.0, 9.0], &Device::Cpu).unwrap();
    let error = Losses::of(&pair, &labels, &weights).unwrap_err().to_string();
    assert_eq!(error, "the labels cannot be: number 2 is NaN");
}
