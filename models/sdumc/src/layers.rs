//! Linear layers and the MLPs made of them.

use affekt_nn::dropout::Dropout;
use affekt_nn::trainable;
use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

/// Linear layer with bias, for prediction and training alike.
#[derive(Clone, Debug)]
pub struct Linear {
    /// (outputs, inputs)
    weight: Tensor,
    /// (outputs)
    bias: Tensor,
}

impl Linear {
    /// Reads `weight` and `bias`, or draws them as PyTorch does by default: both uniform within 1 / sqrt(inputs).
    pub fn load(inputs: usize, outputs: usize, vb: &VarBuilder) -> Result<Self> {
        let bound = 1.0 / (inputs as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let weight = vb.get_with_hints((outputs, inputs), "weight", init)?;
        Ok(Self { weight, bias: vb.get_with_hints(outputs, "bias", init)? })
    }

    /// (.., inputs) -> (.., outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        trainable::linear(x, &self.weight, &self.bias)
    }

    /// (.., inputs) -> (.., outputs), with a ReLU and a dropout at the rate `p` behind it.
    pub fn rectified(&self, x: &Tensor, dropout: Dropout, p: f64) -> Result<Tensor> {
        trainable::rectified(x, &self.weight, &self.bias, dropout, p)
    }

    /// As the projection that makes keys of frames.
    pub fn keys(&self) -> trainable::Keys<'_> {
        trainable::Keys { weight: &self.weight, bias: &self.bias }
    }
}

/// Linear layers, each followed by a ReLU and a dropout (hence every third index in PyTorch's sequence).
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    dropout: f64,
}

impl Mlp {
    /// `widths`: of the input, then of each layer; `dropout`: how likely training drops a number.
    pub fn load(vb: &VarBuilder, widths: &[usize], dropout: f64) -> Result<Self> {
        let layers = widths.windows(2).enumerate();
        let layers = layers.map(|(index, pair)| Linear::load(pair[0], pair[1], &vb.pp(3 * index)));
        Ok(Self { layers: layers.collect::<Result<_>>()?, dropout })
    }

    /// (.., first width) -> (.., last width)
    pub fn forward(&self, x: &Tensor, dropout: Dropout) -> Result<Tensor> {
        let mut x = x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.rectified(&x, dropout.at(&index.to_string()), self.dropout)?;
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
        let first = Linear::load(inputs, hidden, &vb.pp(0))?;
        Ok(Self { first, second: Linear::load(hidden, outputs, &vb.pp(2))? })
    }

    /// (.., first width) -> (.., last width)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.second.forward(&self.first.rectified(x, Dropout::OFF, 0.0)?)
    }
}
