//! For tests only: golden files, tolerances, synthetic clips, real data where present.
