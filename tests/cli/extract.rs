//! `affekt extract`: a dataset to features in a cache, whatever happens on the way.

mod continued;
mod failures;
mod recognised;
mod refused;
mod whole;
