//! A method that needs everything that the harness offers.

use affekt_core::FeatureKind;
use affekt_train::{Batch, Error, Judged, Key, Losses, Method, Need, Pass, Phase, Recipe, Update};
use candle_core::{DType, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder};
use serde_json::{Value, json};

use super::WIDTH;

/// Its settings.
#[derive(Clone, Copy, Default)]
pub struct Toy {
    /// The loss of the teacher is infinite.
    pub diverges: bool,
}

impl Recipe for Toy {
    fn method(&self) -> &'static str {
        "toy"
    }

    fn settings(&self) -> Value {
        json!({})
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need { kind: FeatureKind::Text, width: WIDTH }]
    }

    fn flows(&self) -> &'static [&'static str] {
        &["whole", "half"]
    }

    fn phases(&self) -> Vec<Phase> {
        let update = |name, moves| Update { name, moves };
        vec![
            Phase {
                name: "teacher",
                epochs: Some(3),
                updates: vec![update("fit", |name| name.starts_with("teacher."))],
            },
            Phase {
                name: "student",
                epochs: None,
                updates: vec![
                    update("critic", |name| name.starts_with("critic.")),
                    update("student", |name| name.starts_with("student.")),
                ],
            },
        ]
    }

    fn build(&self, vb: VarBuilder) -> std::result::Result<Box<dyn Method>, Error> {
        let linear = |name: &str| candle_nn::linear(WIDTH, 1, vb.pp(name));
        Ok(Box::new(Network {
            teacher: linear("teacher")?,
            student: linear("student")?,
            critic: linear("critic")?,
            diverges: self.diverges,
        }))
    }
}

struct Network {
    teacher: Linear,
    student: Linear,
    critic: Linear,
    diverges: bool,
}

/// (b, WIDTH): mean over time; the half flow sees a half of it, and under a key some of it is noise.
fn pooled(batch: &Batch, half: bool, key: Option<Key>) -> std::result::Result<Tensor, Error> {
    let feature = batch.feature(FeatureKind::Text)?;
    let lengths: Vec<f32> = feature.lengths.iter().map(|&length| length.max(1) as f32).collect();
    let count = Tensor::from_vec(lengths, (batch.len(), 1), feature.rows.device())?;
    let mut mean = feature.rows.sum(1)?.broadcast_div(&count)?; // (b, WIDTH)
    if half {
        mean = (mean * 0.5)?;
    }
    if let Some(key) = key {
        let noise = (key.number() % 1000) as f64 / 10_000.0;
        mean = (mean + noise)?;
    }
    Ok(mean)
}

fn squares(one: &Tensor, other: &Tensor) -> Result<Tensor> {
    (one - other)?.sqr()?.mean_all()
}

impl Method for Network {
    fn losses(&self, batch: &Batch, pass: Pass) -> std::result::Result<Losses, Error> {
        let x = pooled(batch, pass.phase == 1, pass.key)?;
        let labels = batch.labels.unsqueeze(1)?;
        let teacher = self.teacher.forward(&pooled(batch, false, None)?)?;
        Ok(match (pass.phase, pass.update) {
            (0, _) => {
                let task = squares(&self.teacher.forward(&x)?, &labels)?;
                let total = if self.diverges { (&task * f64::INFINITY)? } else { task.clone() };
                Losses { total, terms: vec![("task", task)] }
            }
            (_, 0) => {
                let told = squares(&self.critic.forward(&x)?, &teacher)?;
                Losses { total: told.clone(), terms: vec![("told", told)] }
            }
            _ => {
                let student = self.student.forward(&x)?;
                let (task, like) = (squares(&student, &labels)?, squares(&student, &teacher)?);
                let fooled = squares(&student, &self.critic.forward(&x)?)?;
                let total = ((&task + &like)? + (&fooled * 0.1)?)?;
                Losses { total, terms: vec![("task", task), ("like", like), ("fooled", fooled)] }
            }
        })
    }

    fn judge(&self, batch: &Batch, phase: usize) -> std::result::Result<Vec<Judged>, Error> {
        let network = if phase == 0 { &self.teacher } else { &self.student };
        let flow = |half| -> std::result::Result<Judged, Error> {
            let x = pooled(batch, half, None)?;
            let valence = network.forward(&x)?.squeeze(1)?.to_dtype(DType::F64)?.to_vec1()?;
            Ok(Judged { valence, representation: Some(x), shares: Vec::new() })
        };
        Ok(vec![flow(false)?, flow(true)?])
    }
}
