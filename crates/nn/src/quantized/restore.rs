//! How the numbers of blocks are restored on this processor.

use super::formats::Format;
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::vectorised::vectorised;

/// A format, and the instructions to restore it with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restore {
    pub format: Format,
    /// Whether the processor has what [`x86`] uses, and the format is one of its own.
    #[cfg(target_arch = "x86_64")]
    wide: bool,
}

impl Restore {
    /// With the best instructions of this processor.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            #[cfg(target_arch = "x86_64")]
            wide: x86::takes(format) && x86::there(),
        }
    }

    /// Restores whole blocks of several rows, the same numbers with all instructions: what `blocks` gives, to as many
    /// numbers at the start of every `stride`.
    #[inline(always)]
    pub fn rows<'b>(self, blocks: impl Iterator<Item = &'b [u8]>, numbers: &mut [f32], stride: usize) {
        #[cfg(target_arch = "x86_64")]
        if self.wide {
            // SAFETY: the processor has the instructions.
            return unsafe { x86::restore(self.format, blocks, numbers, stride) };
        }
        for (blocks, numbers) in blocks.zip(numbers.chunks_exact_mut(stride)) {
            vectorised(
                #[inline(always)]
                || self.format.restore(blocks, numbers),
            );
        }
    }
}
