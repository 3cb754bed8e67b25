//! Named variables.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use rand_distr::{Distribution, Normal, Uniform};

use crate::{Error, Key};

/// The parameters of a method under training: variables by name, in the order of their names.
///
/// A network asks for its parameters through [`Self::builder`]; what is not held yet is drawn, each parameter from the
/// key and its own name, so that two networks with a common part begin with the same one.
#[derive(Clone)]
pub struct Parameters {
    key: Key,
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Parameters {
    /// None yet; what is asked for is drawn from `key`.
    pub fn drawn(key: Key) -> Self {
        Self { key, vars: Arc::default() }
    }

    /// What a network is built from: f32 on `device`.
    pub fn builder(&self, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, device.clone())
    }

    /// All of them, by name.
    pub fn all(&self) -> BTreeMap<String, Var> {
        self.vars.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many numbers they are.
    pub fn count(&self) -> usize {
        self.all().values().map(|var| var.elem_count()).sum()
    }

    /// A copy of their values.
    pub fn values(&self) -> Result<BTreeMap<String, Tensor>> {
        self.all().into_iter().map(|(name, var)| Ok((name, var.as_detached_tensor().copy()?))).collect()
    }

    /// Gives them these values. Every parameter must be there, in its shape, and no other.
    pub fn set(&self, values: &BTreeMap<String, Tensor>) -> std::result::Result<(), Error> {
        let vars = self.all();
        let bad = |name: &String, reason: String| Error::Parameter { name: name.clone(), reason };
        if let Some(name) = values.keys().find(|name| !vars.contains_key(*name)) {
            return Err(bad(name, "is none of the network's".into()));
        }
        for (name, var) in &vars {
            let value = values.get(name).ok_or_else(|| bad(name, "is missing".into()))?;
            if value.shape() != var.shape() {
                let (got, wanted) = (value.shape(), var.shape());
                return Err(bad(name, format!("has the shape {got:?}, but the network's is {wanted:?}")));
            }
        }
        for (name, var) in &vars {
            var.set(&values[name].to_device(var.device())?.to_dtype(var.dtype())?)?;
        }
        Ok(())
    }

    fn draw(&self, name: &str, shape: &Shape, init: Init) -> Result<Vec<f32>> {
        let mut generator = self.key.with(name).generator();
        let count = shape.elem_count();
        let mut uniform = |low: f64, high: f64| -> Result<Vec<f32>> {
            let range = Uniform::new_inclusive(low, high).map_err(candle_core::Error::wrap)?;
            Ok((0..count).map(|_| range.sample(&mut generator) as f32).collect())
        };
        match init {
            Init::Const(value) => Ok(vec![value as f32; count]),
            Init::Uniform { lo, up } => uniform(lo, up),
            Init::Randn { mean, stdev } => self.normal(name, mean, stdev, count),
            Init::Kaiming { dist, fan, non_linearity } => {
                let deviation = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
                match dist {
                    NormalOrUniform::Normal => self.normal(name, 0.0, deviation, count),
                    NormalOrUniform::Uniform => {
                        let bound = 3f64.sqrt() * deviation;
                        uniform(-bound, bound)
                    }
                }
            }
        }
    }

    fn normal(&self, name: &str, mean: f64, deviation: f64, count: usize) -> Result<Vec<f32>> {
        let normal = Normal::new(mean, deviation).map_err(candle_core::Error::wrap)?;
        let mut generator = self.key.with(name).generator();
        Ok((0..count).map(|_| normal.sample(&mut generator) as f32).collect())
    }
}

impl SimpleBackend for Parameters {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(var) = vars.get(name) {
            if *var.shape() != shape {
                bail!("the parameter {name} has the shape {:?}, asked for is {shape:?}", var.shape());
            }
            return Ok(var.as_tensor().clone());
        }
        let drawn = Tensor::from_vec(self.draw(name, &shape, init)?, &shape, device)?.to_dtype(dtype)?;
        let var = Var::from_tensor(&drawn)?;
        let tensor = var.as_tensor().clone();
        vars.insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        match self.all().get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => bail!("there is no parameter {name} yet, and its shape is not known"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.all().contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use candle_nn::{Linear, Module};

    use super::*;

    fn layer(parameters: &Parameters, name: &str) -> Linear {
        candle_nn::linear(3, 2, parameters.builder(&Device::Cpu).pp(name)).unwrap()
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_parameter_depends_on_seed_and_name_alone() {
        let (one, other) = (Parameters::drawn(Key::new(1)), Parameters::drawn(Key::new(1)));
        layer(&other, "before");
        let (one, other) = (layer(&one, "layer"), layer(&other, "layer"));
        assert_eq!(numbers(one.weight()), numbers(other.weight()));
        let another = layer(&Parameters::drawn(Key::new(2)), "layer");
        assert_ne!(numbers(one.weight()), numbers(another.weight()));
    }

    #[test]
    fn values_come_and_go_and_reach_the_network() {
        let parameters = Parameters::drawn(Key::new(1));
        let layer = layer(&parameters, "layer");
        let x = Tensor::ones((1, 3), DType::F32, &Device::Cpu).unwrap();
        let (values, before) = (parameters.values().unwrap(), numbers(&layer.forward(&x).unwrap()));
        assert_eq!(parameters.count(), 8);
        let doubled = values.iter().map(|(name, value)| (name.clone(), (value * 2.0).unwrap())).collect();
        parameters.set(&doubled).unwrap();
        let after = numbers(&layer.forward(&x).unwrap());
        assert!(before.iter().zip(&after).all(|(before, after)| (2.0 * before - after).abs() < 1e-6));
        parameters.set(&values).unwrap();
        assert_eq!(numbers(&layer.forward(&x).unwrap()), before);
    }

    #[test]
    fn other_parameters_are_refused_by_name() {
        let parameters = Parameters::drawn(Key::new(1));
        layer(&parameters, "layer");
        let mut values = parameters.values().unwrap();
        let bias = values.remove("layer.bias").unwrap();
        let refused = |values: &_| parameters.set(values).unwrap_err().to_string();
        assert_eq!(refused(&values), "the parameter layer.bias is missing");
        values.insert("layer.bias".into(), bias.reshape((1, 2)).unwrap());
        assert!(refused(&values).contains("[1, 2]"));
        values.insert("layer.bias".into(), bias.clone());
        values.insert("other".into(), bias);
        assert_eq!(refused(&values), "the parameter other is none of the network's");
    }
}
