//! Building blocks that several networks share.
//!
//! | module | holds |
//! |---|---|
//! | [`conv`] | [`Conv1d`](conv::Conv1d), [`GroupedConv1d`](conv::GroupedConv1d): channels last, one matrix product each |
//! | [`finite`] | [`gated`](finite::gated): NaN and infinity never leave a network, and the first bad layer is named |
//! | [`linear`] | [`Linear`](linear::Linear): its weight laid out for the CPU's matrix kernels |
//! | [`kv_cache`] | [`KvCache`](kv_cache::KvCache): keys and values of past positions, with reorder |

pub mod conv;
pub mod finite;
pub mod kv_cache;
pub mod linear;
