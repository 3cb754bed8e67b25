//! Where weights come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use affekt_nn::linear::Linear;
use affekt_nn::quantized::Quantized;
use affekt_nn::rms_norm::RmsNorm;
use affekt_nn::rotary::joins;
use affekt_weights::gguf::Blocks;
use candle_core::{DType, Device, Module, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::Config;

/// Weights at one place in the tree of names.
pub(crate) enum Source<'a> {
    Dense(VarBuilder<'a>),
    /// Tensors of a GGUF file under our names, all there and of the right shape.
    Blocks {
        tensors: &'a BTreeMap<String, Blocks>,
        device: &'a Device,
        place: String,
    },
}

/// A linear layer.
#[derive(Clone, Debug)]
pub(crate) enum Projection {
    Dense(Linear),
    Quantized(Quantized),
}

/// Linear layers that read the same input.
#[derive(Clone, Debug)]
pub(crate) enum Projections<const N: usize> {
    Apart([Projection; N]),
    /// On a card: one product instead of several small ones, each of which would keep a part of the card busy.
    Joined(Projection),
}

/// The table of embeddings.
#[derive(Clone, Debug)]
pub(crate) enum Embeddings {
    /// (vocab, width)
    Rows(Tensor),
    /// (width, vocab): the output head reads it, too.
    Columns(Tensor),
    /// (vocab, width): of its rows only those asked for are restored.
    Quantized(Quantized),
}

impl Source<'_> {
    /// The place `name` below this one.
    pub fn pp(&self, name: &str) -> Self {
        match self {
            Self::Dense(vb) => Self::Dense(vb.pp(name)),
            Self::Blocks { tensors, device, place } => {
                Self::Blocks { tensors, device, place: format!("{place}{name}.") }
            }
        }
    }

    /// Type of the hidden states. A card gets the numbers of blocks in f16: the published weights that were quantised are,
    /// and a 7B model then takes 13.5 GB.
    pub fn dtype(&self) -> DType {
        match self {
            Self::Dense(vb) => vb.dtype(),
            Self::Blocks { device, .. } if device.is_cpu() => DType::F32,
            Self::Blocks { .. } => DType::F16,
        }
    }

    pub fn device(&self) -> &Device {
        match self {
            Self::Dense(vb) => vb.device(),
            Self::Blocks { device, .. } => device,
        }
    }

    pub fn projection(&self, inputs: usize, outputs: usize, bias: bool) -> Result<Projection> {
        match self {
            Self::Dense(vb) => Ok(Projection::Dense(Linear::load(vb, inputs, outputs, bias)?)),
            Self::Blocks { device, .. } if Quantized::stays(device) => {
                Ok(Projection::Quantized(self.quantized("weight", (outputs, inputs))?))
            }
            Self::Blocks { .. } if bias => bail!("blocks have no biases"),
            Self::Blocks { .. } => {
                Ok(Projection::Dense(Linear::new(&self.weight("weight", (outputs, inputs))?, None)?))
            }
        }
    }

    /// Projections of the same input, by name and outputs: one product where that pays, their outputs behind each other.
    pub fn projections<const N: usize>(
        &self,
        inputs: usize,
        named: [(&str, usize); N],
        bias: bool,
    ) -> Result<Projections<N>> {
        if !joins(&Tensor::zeros(1, self.dtype(), self.device())?) {
            let apart = named.map(|(name, outputs)| self.pp(name).projection(inputs, outputs, bias));
            let apart = apart.into_iter().collect::<Result<Vec<_>>>()?;
            return Ok(Projections::Apart(apart.try_into().expect("one for each name")));
        }
        let weights = named.map(|(name, outputs)| self.pp(name).weight("weight", (outputs, inputs)));
        let weight = Tensor::cat(&weights.into_iter().collect::<Result<Vec<_>>>()?, 0)?;
        let bias = match (self, bias) {
            (_, false) => None,
            (Self::Blocks { .. }, true) => bail!("blocks have no biases"),
            (Self::Dense(vb), true) => {
                let biases = named.map(|(name, outputs)| vb.pp(name).get(outputs, "bias"));
                Some(Tensor::cat(&biases.into_iter().collect::<Result<Vec<_>>>()?, 0)?)
            }
        };
        Ok(Projections::Joined(Projection::Dense(Linear::new(&weight, bias)?)))
    }

    /// A dense weight.
    fn weight(&self, name: &str, shape: (usize, usize)) -> Result<Tensor> {
        match self {
            Self::Dense(vb) => vb.get(shape, name),
            Self::Blocks { device, .. } => self.quantized(name, shape)?.restore(self.dtype(), device),
        }
    }

    pub fn norm(&self, cfg: &Config) -> Result<RmsNorm> {
        match self {
            Self::Dense(vb) => Ok(RmsNorm::new(vb.get(cfg.hidden_size, "weight")?, cfg.rms_norm_eps)),
            Self::Blocks { .. } => {
                Ok(RmsNorm::new(self.row(cfg.hidden_size)?.to_dtype(self.dtype())?, cfg.rms_norm_eps))
            }
        }
    }

    /// The numbers (width) of the blocks called `weight`, in f32.
    pub fn row(&self, width: usize) -> Result<Tensor> {
        self.quantized("weight", (1, width))?.restore(DType::F32, self.device())?.squeeze(0)
    }

    /// The embeddings and the output head.
    pub fn ends(&self, cfg: &Config) -> Result<(Embeddings, Projection)> {
        let (vocab, width) = (cfg.vocab_size, cfg.hidden_size);
        match self {
            Self::Blocks { device, .. } if !Quantized::stays(device) => {
                let table = self.weight("embed_tokens.weight", (vocab, width))?;
                let head = match cfg.tie_word_embeddings {
                    true => table.clone(),
                    false => self.weight("lm_head.weight", (vocab, width))?,
                };
                Ok((Embeddings::Rows(table), Projection::Dense(Linear::new(&head, None)?)))
            }
            Self::Dense(vb) => {
                let table = vb.get((vocab, width), "embed_tokens.weight")?;
                if !cfg.tie_word_embeddings {
                    let head = Linear::load(&vb.pp("lm_head"), width, vocab, false)?;
                    return Ok((Embeddings::Rows(table), Projection::Dense(head)));
                }
                // Some files store the tied table a second time. It is read so that its shape is checked; the
                // embeddings count.
                if vb.contains_tensor("lm_head.weight") {
                    vb.get((vocab, width), "lm_head.weight")?;
                }
                if !vb.device().is_cpu() {
                    // There products read a weight as it is published.
                    let head = Projection::Dense(Linear::new(&table, None)?);
                    return Ok((Embeddings::Rows(table), head));
                }
                let turned = table.t()?.contiguous()?; // (width, vocab)
                Ok((Embeddings::Columns(turned.clone()), Projection::Dense(Linear::turned(turned))))
            }
            Self::Blocks { .. } => {
                let table = self.quantized("embed_tokens.weight", (vocab, width))?;
                let head = match cfg.tie_word_embeddings {
                    true => table.clone(),
                    false => self.quantized("lm_head.weight", (vocab, width))?,
                };
                Ok((Embeddings::Quantized(table), Projection::Quantized(head)))
            }
        }
    }

    fn quantized(&self, name: &str, shape: (usize, usize)) -> Result<Quantized> {
        let Self::Blocks { tensors, place, .. } = self else { bail!("dense weights hold no blocks") };
        let name = format!("{place}{name}");
        let Some(blocks) = tensors.get(&name) else { bail!("no tensor {name}") };
        Quantized::new(Arc::new(blocks.clone()), blocks.dtype(), shape)
    }
}

impl Projection {
    /// (.., inputs) -> (.., outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(linear) => linear.forward(x),
            Self::Quantized(linear) => linear.forward(x),
        }
    }
}

impl Embeddings {
    /// Token ids (b, t) -> (b, t, width)
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let (b, t) = ids.dims2()?;
        let flat = ids.flatten_all()?.contiguous()?;
        match self {
            Self::Rows(table) => table.index_select(&flat, 0)?.reshape((b, t, ())),
            Self::Columns(table) => table.index_select(&flat, 1)?.t()?.reshape((b, t, ())),
            Self::Quantized(table) => table.rows(&flat)?.reshape((b, t, ())),
        }
    }
}
