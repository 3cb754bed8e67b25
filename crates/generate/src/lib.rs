//! Text generation over any causal language model: the CausalLm trait and beam search.
