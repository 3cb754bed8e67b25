//! A small world: a generated data set of drawn, speaking faces in the raw layout of CMU-MOSEI, on which the whole system
//! is trained and judged. `cargo xtask replica` runs it; the product knows nothing of it.
//!
//! | module | holds |
//! |---|---|
//! | [`lexicon`] | the words, and what each says of the speaker's feeling |
//! | [`grammar`] | sentences and the valence of their words |
//! | [`split`] | training, validation and test; which sentence belongs where |
//! | [`casting`] | who speaks where: voices, persons and backgrounds, none of them in two splits |
//! | [`script`] | the plan of all clips, with their labels |
//! | [`speech`] | espeak-ng speaks a clip |
//! | [`face`] | the drawn face |
//! | [`scene`] | what is around it |
//! | [`film`] | sound and pictures of a video, as a file |
//! | [`dataset`] | all files of the data set |
//! | [`baselines`] | how far a constant and a bag of words get |
//! | [`card`] | what the data set says of itself |

pub mod baselines;
pub mod card;
pub mod casting;
pub mod dataset;
mod draw;
pub mod face;
pub mod film;
pub mod grammar;
pub mod lexicon;
pub mod scene;
pub mod script;
pub mod speech;
pub mod split;
