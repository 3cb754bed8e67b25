use std::time::{Duration, Instant};

use super::{Transcript, parse, refusal, timed};

#[test]
fn srt_as_it_is_found() {
    let good = timed(&[(1.0, 2.5, "one two"), (3661.5, 3662.0, "three")]);
    for text in [
        // With a byte order mark and lines of Windows; of an old Mac.
        "\u{feff}1\r\n00:00:01,000 --> 00:00:02,500\r\none\r\ntwo\r\n\r\n2\r\n01:01:01,500 --> 01:01:02,000\r\nthree\r\n\r\n",
        "1\r00:00:01,000 --> 00:00:02,500\rone\rtwo\r\r2\r01:01:01,500 --> 01:01:02,000\rthree",
        // No counters; points for commas; hours of one digit; no fraction.
        "00:00:01.000 --> 00:00:02.5\none\ntwo\n\n1:01:01.5 --> 1:01:02\nthree",
        // No empty line; too many; one behind the counter; one between the words.
        "1\n00:00:01,000 --> 00:00:02,500\none\ntwo\n2\n01:01:01,500 --> 01:01:02,000\nthree",
        "\n\n1\n\n00:00:01,000-->00:00:02,500\none\n\n\ntwo\n\n2\n\n01:01:01,500 -->01:01:02,000\n\nthree\n",
        // Out of order; coordinates behind the times; tags.
        "2\n01:01:01,500 --> 01:01:02,000 X1:40 X2:600\n{\\an8}<font color=\"#fff\">three</font>\n\n1\n00:00:01,000 --> 00:00:02,500\n<b>one</b><br/>two",
    ] {
        assert_eq!(parse(text), good, "{text:?}");
    }
}

#[test]
fn webvtt_with_everything() {
    let text = "WEBVTT - a title\nKind: captions\nLanguage: en\n\nSTYLE\n::cue { color: red }\n\n\
        REGION\nid:fred\nwidth:40%\n\nNOTE a remark --> here\nof two lines\n\nintro\n00:01.000 --> 00:02.500 line:0 align:start\n\
        - <v Fred Smith>one</v> <c.loud.red>two</c>\n\nNOTE\n\n01:01:01.500 --> 01:01:02.000\n\
        three<00:00:01.000><c> &amp; four</c> &lt;5&gt;&nbsp;A&#39;s&#x21; &unknown; & AT&T;\n";
    let words = "three & four <5> A's! &unknown; & AT&T;";
    assert_eq!(parse(text), timed(&[(1.0, 2.5, "- one two"), (3661.5, 3662.0, words)]));
    assert_eq!(parse("WEBVTT\n00:01.000 --> 00:02.500\none"), timed(&[(1.0, 2.5, "one")]));
    // Only WebVTT has such blocks; a word is no name of one.
    assert_eq!(
        parse("WEBVTT\n\n00:01.000 --> 00:02.000\nNOTE\nwell\n\nNOTED"),
        timed(&[(1.0, 2.0, "NOTE well NOTED")])
    );
}

#[test]
fn what_looks_like_markup_may_be_words() {
    let text = "1\n00:00:01,000 --> 00:00:02,000\nA --> B, 2 < 3 > 1 <laughs> {aside}\n42\nlast <i\n";
    assert_eq!(parse(text), timed(&[(1.0, 2.0, "A --> B, 2 < 3 > 1 <laughs> {aside} 42 last <i")]));
}

#[test]
fn strange_times_are_kept() {
    let text = "1\n00:00:05,000 --> 00:00:03,000\nbackwards\n\n2\n-00:00:02,000 --> 00:00:01,000\nearly\n\n\
        3\n99999:00:00,000 --> 99999:00:01,000\nlate\n\n4\n00:00:04,000 --> 00:00:06,000\noverlaps\n";
    let late = 99999.0 * 3600.0;
    assert_eq!(
        parse(text),
        timed(&[
            (0.0, 1.0, "early"),
            (4.0, 6.0, "overlaps"),
            (5.0, 3.0, "backwards"),
            (late, late + 1.0, "late")
        ])
    );
}

#[test]
fn what_is_broken_is_named() {
    let good = "1\n00:00:01,000 --> 00:00:02,000\ngood\n\n";
    for (broken, line) in [
        ("2\n00:00:0x,000 --> 00:00:04,000\nlost?\n", 6),
        ("00:00:03,000 -->\nlost?\n", 5),
        ("2\n00:00:03:000 --> 00:00:04:000\nlost?\n", 6),
    ] {
        let why = refusal(&format!("{good}{broken}"));
        assert!(why.contains(&format!("line {line} ")), "{broken:?}: {why}");
    }
    // Without the empty line before it, too.
    assert!(
        refusal(&format!("{}\n2\n00:00:0x,000 --> 00:00:04,000\nlost?\n", good.trim_end()))
            .contains("line 5 ")
    );
    assert!(refusal(&format!("lost?\n\n{good}")).contains("line 1 "));
    let huge = "9".repeat(400);
    assert!(refusal(&format!("{good}{huge}:00:00,000 --> {huge}:00:01,000\nlost?")).contains("line 5 "));
}

/// Brackets that are never closed must not be sought to the end each time.
#[test]
fn a_long_file_takes_little_time() {
    let begin = Instant::now();
    for piece in ["<", "{\\", "&", "1\n", "a --> b\n", "___0___"] {
        let text = format!("1\n00:00:01,000 --> 00:00:02,000\nword\n{}", piece.repeat(300_000));
        // What it is does not matter here.
        let _ = Transcript::parse(&text, true);
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
