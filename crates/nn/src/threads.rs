//! Where the parallel parts of a network start.

/// Runs `work` on a thread of rayon's pool.
///
/// A thread outside of the pool sleeps and is woken at every parallel part; a decoder has ten a layer, each shorter than
/// that. Inside of the pool it takes a share of every part instead.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_in_the_pool() {
        assert!(in_pool(rayon::current_thread_index).is_some());
        assert_eq!(in_pool(|| in_pool(|| 3)), 3);
    }
}
