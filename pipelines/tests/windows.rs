//! Long recordings are cut at their pauses, whatever they sound like and however they are delivered.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

#[path = "windows/sound.rs"]
mod sound;

use std::ops::Range;
use std::time::{Duration, Instant};

use affekt_core::Seconds;
use affekt_pipelines::windows::{Cutter, Window};
use sound::{RATE, Sound, at};

const START: f64 = 2.5;

/// The windows of a sound that comes in pieces of a second; checks what holds for every sound.
fn windows(samples: &[f32]) -> Vec<Window> {
    windows_of_pieces(samples.chunks(RATE), samples)
}

fn windows_of_pieces<'a>(pieces: impl Iterator<Item = &'a [f32]>, samples: &[f32]) -> Vec<Window> {
    let mut cutter = Cutter::new(Seconds(START));
    let mut windows: Vec<Window> = pieces.flat_map(|piece| cutter.push(piece)).collect();
    windows.extend(cutter.finish());
    let mut done = 0;
    for window in &windows {
        let end = done + window.samples.len();
        assert_eq!(window.span.start, at(START, done));
        assert_eq!(window.span.end, Some(at(START, end)));
        // Bits, because a number that is none equals nothing.
        let bits = |samples: &[f32]| samples.iter().map(|sample| sample.to_bits()).collect::<Vec<_>>();
        assert!(bits(&window.samples) == bits(&samples[done..end]), "other samples from {done} to {end}");
        assert!(window.speech.0 >= 0.0 && window.speech.0 <= window.span.duration().unwrap().0 + 1e-9);
        if samples.len() > 30 * RATE {
            let seconds = window.samples.len() as f64 / RATE as f64;
            assert!((8.0..=Cutter::MOST.0).contains(&seconds), "a window of {seconds} s");
        }
        done = end;
    }
    assert_eq!(done, samples.len());
    windows
}

/// Samples at which the sound was cut.
fn cuts(windows: &[Window]) -> Vec<usize> {
    let ends = windows.iter().scan(0, |sum, window| {
        *sum += window.samples.len();
        Some(*sum)
    });
    let ends: Vec<usize> = ends.collect();
    ends[..ends.len() - 1].to_vec()
}

fn assert_in(pauses: &[Range<usize>], cuts: &[usize], what: &str) {
    for cut in cuts {
        assert!(
            pauses.iter().any(|pause| pause.contains(cut)),
            "{what}: cut at {} s",
            *cut as f64 / RATE as f64
        );
    }
}

#[test]
fn up_to_thirty_seconds_are_one_window() {
    assert_eq!(windows(&[]), []);
    let sound = Sound::new(1).speech(31.0, -60.0);
    for length in [1, 159, 160, 161, 3200, 20 * RATE, 25 * RATE, 30 * RATE] {
        assert_eq!(windows(&sound.samples[..length]).len(), 1, "{length} samples");
    }
    assert_eq!(windows(&sound.samples[..30 * RATE + 1]).len(), 2);
}

#[test]
fn cuts_lie_in_pauses_over_any_background() {
    for (seed, background) in
        [f64::NEG_INFINITY, -80.0, -70.0, -60.0, -50.0, -40.0, -30.0].into_iter().enumerate()
    {
        let sound = Sound::new(seed as u64).speech(300.0, background);
        let windows = windows(&sound.samples);
        assert!(windows.len() >= 15);
        assert_in(&sound.pauses, &cuts(&windows), &format!("background of {background} dB"));
    }
}

#[test]
fn clicks_and_offsets_do_not_matter() {
    let plain = Sound::new(7).speech(300.0, -60.0);
    let expected = cuts(&windows(&plain.samples));
    let shifted: Vec<f32> = plain.samples.iter().map(|sample| sample + 0.2).collect();
    assert_eq!(cuts(&windows(&shifted)), expected);
    let mut clicking = plain.samples;
    for click in clicking.chunks_mut(RATE / 8) {
        click[..40].fill(0.9);
    }
    assert_in(&plain.pauses, &cuts(&windows(&clicking)), "with eight clicks a second");
}

#[test]
fn a_background_that_changes_does_not_hide_the_pauses() {
    let mut sound = Sound::new(3).speech(60.0, f64::NEG_INFINITY);
    sound = sound.speech(60.0, -45.0).speech(60.0, -70.0).speech(60.0, -40.0);
    assert_in(&sound.pauses, &cuts(&windows(&sound.samples)), "changing background");
}

#[test]
fn long_pauses_are_preferred_and_cut_in_the_middle() {
    let sound = Sound::new(11).phrase(13.0, -60.0).pause(0.15, -60.0).phrase(1.0, -60.0).pause(0.8, -60.0);
    let sound = sound.phrase(2.0, -60.0).pause(0.15, -60.0).phrase(20.0, -60.0);
    let pause = &sound.pauses[1];
    let cut = cuts(&windows(&sound.samples))[0];
    assert!(cut.abs_diff((pause.start + pause.end) / 2) < RATE / 25, "cut at {cut}, pause {pause:?}");
}

#[test]
fn the_end_is_balanced() {
    for seconds in [30.5, 33.0, 36.0, 38.0, 39.5] {
        let windows = windows(&Sound::new(5).tone(seconds, -20.0).samples);
        let longest = windows.iter().map(|window| window.samples.len()).max().unwrap();
        assert!(windows.len() == 2 || windows.len() == 3);
        assert!(longest <= 20 * RATE);
    }
    // 15 s, then 25 s in halves.
    let lengths: Vec<usize> =
        windows(&vec![0.0; 40 * RATE]).iter().map(|window| window.samples.len() / RATE).collect();
    assert_eq!(lengths, [15, 12, 12]);
}

#[test]
fn what_has_no_pause_is_cut_where_it_is_quietest() {
    let mut sound = Sound::new(2).tone(45.0, -20.0);
    let dip = 12 * RATE..12 * RATE + RATE / 4;
    sound.samples[dip.clone()].iter_mut().for_each(|sample| *sample *= 0.5);
    let first = cuts(&windows(&sound.samples))[0];
    assert!(dip.contains(&first), "cut at {first}");
    // Speech whose only breaks are the closures inside its words.
    windows(&Sound::new(2).phrase(100.0, -60.0).samples);
}

#[test]
fn strange_numbers_are_passed_on() {
    let mut sound = Sound::new(4).speech(70.0, -60.0);
    for (at, sample) in sound.samples.iter_mut().enumerate().filter(|(at, _)| at % 1000 < 3) {
        *sample = [f32::NAN, f32::INFINITY, f32::MAX][at % 3];
    }
    windows(&sound.samples);
    windows(&vec![f32::NAN; 70 * RATE]);
    windows(&vec![f32::MAX; 70 * RATE]);
}

#[test]
fn speech_is_measured() {
    let total = |windows: &[Window]| windows.iter().map(|window| window.speech.0).sum::<f64>();
    for background in [f64::NEG_INFINITY, -60.0, -40.0] {
        let sound = Sound::new(9).speech(120.0, background);
        let spoken = sound.spoken as f64 / RATE as f64;
        let measured = total(&windows(&sound.samples));
        assert!((measured / spoken - 1.0).abs() < 0.15, "{measured} s of {spoken} s at {background} dB");
    }
    assert_eq!(total(&windows(&vec![0.0; 65 * RATE])), 0.0);
    assert_eq!(total(&windows(&Sound::new(9).noise(65.0, -60.0).samples)), 0.0);
    // A minute of background behind speech is no speech, though it is loud.
    let behind = Sound::new(9).speech(60.0, -45.0).noise(60.0, -45.0);
    let late = windows(&behind.samples).into_iter().filter(|window| window.span.start.0 > START + 60.0);
    assert_eq!(total(&late.collect::<Vec<_>>()), 0.0);
}

#[test]
fn windows_tile_whatever_the_pieces() {
    let sound = Sound::new(6).speech(100.0, -55.0);
    let whole: Vec<Vec<usize>> =
        (0..100).map(|seconds| cuts_or_none(&sound.samples[..seconds * RATE])).collect();
    let run = arbtest::arbtest(|random| {
        let seconds = random.int_in_range(0..=99usize)?;
        let samples = &sound.samples[..seconds * RATE];
        let most = *random.choose(&[160, 5000, 20_000, 500_000, 2_000_000])?;
        let mut rest = samples;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            // Beyond the random bytes, every piece is the smallest.
            let length = random.int_in_range(most / 10..=most)?.min(rest.len());
            let (piece, later) = rest.split_at(length);
            pieces.push(piece);
            rest = later;
        }
        let windows = windows_of_pieces(pieces.into_iter(), samples);
        let cuts = if windows.is_empty() { Vec::new() } else { cuts(&windows) };
        assert_eq!(cuts, whole[seconds]);
        Ok(())
    });
    run.budget(Duration::from_millis(1500)).run();
}

fn cuts_or_none(samples: &[f32]) -> Vec<usize> {
    let windows = windows_of_pieces(std::iter::once(samples), samples);
    if windows.is_empty() { Vec::new() } else { cuts(&windows) }
}

/// Three hours: the time grows with the length, and what is kept does not.
#[test]
fn three_hours_pass_through() {
    let minute = Sound::new(8).speech(60.0, -60.0).samples;
    let stream = |minutes: usize| {
        let begin = Instant::now();
        let mut cutter = Cutter::new(Seconds::ZERO);
        let (mut done, mut longest_wait) = (0, 0);
        for now in 1..=minutes * 60 {
            let second = (now - 1) % 60 * RATE;
            let windows = cutter.push(&minute[second..second + RATE]);
            done += windows.iter().map(|window| window.samples.len()).sum::<usize>();
            longest_wait = longest_wait.max(now * RATE - done);
        }
        done += cutter.finish().iter().map(|window| window.samples.len()).sum::<usize>();
        assert_eq!(done, minutes * minute.len());
        assert!(longest_wait <= 30 * RATE, "{longest_wait} samples held");
        begin.elapsed()
    };
    let (short, long) = (stream(18), stream(180));
    println!("18 minutes in {short:?}, 180 in {long:?}");
    assert!(long < 30 * short + Duration::from_secs(1), "18 minutes in {short:?}, 180 in {long:?}");
}

#[cfg(feature = "media")]
#[path = "windows/real.rs"]
mod real;
