//! Every network at full size, with drawn weights, beside PyTorch in a process of its own: outputs, time, memory.
//!
//! | module | holds |
//! |---|---|
//! | [`cases`] | what is run, and the bounds |
//! | [`options`] | the flags of both commands |
//! | [`programs`] | the two programs that take the same flags: `affekt run`, and `reference.py` on PyTorch |
//! | [`mod@bench`] | times and memory in turn |
//! | [`mod@check`] | the outputs |
//! | [`engine`] | many searches at once: rates, and the limit that holds |
//! | [`step`] | a training step: time, memory, and how near it is to its arithmetic |
//! | [`mod@full_size`] | the whole system at its published size: a prediction |
//! | [`table`] | what is printed, as a Markdown table |

mod bench;
mod cases;
mod check;
mod engine;
mod full_size;
mod options;
mod programs;
mod step;
mod table;

pub use bench::run as bench;
pub use check::run as check;
pub use full_size::run as full_size;
