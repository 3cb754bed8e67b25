//! One epoch: losses, gradients, updates.

use std::collections::BTreeMap;

use affekt_nn::finite::NotFinite;
use affekt_nn::many;
use affekt_train::{Adam, Batch, Gradients, Key, Losses, Method, Pass, Phase};
use candle_core::{Tensor, Var};

use super::Error;

/// How parameters descend in one phase.
pub struct Descent<'a> {
    /// What gives the losses.
    pub method: &'a dyn Method,
    /// Its parameters.
    pub vars: &'a BTreeMap<String, Var>,
    /// Index of the phase.
    pub index: usize,
    /// The phase.
    pub phase: &'a Phase,
    /// One for each update of the phase.
    pub optimisers: &'a mut [Adam],
    /// Norm to which gradients are clipped; 0 for no clipping.
    pub clip: f64,
    /// What the learning rate is multiplied by.
    pub factor: f64,
    /// Epoch, from 1, for messages.
    pub epoch: usize,
}

/// Means over the batches of an epoch.
#[derive(Clone, Debug, Default)]
pub struct Means {
    sums: Vec<(String, f64)>,
    batches: usize,
    /// Largest norm of a gradient before clipping.
    pub norm: Option<f64>,
}

impl Means {
    /// Of each loss, in the order in which the method gives them.
    pub fn losses(&self) -> Vec<(String, f64)> {
        self.sums.iter().map(|(name, sum)| (name.clone(), sum / self.batches as f64)).collect()
    }

    fn add(&mut self, name: String, value: f64) {
        match self.sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += value,
            None => self.sums.push((name, value)),
        }
    }
}

impl Descent<'_> {
    /// Learns from one batch; `key` is the batch's own. Returns the loss of the first update.
    pub fn batch(&mut self, batch: &Batch, key: Key, means: &mut Means) -> Result<f64, Error> {
        means.batches += 1;
        let mut first = None;
        for (index, update) in self.phase.updates.iter().enumerate() {
            let pass = Pass { phase: self.index, update: index, key: Some(key.with(update.name)) };
            let losses = self.method.losses(batch, pass).map_err(|error| self.diverged(error, batch))?;
            let moved = self.vars.iter().filter(|(name, _)| (update.moves)(name));
            let moved: BTreeMap<String, Var> = moved.map(|(name, var)| (name.clone(), var.clone())).collect();
            let mut gradients = Gradients::of(&moved, losses.total.backward()?);
            let square = if self.clip > 0.0 { Some(gradients.square()?) } else { None };
            let (total, square) = self.note(index, &losses, square.as_ref(), batch, means)?;
            first.get_or_insert(total);
            // What the forward pass has kept is not needed while parameters move.
            drop(losses);
            if let Some(square) = square {
                let norm = square.sqrt();
                self.finite("the norm of the gradient", norm, batch)?;
                gradients.shrink(self.clip, norm)?;
                means.norm = Some(means.norm.unwrap_or(0.0).max(norm));
            }
            self.optimisers[index].step(&moved, &gradients, self.factor)?;
        }
        Ok(first.unwrap_or_default())
    }

    /// Adds the losses to the means; one that is not finite ends the run. Returns the loss and the gradient's `square`: a
    /// device is waited for once, for all of them.
    fn note(
        &self,
        update: usize,
        losses: &Losses,
        square: Option<&Tensor>,
        batch: &Batch,
        means: &mut Means,
    ) -> Result<(f64, Option<f64>), Error> {
        let name = |term: &str| match self.phase.updates.len() {
            1 => term.to_owned(),
            _ => format!("{}.{term}", self.phase.updates[update].name),
        };
        let terms = losses.terms.iter().map(|(term, value)| (name(term), value));
        let named: Vec<(String, &Tensor)> = terms.chain([(name("total"), &losses.total)]).collect();
        let wanted: Vec<&Tensor> = named.iter().map(|(_, value)| *value).chain(square).collect();
        let mut values = many::read(&wanted)?;
        let square = square.and_then(|_| values.pop());
        for ((term, _), &value) in named.iter().zip(&values) {
            self.finite(&format!("the loss {term}"), value, batch)?;
        }
        let total = values[named.len() - 1];
        means.add(name("total"), total);
        for ((term, _), &value) in named.iter().zip(&values[..losses.terms.len()]) {
            means.add(term.clone(), value);
        }
        Ok((total, square))
    }

    /// A network that has lost its numbers.
    fn diverged(&self, error: affekt_train::Error, batch: &Batch) -> Error {
        let found = match &error {
            affekt_train::Error::Tensor(error) => NotFinite::of(error),
            _ => None,
        };
        // What came with the features is not the method's fault.
        match found.filter(|found| !found.in_input()).map(|found| format!("a number of {}", found.layer)) {
            Some(what) => self.finite(&what, f64::NAN, batch).expect_err("NaN is not finite"),
            None => error.into(),
        }
    }

    fn finite(&self, what: &str, value: f64, batch: &Batch) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        let some: Vec<&str> = batch.clips.iter().take(3).map(|clip| clip.as_str()).collect();
        let more = if batch.len() > some.len() { ", .." } else { "" };
        let clips = format!("{}{more}", some.join(", "));
        Err(Error::Diverged { what: what.to_owned(), value, epoch: self.epoch, clips })
    }
}
