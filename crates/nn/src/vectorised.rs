//! Loops compiled for every instruction set, the processor's chosen at run time.

use pulp::{Arch, Simd, WithSimd};

/// A loop on its way through the choice of the instruction set.
struct Loop<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Loop<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Runs `body`, a closure marked `#[inline(always)]` over plain loops, vectorised for this processor.
///
/// Not `Arch::dispatch` itself: it takes closures by `FnOnce`, and the call of one that could be called again goes through
/// a shim that is not inlined. The loop then stays outside of the function that has the wide registers, and runs as SSE2.
#[inline(always)]
pub(crate) fn vectorised<R>(body: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Loop(body))
}
