//! Sentiment valence from a raw video of a person speaking, with their words or without them.
