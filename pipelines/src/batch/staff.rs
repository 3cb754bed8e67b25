//! Who works beside the networks.

use std::thread;

use affekt_core::{Reporter, Stage};
use crossbeam_channel::bounded;

use super::ledger::{End, Ledger};
use super::queue::{Leaving, Queue};
use super::standing::Watch;
use super::write::Writing;
use super::{Crew, Entry};

/// Does `work`, which puts clips into `entries`, beside a thread that writes them and one that tells how the run of `ledger`
/// stands, with the threads of `crew`; `waiting` clips wait for each stage.
pub fn beside<T>(
    ledger: &Ledger<'_>,
    reporter: &dyn Reporter,
    (writing, entries): (Writing<'_>, &Queue<Entry>),
    crew: Crew,
    waiting: &(dyn Fn(Stage) -> usize + Sync),
    work: impl FnOnce() -> T,
) -> T {
    thread::scope(|scope| {
        let (over, end) = bounded::<()>(0);
        let watch = scope.spawn(move || Watch::new(ledger, reporter, crew, waiting).run(&end));
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

/// Does `work` on each of `workers`, in a thread each: the first one's is this.
pub fn each<W: Send, T: Send>(workers: Vec<W>, work: impl Fn(W) -> T + Sync) -> Vec<T> {
    let mut workers = workers.into_iter();
    let Some(first) = workers.next() else { return Vec::new() };
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = workers.map(|worker| scope.spawn(move || work(worker))).collect();
        let mut results = vec![work(first)];
        for other in others {
            results.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}
