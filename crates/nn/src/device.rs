//! NVIDIA cards: how one is opened, what it has, and what its errors mean.
//!
//! Built without the feature `cuda` there are none.

#[cfg(feature = "cuda")]
mod card;

use candle_core::{Device, Result};

/// Memory of a card, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What this process could still get: what no process has, and what its own pool keeps for later use.
    pub free: usize,
    /// What the card has.
    pub total: usize,
}

/// A card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// As the driver calls it.
    pub name: String,
    /// Compute capability, major and minor: (9, 0) for an H200.
    pub capability: (i32, i32),
    /// At this moment.
    pub memory: Memory,
}

/// How many cards the driver shows; 0 in a program that is built without CUDA.
pub fn count() -> usize {
    #[cfg(feature = "cuda")]
    let count = card::count();
    #[cfg(not(feature = "cuda"))]
    let count = 0;
    count
}

/// Opens the card of that index, from 0.
///
/// All that is done on it is put in the queue of one stream, whichever thread does it: candle's own default is a stream
/// a thread, on which one thread reads what another has not written yet. Memory that is given back stays with the
/// process, so that asking for it again costs nothing.
///
/// # Errors
/// No such card, and what the driver reports.
pub fn cuda(index: usize) -> Result<Device> {
    let device = Device::new_cuda_with_stream(index)?;
    #[cfg(feature = "cuda")]
    card::prepare(&device)?;
    Ok(device)
}

/// What is known of the card that `device` is; `None` for the CPU.
///
/// # Errors
/// What the driver reports.
pub fn card(device: &Device) -> Result<Option<Card>> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => card::describe(device).map(Some),
        _ => Ok(None),
    }
}

/// Gives the memory that the process's pool keeps for later use back to the card, once all work in the queue is done:
/// after an out-of-memory error, memory that is free in pieces can serve a large wish again.
///
/// # Errors
/// What the driver reports.
pub fn reclaim(device: &Device) -> Result<()> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => card::reclaim(device),
        _ => Ok(()),
    }
}

/// More bytes were wanted of a card than it has left. It travels inside candle's error; [`OutOfMemory::of`] finds it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} bytes are wanted of a card that has {free} left")]
pub struct OutOfMemory {
    /// Bytes wanted.
    pub wanted: usize,
    /// Bytes that it could still give.
    pub free: usize,
}

/// As [`Display`](std::fmt::Display), since candle shows a wrapped error by its `Debug`.
impl std::fmt::Debug for OutOfMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl OutOfMemory {
    /// The [`OutOfMemory`] that `error` carries, through the layers of context that candle may have put around it.
    pub fn of(error: &candle_core::Error) -> Option<&Self> {
        use candle_core::Error;
        match error {
            Error::WithBacktrace { inner, .. }
            | Error::Context { inner, .. }
            | Error::WithPath { inner, .. } => Self::of(inner),
            Error::WrappedContext { wrapped, .. } => match wrapped.downcast_ref::<Error>() {
                Some(inner) => Self::of(inner),
                None => wrapped.downcast_ref(),
            },
            _ => None,
        }
    }
}

impl From<OutOfMemory> for candle_core::Error {
    fn from(error: OutOfMemory) -> Self {
        Self::WrappedContext { context: "memory of a card".to_owned(), wrapped: Box::new(error) }
    }
}

/// Whether `error` says that a card had no memory left for what was asked of it.
pub fn out_of_memory(error: &candle_core::Error) -> bool {
    use candle_core::Error;
    if OutOfMemory::of(error).is_some() {
        return true;
    }
    match error {
        Error::WithBacktrace { inner, .. } | Error::Context { inner, .. } | Error::WithPath { inner, .. } => {
            out_of_memory(inner)
        }
        Error::WrappedContext { wrapped, .. } => wrapped.downcast_ref::<Error>().is_some_and(out_of_memory),
        #[cfg(feature = "cuda")]
        Error::Cuda(error) => card::out_of_memory(&**error),
        _ => false,
    }
}

/// Whether `error` says that a card is lost to this process: whatever else is asked of it fails, too.
pub fn is_lost(error: &candle_core::Error) -> bool {
    use candle_core::Error;
    match error {
        Error::WithBacktrace { inner, .. } | Error::Context { inner, .. } | Error::WithPath { inner, .. } => {
            is_lost(inner)
        }
        Error::WrappedContext { wrapped, .. } => wrapped.downcast_ref::<Error>().is_some_and(is_lost),
        #[cfg(feature = "cuda")]
        Error::Cuda(error) => card::is_lost(&**error),
        _ => false,
    }
}

/// Lets products of f32 on cards round their factors to TF32 (10 bits of mantissa), for this process. They do not, unless
/// this is called.
pub fn allow_tf32(allowed: bool) {
    #[cfg(feature = "cuda")]
    candle_core::cuda::set_gemm_reduced_precision_f32(allowed);
    #[cfg(not(feature = "cuda"))]
    let _ = allowed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_no_card_and_its_errors_are_not_those_of_one() {
        assert_eq!(card(&Device::Cpu).unwrap(), None);
        reclaim(&Device::Cpu).unwrap();
        let error = candle_core::Error::Msg("out of memory".into()).context("a forward pass");
        assert!(!out_of_memory(&error) && !is_lost(&error));
    }

    #[test]
    fn a_card_that_is_full_says_so_through_any_context() {
        let full = OutOfMemory { wanted: 9, free: 4 };
        let error = candle_core::Error::from(full).context("the cache").context("an engine");
        assert_eq!(OutOfMemory::of(&error), Some(&full));
        assert!(out_of_memory(&error) && error.to_string().contains("9 bytes"), "{error}");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_program_without_cuda_has_no_cards() {
        assert_eq!(count(), 0);
        assert!(cuda(0).is_err());
    }
}
