//! Batches made in the background.

use std::any::Any;
use std::ops::ControlFlow;
use std::thread;
use std::time::Instant;

use affekt_train::Batch;
use candle_core::Device;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Corpus, Error};
use crate::dataset::Split;

/// How a feed went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fed {
    /// Batches that were handed on.
    pub batches: usize,
    /// Seconds in which nobody worked on a batch, since none was ready.
    pub waited: f64,
}

/// Makes the batches of `plan` (places in `split`, as [`super::Batching::epoch`] gives them) on a thread of its own, `ahead`
/// at most in advance (at least 1), and hands them to `each` in the order of the plan, with their place in it, until that
/// breaks off.
///
/// # Errors
/// Those of [`Corpus::batch`] and of `each`; [`Error::Loader`] where the thread panics. What was made before is handed on
/// first.
pub fn feed<E: From<Error>>(
    corpus: &Corpus,
    split: Split,
    plan: &[Vec<usize>],
    device: &Device,
    ahead: usize,
    each: impl FnMut(usize, Batch) -> Result<ControlFlow<()>, E>,
) -> Result<Fed, E> {
    thread::scope(|scope| {
        // One more is in the hands of the thread.
        let (sender, receiver) = bounded(ahead.saturating_sub(1));
        let loader = scope.spawn(move || {
            make(&sender, plan.iter().map(|places| corpus.batch(split, places, device)));
        });
        // Takes the receiver along: the thread ends at the next batch that nobody wants.
        let fed = take(receiver, each);
        let ended = loader.join().map_err(|panic| Error::Loader(said(panic.as_ref())));
        let fed = fed?;
        ended?;
        Ok(fed)
    })
}

/// Sends batches until nobody takes them, or one cannot be made.
fn make(sender: &Sender<Result<Batch, Error>>, batches: impl Iterator<Item = Result<Batch, Error>>) {
    for batch in batches {
        let last = batch.is_err();
        if sender.send(batch).is_err() || last {
            return;
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "its end is the end of the channel")]
fn take<E: From<Error>>(
    receiver: Receiver<Result<Batch, Error>>,
    mut each: impl FnMut(usize, Batch) -> Result<ControlFlow<()>, E>,
) -> Result<Fed, E> {
    let mut fed = Fed::default();
    loop {
        let asked = Instant::now();
        let batch = receiver.recv();
        let Ok(batch) = batch else { return Ok(fed) };
        fed.waited += asked.elapsed().as_secs_f64();
        let batch = batch?;
        fed.batches += 1;
        if each(fed.batches - 1, batch)?.is_break() {
            return Ok(fed);
        }
    }
}

/// The text of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it says nothing".to_owned())
}
