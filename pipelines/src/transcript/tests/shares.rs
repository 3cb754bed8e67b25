use std::time::Duration;

use affekt_core::{Seconds, Span};

use super::{Transcript, span, timed};

#[test]
fn a_cue_goes_to_the_window_that_holds_most_of_it() {
    let transcript = timed(&[(8.0, 18.0, "one two three four five six seven eight nine ten")]);
    let all = transcript.words_for(Span::ALL).unwrap();
    assert_eq!(transcript.words_for(span(0.0, 16.0)).unwrap(), all);
    assert_eq!(transcript.words_for(span(16.0, 30.0)), None);
    assert_eq!(transcript.words_for(span(9.0, 17.0)).unwrap(), all);
    assert_eq!(transcript.outside(span(16.0, 30.0)), 10);
    assert_eq!(transcript.outside(span(0.0, 16.0)), 0);
}

#[test]
fn a_cue_between_windows_is_divided() {
    let transcript = timed(&[(8.0, 18.0, "one two  three four five six seven eight nine ten")]);
    assert_eq!(transcript.words_for(span(0.0, 12.0)).unwrap(), "one two  three four");
    assert_eq!(transcript.words_for(span(12.0, 30.0)).unwrap(), "five six seven eight nine ten");
    assert_eq!(transcript.outside(span(12.0, 30.0)), 4);
    let chinese = timed(&[(0.0, 10.0, "今天天气很好，我高兴")]);
    assert_eq!(chinese.words_for(span(0.0, 5.0)).unwrap(), "今天天气");
    assert_eq!(chinese.words_for(span(5.0, 20.0)).unwrap(), "很好，我高兴");
}

#[test]
fn a_cue_of_many_windows_gives_each_its_time() {
    let text = "word ".repeat(600);
    let transcript = timed(&[(0.0, 600.0, text.trim())]);
    for start in (0..600).step_by(15).map(f64::from) {
        let words = transcript.words_for(span(start, start + 15.0)).map_or(0, |text| text.split(' ').count());
        // A word a second; next to an end of the cue a border may lie up to 2 s off.
        assert!((13..=17).contains(&words), "{words} words from {start} s");
    }
}

#[test]
fn an_instant_goes_to_the_window_that_contains_it() {
    for end in [5.0, 3.0] {
        let transcript = timed(&[(5.0, end, "now then")]);
        assert_eq!(transcript.words_for(span(0.0, 5.0)), None);
        assert_eq!(transcript.words_for(span(5.0, 9.0)).unwrap(), "now then");
        assert_eq!(transcript.outside(span(0.0, 5.0)), 2);
    }
}

#[test]
fn text_without_times_is_everywhere() {
    let plain = Transcript::Plain("one two".into());
    assert_eq!(plain.within(span(1.0, 2.0)).unwrap(), "one two");
    assert_eq!(plain.words_for(span(1.0, 2.0)), None);
    assert_eq!(plain.outside(span(1.0, 2.0)), 0);
}

/// Cues with gaps, or overlapping; windows of any lengths. Each word comes once.
#[test]
fn words_of_windows_that_tile_come_once_in_order() {
    let run = arbtest::arbtest(|random| {
        let overlap = random.arbitrary()?;
        let (mut cues, mut time, mut word) = (Vec::new(), 0.0, 0);
        for _ in 0..random.int_in_range(1..=12)? {
            let duration = f64::from(random.int_in_range(0..=400u32)?) / 10.0;
            let words: Vec<String> =
                (0..random.int_in_range(1..=15)?).map(|at| format!("w{}", word + at)).collect();
            word += words.len();
            cues.push((time, time + duration, words.join(" ")));
            let gap = f64::from(random.int_in_range(0..=30u32)?) / 10.0;
            time += if overlap { duration / 3.0 } else { duration + gap };
        }
        let cues: Vec<(f64, f64, &str)> =
            cues.iter().map(|(start, end, text)| (*start, *end, &**text)).collect();
        let transcript = timed(&cues);
        let (mut shares, mut start) = (Vec::new(), 0.0);
        while start < time + 400.0 {
            let end = start + f64::from(random.int_in_range(1..=300u32)?) / 10.0;
            let last = end >= time + 400.0 || random.ratio(1, 20u32)?;
            let window = Span { start: Seconds(start), end: (!last).then_some(Seconds(end)) };
            let share = transcript.words_for(window).unwrap_or_default();
            assert_eq!(share.split_whitespace().count() + transcript.outside(window), word);
            shares.extend(share.split_whitespace().map(str::to_owned));
            start = if last { f64::INFINITY } else { end };
        }
        if overlap {
            shares.sort_by_key(|word| word[1..].parse::<usize>().unwrap());
        }
        let expected: Vec<String> = (0..word).map(|at| format!("w{at}")).collect();
        assert_eq!(shares, expected);
        Ok(())
    });
    run.budget(Duration::from_millis(500)).run();
}
