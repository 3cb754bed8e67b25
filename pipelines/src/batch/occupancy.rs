//! How much of its time a device has work: the book of the thread that feeds it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use affekt_core::{Seconds, Stage};

use crate::fitting::Limit;

/// The book of one device.
///
/// It is busy from the moment at which it is given work until its results are there, however many batches are given
/// meanwhile: an upper bound, since a card may be through before anybody asks.
#[derive(Debug)]
pub struct Occupancy {
    name: String,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// Batches whose results are not there yet.
    given: usize,
    /// Since when there are any.
    since: Option<Instant>,
    busy: Duration,
    waited: Duration,
    batches: Vec<Batches>,
}

/// What one device did, in a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Occupied {
    /// What it is called: `cpu`, `cuda:0`.
    pub name: String,
    /// Time that it had work.
    pub busy: Seconds,
    /// Time that nothing was there to be given to it.
    pub waited: Seconds,
    /// How large the batches of its stages were.
    pub batches: Vec<Batches>,
}

/// How large the batches of a stage were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Of which stage.
    pub stage: Stage,
    /// What their size is counted in: `samples`, `faces`, `rows`, or `bytes` of keys and values.
    pub unit: &'static str,
    /// Their size at first, at most.
    pub first: usize,
    /// Their size at last, which is less where the memory did not hold them.
    pub last: usize,
}

impl Occupancy {
    /// The book of the device called `name`, without an entry.
    pub fn of(name: String) -> Self {
        Self { name, book: Mutex::default() }
    }

    /// What the device is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It is given work.
    pub fn given(&self) {
        self.book().give(Instant::now());
    }

    /// The results of as much are there.
    pub fn taken(&self) {
        self.book().take(Instant::now());
    }

    /// Does work on it, from the first moment to the last.
    pub fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        self.given();
        let result = work();
        self.taken();
        result
    }

    /// Waits for something to give to it.
    pub fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = wait();
        self.book().waited += start.elapsed();
        result
    }

    /// Takes down how large batches of a stage may be. What has become smaller since the last time comes back.
    pub fn note(&self, stage: Stage, unit: &'static str, limit: &Limit) -> Option<Batches> {
        let last = limit.most();
        let now = Batches { stage, unit, first: limit.shrunk_from().unwrap_or(last), last };
        let mut book = self.book();
        let known = book.batches.iter_mut().find(|known| (known.stage, known.unit) == (stage, unit));
        let before = match known {
            Some(known) => std::mem::replace(known, now.clone()).last,
            None => {
                book.batches.push(now.clone());
                now.first
            }
        };
        (last < before).then_some(now)
    }

    /// What it comes to.
    pub fn read(&self) -> Occupied {
        let book = self.book();
        let seconds = |time: Duration| Seconds(time.as_secs_f64()).rounded();
        Occupied {
            name: self.name.clone(),
            busy: seconds(book.busy),
            waited: seconds(book.waited),
            batches: book.batches.clone(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn give(&mut self, now: Instant) {
        self.given += 1;
        self.since.get_or_insert(now);
    }

    fn take(&mut self, now: Instant) {
        self.given = self.given.saturating_sub(1);
        if self.given == 0
            && let Some(since) = self.since.take()
        {
            self.busy += now.duration_since(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_overlap_count_once() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut book = Book::default();
        book.give(at(0));
        book.give(at(2));
        book.take(at(3));
        assert_eq!(book.busy, Duration::ZERO, "the second one is still there");
        book.take(at(5));
        book.give(at(7));
        book.take(at(8));
        assert_eq!(book.busy, Duration::from_secs(6));
        book.take(at(9));
        assert_eq!(book.busy, Duration::from_secs(6));
    }

    #[test]
    fn waiting_is_no_work_and_smaller_batches_are_told_once() {
        let occupancy = Occupancy::of("cpu".into());
        occupancy.waiting(|| std::thread::sleep(Duration::from_millis(5)));
        assert_eq!(occupancy.busy(|| 3), 3);
        let limit = Limit::new(256);
        let note = || occupancy.note(Stage::Video, "faces", &limit);
        assert_eq!(note(), None);
        limit.lower(64);
        let shrunk = Batches { stage: Stage::Video, unit: "faces", first: 256, last: 64 };
        assert_eq!((note(), note()), (Some(shrunk.clone()), None));
        let read = occupancy.read();
        assert!(read.waited >= Seconds(0.004) && read.busy < Seconds(0.004), "{read:?}");
        assert_eq!(read.batches, [shrunk]);
    }
}
