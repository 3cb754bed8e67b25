//! The flows: raw media through every stage to a result.
