//! What a language model has to do, by its own sizes.

use affekt_generate::Tally;
use affekt_llama::Config;
use affekt_weights::bundle::Weights;
use affekt_weights::{Bundle, Gguf};
use candle_core::DType;

use super::Error;
use crate::networks::{is_gguf, llama_config};

/// Products of a language model with its weights. What attention does beside them grows with the text: of Vicuna-7B it is
/// a hundredth at 200 positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Parameters that every row is multiplied with.
    pub layers: f64,
    /// Parameters that rows are multiplied with whose next token is wanted.
    pub head: f64,
    /// Bytes of all these, as the weights are kept.
    pub bytes: f64,
    /// Numbers of the rows.
    pub dtype: DType,
}

impl Work {
    /// That of `network` of `bundle`.
    ///
    /// # Errors
    /// Those of the bundle and of the network's configuration.
    pub fn of(bundle: &Bundle, network: &str) -> Result<Self, Error> {
        let config = llama_config(bundle, network)?;
        let dtype = bundle.network(network).map_err(crate::Error::from)?.dtype.into();
        let work = Self::dense(&config, dtype);
        match bundle.weights(network).map_err(crate::Error::from)? {
            Weights::File(path) if is_gguf(&path) => {
                let gguf = Gguf::open(&path).map_err(crate::Error::from)?;
                Ok(Self { bytes: quantised_bytes(&gguf), ..work })
            }
            _ => Ok(work),
        }
    }

    fn dense(config: &Config, dtype: DType) -> Self {
        let size = |number: usize| number as f64;
        let width = size(config.hidden_size);
        let heads = size(config.num_attention_heads + config.num_key_value_heads) * size(config.head_dim);
        // Queries, keys, values and what follows attention; gate, up and down.
        let layer = width * (2.0 * heads + 3.0 * size(config.intermediate_size));
        let (layers, head) = (size(config.num_hidden_layers) * layer, width * size(config.vocab_size));
        Self { layers, head, bytes: (layers + head) * size(dtype.size_in_bytes()), dtype }
    }

    /// Bytes of weights that the passes of a search read.
    pub fn read(&self, tally: &Tally) -> f64 {
        self.bytes * tally.passes as f64
    }

    /// Floating-point operations of a search over `clips` clips. Of a prompt only the last row is scored.
    pub fn operations(&self, tally: &Tally, clips: usize) -> f64 {
        let (rows, scored) = (tally.beam_rows + tally.prompt_rows, tally.beam_rows + clips);
        2.0 * (self.layers * rows as f64 + self.head * scored as f64)
    }
}

/// Bytes of the tensors that rows are multiplied with: all that have two dimensions, but for the embeddings, of which rows are
/// picked, unless they are also the head.
fn quantised_bytes(gguf: &Gguf) -> f64 {
    let tied = !gguf.shapes().any(|(name, _)| name == "output.weight");
    let multiplied = |name: &str| tied || name != "token_embd.weight";
    let names: Vec<&str> =
        gguf.shapes().filter(|(_, shape)| shape.len() == 2).map(|(name, _)| name).collect();
    let tensors = names.into_iter().filter(|name| multiplied(name)).filter_map(|name| gguf.tensor(name));
    tensors
        .map(|tensor| {
            let (dtype, numbers) = (tensor.dtype(), tensor.shape().iter().product::<usize>());
            (numbers / dtype.block_size() * dtype.type_size()) as f64
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_bytes_and_operations_are_counted() {
        let json = r#"{"model_type": "llama", "hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2,
            "intermediate_size": 10, "num_hidden_layers": 3, "vocab_size": 7}"#;
        let work = Work::dense(&serde_json::from_str(json).unwrap(), DType::BF16);
        // Queries and outputs 8 by 8, keys and values 8 by 4, three of 8 by 10.
        assert_eq!((work.layers, work.head), (3.0 * (128.0 + 64.0 + 240.0), 56.0));
        assert_eq!(work.bytes, 2.0 * (1296.0 + 56.0));
        let tally = Tally { passes: 5, beam_rows: 8, prompt_rows: 20, ..Tally::default() };
        assert_eq!(work.read(&tally), 5.0 * work.bytes);
        assert_eq!(work.operations(&tally, 2), 2.0 * (1296.0 * 28.0 + 56.0 * 10.0));
    }

    #[test]
    fn quantised_weights_are_counted_as_their_file_keeps_them() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/llama/tests/golden/tiny.gguf");
        let path = std::path::Path::new(path);
        let config = Config::from_gguf(path).unwrap();
        let numbers = Work::dense(&config, DType::F32).bytes / 4.0;
        let bytes = quantised_bytes(&Gguf::open(path).unwrap());
        // From four and a half bits a number to eight and a half.
        assert!((0.56 * numbers..1.07 * numbers).contains(&bytes), "{bytes} of {numbers} numbers");
    }
}
