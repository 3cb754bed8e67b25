//! How large everything is. The peer is told the same numbers.

use candle_core::DType;
use serde::Serialize;
use serde_json::{Value, json};

use super::Stage;

/// Which sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// The published networks, as the rows of the cost model have them.
    Published,
    /// As small as can be, to see on any machine that the command works. It says nothing of speed.
    Tiny,
}

impl Scale {
    fn pick<T>(self, published: T, tiny: T) -> T {
        match self {
            Self::Published => published,
            Self::Tiny => tiny,
        }
    }

    /// Types of the speech and face encoders.
    pub fn halves(self) -> [DType; 2] {
        [DType::BF16, DType::F16]
    }

    /// Type of the language model. Tiny ones are so that texts can be compared.
    pub fn words(self) -> DType {
        self.pick(DType::BF16, DType::F32)
    }

    /// `config.json` of the speech encoder.
    pub fn speech(self) -> Value {
        let (hidden, layers, heads, inner, conv) = self.pick((1024, 24, 16, 4096, 512), (32, 2, 4, 64, 16));
        json!({
            "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
            "intermediate_size": inner, "conv_dim": vec![conv; 7], "feat_extract_norm": "layer",
            "do_stable_layer_norm": true, "max_bucket_distance": 800,
        })
    }

    /// Samples of a clip.
    pub fn samples(self) -> usize {
        self.pick(8 * 16_000, 16_000)
    }

    /// Clips of speech at once.
    pub fn clips(self) -> &'static [usize] {
        self.pick(&[1, 8, 32, 64], &[1, 2])
    }

    /// Width of the face encoder and side of its images.
    pub fn face(self) -> (usize, usize) {
        self.pick((64, 224), (4, 64))
    }

    /// Faces at once: ours, and those among which the peer's best is looked for.
    pub fn faces(self) -> (usize, &'static [usize]) {
        self.pick((256, &[64, 128, 256, 512]), (4, &[2, 4]))
    }

    /// `config.json` of the language model.
    pub fn language(self) -> Value {
        let (vocab, hidden, inner, layers, heads) =
            self.pick((32_000, 4096, 11_008, 32, 32), (96, 64, 128, 4, 4));
        json!({
            "vocab_size": vocab, "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": heads, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 4096, "rope_theta": 10_000.0,
        })
    }

    /// Tokens of a text, and texts at once.
    pub fn texts(self) -> (usize, &'static [usize]) {
        self.pick((28, &[1, 32, 256]), (5, &[1, 4]))
    }

    /// Positions of a prompt, tokens that are generated behind it, clips at once: ours and the peer's.
    pub fn searches(self) -> Searches {
        self.pick(
            Searches { prompt: 118, tokens: 32, beams: 4, clips: &[1, 16, 64, 128], peer: &[1, 16, 64, 128] },
            Searches { prompt: 12, tokens: 6, beams: 4, clips: &[1, 3], peer: &[1, 3] },
        )
    }

    /// Clips of a step of training, and the rows of their audio, text and video.
    pub fn step(self) -> [usize; 4] {
        self.pick([64, 365, 40, 220], [4, 9, 3, 5])
    }

    /// Sides of the square product, and bytes of the copy, that tell what the device can do.
    pub fn probe(self) -> (usize, usize) {
        self.pick((16_384, 8 << 30), (512, 64 << 20))
    }

    /// What the peer has to know of a stage.
    pub fn told(self, stage: Stage) -> Value {
        let halves: Vec<&str> = self.halves().iter().map(|dtype| dtype.as_str()).collect();
        let words = self.words().as_str();
        match stage {
            Stage::Wavlm => json!({
                "config": self.speech(), "samples": self.samples(), "batches": self.clips(), "types": halves,
            }),
            Stage::Manet => {
                let ((width, side), (_, batches)) = (self.face(), self.faces());
                json!({ "width": width, "side": side, "batches": batches, "types": halves })
            }
            Stage::Llama => {
                let (tokens, batches) = self.texts();
                json!({ "config": self.language(), "tokens": tokens, "batches": batches, "types": [words] })
            }
            Stage::Generate => {
                let Searches { prompt, tokens, beams, peer, .. } = self.searches();
                json!({
                    "config": self.language(), "prompt": prompt, "tokens": tokens, "beams": beams,
                    "batches": peer, "types": [words],
                })
            }
            Stage::Train => json!({ "frames": self.step() }),
        }
    }
}

/// Sizes of beam searches.
#[derive(Clone, Copy, Debug)]
pub struct Searches {
    /// Positions of a prompt.
    pub prompt: usize,
    /// New tokens; no text ends before.
    pub tokens: usize,
    /// Beams of a clip.
    pub beams: usize,
    /// Clips at once.
    pub clips: &'static [usize],
    /// Clips at once in the peer.
    pub peer: &'static [usize],
}
