//! MANet: facial expression encoder, local attention and multi-scale branches, one embedding a face.
