//! Llama: causal language model with all hidden states, and the SLAM-ASR projector that feeds it speech.
