//! Who works beside the networks.

use std::thread;

use affekt_core::{Reporter, Stage};
use crossbeam_channel::bounded;

use super::Entry;
use super::ledger::{End, Ledger};
use super::queue::{Leaving, Queue};
use super::standing::Watch;
use super::write::Writing;

/// Does `work`, which puts clips into `entries`, beside a thread that writes them and one that tells how the run of `ledger`
/// stands. Decoding has `workers` threads; `waiting` clips wait for each stage.
pub fn beside<T>(
    ledger: &Ledger<'_>,
    reporter: &dyn Reporter,
    (writing, entries): (Writing<'_>, &Queue<Entry>),
    workers: usize,
    waiting: &(dyn Fn(Stage) -> usize + Sync),
    work: impl FnOnce() -> T,
) -> T {
    thread::scope(|scope| {
        let (over, end) = bounded::<()>(0);
        let watch = scope.spawn(move || Watch::new(ledger, reporter, workers, waiting).run(&end));
        let writer = scope.spawn(|| {
            let _leaving = Leaving::abandoning(entries);
            if let Err(error) = writing.run(entries) {
                ledger.halt(End::Broken(error));
            }
        });
        let result = {
            let _leaving = Leaving::closing(entries);
            work()
        };
        let ended = writer.join();
        // Dropped by a panic, too: the watch does not keep it waiting.
        drop(over);
        let _ = watch.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result
    })
}
