//! Building blocks that several networks share: masked attention, KV cache with reorder, convolutions.
