//! Linear layers and the MLPs made of them.

use affekt_nn::relu::relu;
use candle_core::{Result, Tensor};
use candle_nn::{Init, Linear, Module, VarBuilder};

/// Linear layer with bias, initialised as PyTorch does by default: both uniform within 1 / sqrt(inputs).
pub fn linear(inputs: usize, outputs: usize, vb: &VarBuilder) -> Result<Linear> {
    let bound = 1.0 / (inputs as f64).sqrt();
    let init = Init::Uniform { lo: -bound, up: bound };
    let weight = vb.get_with_hints((outputs, inputs), "weight", init)?;
    let bias = vb.get_with_hints(outputs, "bias", init)?;
    Ok(Linear::new(weight, Some(bias)))
}

/// Linear layers, each followed by a ReLU (and, in PyTorch's sequence, by a dropout: hence every third index).
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// `widths`: of the input, then of each layer.
    pub fn load(vb: &VarBuilder, widths: &[usize]) -> Result<Self> {
        let layers = widths.windows(2).enumerate();
        let layers = layers.map(|(index, pair)| linear(pair[0], pair[1], &vb.pp(3 * index)));
        Ok(Self { layers: layers.collect::<Result<_>>()? })
    }
}

impl Module for Mlp {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = relu(&layer.forward(&x)?)?;
        }
        Ok(x)
    }
}

/// Linear, ReLU, linear.
#[derive(Clone, Debug)]
pub struct TwoLinear {
    first: Linear,
    second: Linear,
}

impl TwoLinear {
    /// `widths`: of the input, the hidden layer, the output.
    pub fn load(vb: &VarBuilder, widths: [usize; 3]) -> Result<Self> {
        let [inputs, hidden, outputs] = widths;
        Ok(Self { first: linear(inputs, hidden, &vb.pp(0))?, second: linear(hidden, outputs, &vb.pp(2))? })
    }
}

impl Module for TwoLinear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.second.forward(&relu(&self.first.forward(x)?)?)
    }
}
