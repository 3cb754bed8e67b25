//! Real recordings, where this machine has them.

mod common;

use affekt_core::{ErrorKind, Explain, Span};
use affekt_media::{Track, Warning};
use affekt_testkit::realdata;
use common::{decode_all, decode_digests, span};

#[test]
fn every_film_decodes_whole_and_in_part() {
    for folder in ["video", "video_awkward"] {
        let Some(files) = realdata::files(folder, &["mp4", "mov", "mpg"]) else { return };
        for path in files {
            let (decoded, frames) = decode_digests(&path, Span::ALL).unwrap();
            let name = path.display();
            let video = decoded.info.video.clone().unwrap();
            assert!(frames.len() > 40, "{name}");
            assert!(frames.iter().all(|frame| (frame.1, frame.2) == (video.width, video.height)), "{name}");
            assert!(frames.windows(2).all(|pair| pair[0].0 < pair[1].0), "{name}");
            let missing = |warning: &Warning| *warning == Warning::Missing(Track::Audio);
            assert!(decoded.warnings.iter().all(missing), "{name}: {:?}", decoded.warnings);

            let (part, inside) = decode_digests(&path, span(2.05, 2.35)).unwrap();
            let expected: Vec<_> =
                frames.into_iter().filter(|frame| (2.05..2.35).contains(&frame.0)).collect();
            assert_eq!(inside, expected, "{name}");
            if let (Some(part), Some(whole)) = (part.waveform, decoded.waveform) {
                let worst = part.samples.iter().zip(&whole.samples[32_800..]).map(|(a, b)| (a - b).abs());
                assert!(worst.fold(0.0, f32::max) < 5e-3, "{name}");
                assert_eq!(part.samples.len(), 4_800, "{name}");
            }
        }
    }
}

#[test]
fn all_speech_decodes() {
    let Some(files) = realdata::files("speech", &["wav", "flac"]) else { return };
    for path in files {
        let (decoded, _) = decode_all(&path, Span::ALL).unwrap();
        let wave = decoded.waveform.unwrap();
        assert!(!wave.is_silent() && wave.peak() <= 1.0, "{}", path.display());
        assert!((wave.duration().0 - decoded.info.duration.unwrap().0).abs() < 1e-3, "{}", path.display());
    }
}

#[test]
fn photos_are_refused() {
    let Some(files) = realdata::files("faces", &["jpg", "png"]) else { return };
    for path in files {
        let error = decode_all(&path, Span::ALL).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotMedia, "{error}");
    }
}
