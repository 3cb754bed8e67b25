//! From a media file to a waveform and RGB frames of any span, by timestamp.
