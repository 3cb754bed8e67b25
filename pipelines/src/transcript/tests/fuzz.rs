use affekt_core::{Seconds, Span};
use affekt_testkit::fuzz::damaged;

use super::super::words::words;
use super::super::{Transcript, file};

/// Damaged files are refused or read; what is read is shared out completely.
#[test]
fn damaged_transcripts() {
    let srt = "1\r\n00:00:01,000 --> 00:00:02,500\r\nhello <i>there</i>\r\n\r\n2\r\n00:00:13,000 --> 00:00:44,000\r\nbye now & then\r\n";
    let vtt = "WEBVTT\nKind: captions\n\nNOTE x\n\nid\n00:01.000 --> 00:22.500 align:start\n<v Al>你好，世界 &amp;\n\n00:03.000 --> 00:04.000\nbye";
    let mosei = "abc___0___1.0___2.5___hello there\nabc___1___3.0___44.0___bye วันนี้ now\n";
    let rolling = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nwe<00:00:01.500><c> roll</c>\n\n00:00:02.000 --> 00:00:03.000\nwe roll\non";
    let wide: Vec<u8> = format!("\u{feff}{srt}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big_end: Vec<u8> = format!("\u{feff}{mosei}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let plain = b"Plain words. And more!".to_vec();
    let corpus = [srt.into(), vtt.into(), rolling.into(), mosei.into(), wide, big_end, plain];
    damaged(&corpus, |bytes| {
        let Ok(text) = file::text(bytes.to_vec()) else { return };
        for timed in [false, true] {
            if let Ok(transcript) = Transcript::parse(&text, timed) {
                shared_out(&transcript);
            }
        }
    });
}

fn shared_out(transcript: &Transcript) {
    let count = |text: Option<String>| text.map_or(0, |text| words(&text).len());
    let all = count(transcript.within(Span::ALL));
    let parts: usize = match transcript {
        Transcript::Plain(text) => {
            Transcript::divide(text, &[Seconds(3.0), Seconds(0.0), Seconds(1.0)]).into_iter().map(count).sum()
        }
        Transcript::Timed(_) => [0.0, 1.7, 9.0, 20.0]
            .into_iter()
            .zip([Some(1.7), Some(9.0), Some(20.0), None])
            .map(|(start, end)| count(transcript.words_for(Span::new(Some(start), end).unwrap())))
            .sum(),
    };
    assert_eq!(parts, all, "{transcript:?}");
}
