//! WavLM: speech encoder with gated relative position bias, all hidden states.
