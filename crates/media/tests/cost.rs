//! A span costs what its length costs, wherever in the recording it is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::Span;
use affekt_testkit::clips::Clip;
use common::{long, pass, span};
use tempfile::tempdir;

#[test]
fn a_span_costs_its_length_wherever_it_is() {
    let folder = tempdir().unwrap();
    let film = Clip::new(10.0).size(64, 48);
    let sound = Clip::new(10.0).without_video().rate(16_000);
    let films = ["a.mp4", "a.mkv", "a.webm", "a.mpg", "a.ts", "a.avi"].map(|name| (name, &film));
    let sounds = ["a.wav", "a.mp3", "a.ogg", "a.flac", "a.m4a"].map(|name| (name, &sound));
    for (name, clip) in films.into_iter().chain(sounds) {
        if !Clip::can_write(name) {
            continue;
        }
        let path = long(folder.path(), name, 6, clip);
        let near = pass(&path, span(10.3, 11.3));
        let deep = pass(&path, span(350.3, 351.3));
        let whole = pass(&path, Span::ALL);
        assert_eq!(deep.samples, Some(16_000), "{name}");
        assert!((20..=26).contains(&deep.frames) || clip_is_sound(name), "{name}: {} frames", deep.frames);
        let (near, deep, whole) = (near.packets, deep.packets, whole.packets);
        assert!(deep < 2 * near + 200, "{name}: {deep} packets near the end, {near} near the start");
        assert!(deep < whole / 20, "{name}: {deep} packets for a second, {whole} for everything");
    }
}

fn clip_is_sound(name: &str) -> bool {
    [".wav", ".mp3", ".ogg", ".flac", ".m4a"].iter().any(|end| name.ends_with(end))
}
