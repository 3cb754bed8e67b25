//! The strict loader: keeps book of what a network asks for while it is built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

use crate::{Checkpoint, Error, KeyTable, memory};

/// After so many bytes of weights, memory that was freed meanwhile is returned.
const TRIM_AFTER: usize = 32 << 20;

/// A list of more missing tensors than this says no more: the configuration describes no real network.
const MOST_MISSING: usize = 10_000;

/// Stand-ins together may be so many times as large as the weights that are there, or [`LEAST_STAND_INS`].
const STAND_INS_OF_WEIGHTS: usize = 4;
const LEAST_STAND_INS: usize = 1 << 24;

#[derive(Default)]
struct Book {
    used: BTreeSet<String>,
    missing: Vec<String>,
    misshapen: Vec<String>,
    /// Numbers in the tensors of zeros that stand in for missing ones.
    stand_ins: usize,
    /// Whether building was given up before everything had been asked for.
    gave_up: bool,
    /// Bytes read since freed memory was returned.
    read: usize,
    /// The first tensor that could not be read.
    failed: Option<Error>,
}

struct Ledger {
    checkpoint: Checkpoint,
    /// Our name -> published name.
    published: BTreeMap<String, String>,
    /// Our name -> what stands there where no tensor does.
    others: BTreeMap<String, String>,
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
    let others = checkpoint.others().map(|(name, kind)| (keys.rename(name), kind.to_owned())).collect();
    let ledger = Ledger { checkpoint: checkpoint.clone(), published, others, book: Arc::clone(&book) };
    let built = build(VarBuilder::from_backend(Box::new(ledger), dtype, device.clone()));
    let book = std::mem::take(&mut *book.lock().expect("no thread panics while it keeps book"));
    if let Some(failed) = book.failed {
        return Err(failed);
    }
    memory::trim();
    // A build that failed has not asked for everything: what it left unused means nothing.
    let complete = !book.gave_up && (built.is_ok() || !book.missing.is_empty());
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
        let Some(published) = self.published.get(name) else {
            self.miss(name, &format!("{name} {:?}", shape.dims()));
            return self.stand_in(shape, dtype, device);
        };
        let tensor = self.read(name, published, device)?;
        if tensor.shape() != &shape {
            let (got, wanted) = (tensor.dims(), shape.dims());
            self.book().misshapen.push(format!("{name} {got:?} instead of {wanted:?}"));
            return self.stand_in(shape, dtype, device);
        }
        tensor.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let Some(published) = self.published.get(name) else {
            self.miss(name, name);
            candle_core::bail!("no tensor {name}");
        };
        let tensor = self.read(name, published, device)?;
        tensor.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.published.contains_key(name)
    }
}

impl Ledger {
    fn read(&self, name: &str, published: &str, device: &Device) -> candle_core::Result<Tensor> {
        let tensor = self.checkpoint.tensor(published, device).map_err(|error| {
            let message = error.to_string();
            self.book().failed.get_or_insert(error);
            candle_core::Error::msg(message)
        })?;
        let mut book = self.book();
        book.used.insert(name.to_owned());
        book.read += tensor.elem_count() * tensor.dtype().size_in_bytes();
        if book.read > TRIM_AFTER {
            book.read = 0;
            memory::trim();
        }
        Ok(tensor)
    }

    /// A tensor of zeros stands in for one that is missing or misshapen, so that building goes on and the error can
    /// list all of them: as long as the configuration asks for anything like the weights that are there.
    fn stand_in(&self, shape: Shape, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let count = |dims: &[usize]| dims.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
        let present =
            self.checkpoint.shapes().filter_map(|(_, dims)| count(dims)).fold(0, usize::saturating_add);
        let most = present.saturating_mul(STAND_INS_OF_WEIGHTS).max(LEAST_STAND_INS);
        let mut book = self.book();
        book.stand_ins = book.stand_ins.saturating_add(count(shape.dims()).unwrap_or(usize::MAX));
        if book.stand_ins > most || book.missing.len() > MOST_MISSING {
            book.gave_up = true;
            candle_core::bail!("the configuration asks for far more weights than there are");
        }
        Tensor::zeros(shape, dtype, device)
    }

    fn miss(&self, name: &str, described: &str) {
        let other = self.others.get(name).map(|kind| format!(" (there is one, but it is no tensor: {kind})"));
        self.book().missing.push(format!("{described}{}", other.unwrap_or_default()));
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().expect("no thread panics while it keeps book")
    }
}
