//! Building blocks that several networks share.
//!
//! | module | holds |
//! |---|---|
//! | [`conv`] | [`Conv1d`](conv::Conv1d), [`GroupedConv1d`](conv::GroupedConv1d): channels last, one matrix product each |
//! | [`kv_cache`] | [`KvCache`](kv_cache::KvCache): keys and values of past positions, with reorder |

pub mod conv;
pub mod kv_cache;
