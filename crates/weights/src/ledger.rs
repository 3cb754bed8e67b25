//! The strict loader: keeps book of what a network asks for while it is built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

use crate::{Checkpoint, Error, KeyTable};

#[derive(Default)]
struct Book {
    used: BTreeSet<String>,
    missing: Vec<String>,
    misshapen: Vec<String>,
}

struct Ledger {
    checkpoint: Checkpoint,
    /// Our name -> published name.
    published: BTreeMap<String, String>,
    book: Arc<Mutex<Book>>,
}

pub(crate) fn load<T>(
    checkpoint: &Checkpoint,
    keys: &KeyTable,
    dtype: DType,
    device: &Device,
    build: impl FnOnce(VarBuilder) -> candle_core::Result<T>,
) -> Result<T, Error> {
    let published = rename_all(checkpoint, keys)?;
    let ours: Vec<String> = published.keys().cloned().collect();
    let book = Arc::new(Mutex::new(Book::default()));
    let ledger = Ledger { checkpoint: checkpoint.clone(), published, book: Arc::clone(&book) };
    let built = build(VarBuilder::from_backend(Box::new(ledger), dtype, device.clone()));
    let book = std::mem::take(&mut *book.lock().expect("no thread panics while it keeps book"));
    // A build that failed has not asked for everything: what it left unused means nothing.
    let complete = built.is_ok() || !book.missing.is_empty();
    let unused = ours.into_iter().filter(|name| !book.used.contains(name) && !keys.is_ignored(name));
    let unused: Vec<String> = if complete { unused.collect() } else { Vec::new() };
    if book.missing.is_empty() && book.misshapen.is_empty() && unused.is_empty() {
        return Ok(built?);
    }
    let file = checkpoint.origin().to_owned();
    Err(Error::Keys { file, missing: book.missing, misshapen: book.misshapen, unused })
}

fn rename_all(checkpoint: &Checkpoint, keys: &KeyTable) -> Result<BTreeMap<String, String>, Error> {
    let mut published = BTreeMap::new();
    for (key, _) in checkpoint.shapes() {
        let name = keys.rename(key);
        if let Some(first) = published.insert(name.clone(), key.to_owned()) {
            let file = checkpoint.origin().to_owned();
            return Err(Error::Ambiguous { file, first, second: key.into(), name });
        }
    }
    Ok(published)
}

impl SimpleBackend for Ledger {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _init: candle_nn::Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        // A tensor of zeros stands in for one that is missing or misshapen, so that building goes on and the error
        // can list all of them.
        let Some(published) = self.published.get(name) else {
            self.book().missing.push(format!("{name} {:?}", shape.dims()));
            return Tensor::zeros(shape, dtype, device);
        };
        self.book().used.insert(name.to_owned());
        let tensor = self.checkpoint.tensor(published, device).map_err(candle_core::Error::wrap)?;
        if tensor.shape() != &shape {
            let (got, wanted) = (tensor.dims(), shape.dims());
            self.book().misshapen.push(format!("{name} {got:?} instead of {wanted:?}"));
            return Tensor::zeros(shape, dtype, device);
        }
        tensor.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let Some(published) = self.published.get(name) else {
            self.book().missing.push(name.to_owned());
            candle_core::bail!("no tensor {name}");
        };
        self.book().used.insert(name.to_owned());
        let tensor = self.checkpoint.tensor(published, device).map_err(candle_core::Error::wrap)?;
        tensor.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.published.contains_key(name)
    }
}

impl Ledger {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().expect("no thread panics while it keeps book")
    }
}
