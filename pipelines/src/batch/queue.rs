//! What waits between two stages: bounded by bytes and by count.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Items on their way from any number of threads to any number of others, in order.
///
/// Clips differ in size by a hundred: a bound on their count alone would hold too little of short ones or too much of long
/// ones.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    /// Something was put in, or nothing more will be.
    filled: Condvar,
    /// Something was taken out, or nobody takes any more.
    emptied: Condvar,
    most: usize,
    most_bytes: usize,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
}

impl<T> State<T> {
    fn is_idle(&self) -> bool {
        self.items.is_empty() && !self.closed
    }

    fn take(&mut self, emptied: &Condvar) -> Option<T> {
        let (item, bytes) = self.items.pop_front()?;
        self.bytes -= bytes;
        // An item that leaves may make room for several smaller ones.
        emptied.notify_all();
        Some(item)
    }
}

/// Nobody takes items any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed;

/// What [`Queue::pop_within`] finds.
pub enum Next<T> {
    /// The oldest item.
    Item(T),
    /// None came in time.
    Nothing,
    /// The queue is closed and empty.
    End,
}

impl<T> Queue<T> {
    /// For `most` items of `most_bytes` bytes together. An item larger than that passes all the same, alone.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, closed: false };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            most: most.max(1),
            most_bytes,
        }
    }

    /// Puts an item of `bytes` bytes in; waits for room.
    ///
    /// # Errors
    /// [`Closed`] after [`Self::close`] or [`Self::abandon`].
    pub fn push(&self, item: T, bytes: usize) -> Result<(), Closed> {
        let is_full = |state: &mut State<T>| {
            let full = state.items.len() >= self.most || state.bytes + bytes > self.most_bytes;
            full && !state.items.is_empty() && !state.closed
        };
        let state = self.emptied.wait_while(self.state(), is_full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Closed);
        }
        state.items.push_back((item, bytes));
        state.bytes += bytes;
        self.filled.notify_one();
        Ok(())
    }

    /// Takes the oldest item; waits for one. `None` when the queue is closed and empty.
    pub fn pop(&self) -> Option<T> {
        let state = self.filled.wait_while(self.state(), |state| state.is_idle());
        state.unwrap_or_else(PoisonError::into_inner).take(&self.emptied)
    }

    /// [`Self::pop`] that waits for at most `limit`.
    pub fn pop_within(&self, limit: Duration) -> Next<T> {
        let waited = self.filled.wait_timeout_while(self.state(), limit, |state| state.is_idle());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.take(&self.emptied) {
            Some(item) => Next::Item(item),
            None if state.closed => Next::End,
            None => Next::Nothing,
        }
    }

    /// No more items come in; those that are there can still be taken.
    pub fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// [`Self::close`], and nobody wants those that are there.
    pub fn abandon(&self) {
        let mut state = self.state();
        state.items.clear();
        state.bytes = 0;
        drop(state);
        self.close();
    }

    /// How many items wait.
    pub fn waiting(&self) -> usize {
        self.state().items.len()
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves a queue when it is dropped, even by a panic: whoever waits at the other end must not wait for ever.
pub struct Leaving<'q, T> {
    queue: &'q Queue<T>,
    abandons: bool,
}

impl<'q, T> Leaving<'q, T> {
    /// Closes `queue` then: what is in it can still be taken.
    pub fn closing(queue: &'q Queue<T>) -> Self {
        Self { queue, abandons: false }
    }

    /// Abandons `queue` then: nobody takes anything out of it any more.
    pub fn abandoning(queue: &'q Queue<T>) -> Self {
        Self { queue, abandons: true }
    }
}

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        if self.abandons {
            self.queue.abandon();
        } else {
            self.queue.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicIsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn everything_passes_in_order_within_the_bounds() {
        let queue = Queue::new(4, 100);
        let (inside, most) = (AtomicIsize::new(0), AtomicIsize::new(0));
        let taken = thread::scope(|scope| {
            scope.spawn(|| {
                for item in 0..1000_usize {
                    let bytes = 20 + item % 30;
                    queue.push((item, bytes), bytes).unwrap();
                    let bytes = bytes as isize;
                    most.fetch_max(inside.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                }
                queue.close();
            });
            let mut taken = Vec::new();
            while let Some((item, bytes)) = queue.pop() {
                inside.fetch_sub(bytes as isize, Ordering::SeqCst);
                taken.push(item);
            }
            taken
        });
        assert_eq!(taken, (0..1000).collect::<Vec<_>>());
        // Counted outside the lock: an item that has just been taken may still be counted.
        assert!(most.into_inner() <= 150);
    }

    #[test]
    fn an_item_larger_than_the_bound_passes_alone() {
        let queue = Queue::new(4, 10);
        queue.push('a', 1_000).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| queue.push('b', 1).unwrap());
            assert_eq!(queue.pop(), Some('a'));
            assert_eq!(queue.pop(), Some('b'));
        });
    }

    #[test]
    fn a_queue_that_is_left_frees_whoever_waits() {
        let queue = Queue::new(1, 10);
        queue.push(1, 1).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.push(2, 1));
            queue.abandon();
            // Either it came before the end and was dropped, or it hears of it.
            let _ = waiting.join().unwrap();
            assert_eq!(queue.push(3, 1), Err(Closed));
            assert_eq!(queue.pop(), None);
        });
    }

    #[test]
    fn a_thread_that_panics_keeps_nobody_waiting() {
        let queue: Queue<u8> = Queue::new(1, 10);
        thread::scope(|scope| {
            let putting = scope.spawn(|| {
                let _leaving = Leaving::closing(&queue);
                panic!("on purpose");
            });
            assert_eq!(queue.pop(), None);
            assert!(putting.join().is_err());
        });
    }
}
