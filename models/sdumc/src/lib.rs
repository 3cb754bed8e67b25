//! SDUMC: fusion of audio, text and video into a valence, with and without the real text.
