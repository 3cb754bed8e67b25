//! Finds the speaker's face: detectors behind one trait, one track, crops, pictures to look at.
