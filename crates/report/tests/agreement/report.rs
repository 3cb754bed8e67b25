//! Order, sums, shifts, formats.

use affekt_core::{ClipId, ErrorKind, Explain, Span};
use affekt_report::agreement::About;
use affekt_report::{Agreement, Compared};

fn clip(name: &str, transcript: &str, hypothesis: Option<&str>) -> Compared {
    Compared {
        clip: ClipId::new(name).unwrap(),
        media: None,
        span: None,
        transcript: transcript.into(),
        hypothesis: hypothesis.map(str::to_owned),
        note: None,
        score: Some(-0.25),
        tokens: Some(7),
        looped: false,
        refused: false,
        capped: false,
    }
}

fn at(media: &str, start: f64, end: f64, clip: Compared) -> Compared {
    Compared { media: Some(media.into()), span: Some(Span::new(Some(start), Some(end)).unwrap()), ..clip }
}

const SENTENCES: [&str; 5] = [
    "the first thing that i want to say is thank you",
    "nobody expected that this film would open in spring",
    "my brother gave me two tickets for friday evening",
    "we sat far behind everybody else and saw very little",
    "at home she wrote a long letter about all this",
];

/// A recording whose words are generated right, and written `late` clips late in the transcript.
fn shifted(media: &str, late: usize) -> Vec<Compared> {
    let clip = |index: usize| {
        let said = SENTENCES[(index + SENTENCES.len() - late) % SENTENCES.len()];
        let start = 10.0 * index as f64;
        at(media, start, start + 10.0, clip(&format!("{media}_{index}"), said, Some(SENTENCES[index])))
    };
    (0..SENTENCES.len()).map(clip).collect()
}

fn report(clips: Vec<Compared>) -> Agreement {
    Agreement::new(About { title: "Test".into(), ..About::default() }, clips, 3)
}

fn mixed() -> Agreement {
    report(vec![
        clip("fine", "it was good", Some("It was good.")),
        clip("half", "it was good", Some("it is bad")),
        Compared { note: Some("no sound".into()), ..clip("none", "it was good", None) },
        clip("note", "(uhh)", Some("uh")),
        Compared { looped: true, capped: true, ..clip("loop", "no", Some("no no no no")) },
        Compared { refused: true, ..clip("empty", "it was", Some("")) },
    ])
}

#[test]
fn the_worst_come_first_and_what_says_nothing_last() {
    let report = mixed();
    let order: Vec<(&str, Option<f64>)> =
        report.clips().iter().map(|clip| (clip.compared.clip.as_str(), clip.wer)).collect();
    let thirds = Some(2.0 / 3.0);
    let expected = [
        ("none", Some(1.0)),
        ("loop", Some(3.0)),
        ("empty", Some(1.0)),
        ("half", thirds),
        ("fine", Some(0.0)),
        ("note", None),
    ];
    assert_eq!(order, expected);
}

#[test]
fn loops_refusals_and_cuts_stand_behind_what_disagrees_as_much() {
    let (text, long) = ("it was good", Some("it goes on and on and on and on"));
    let report = report(vec![
        Compared { looped: true, ..clip("a-loop", text, long) },
        Compared { refused: true, ..clip("a-refusal", text, Some("i cannot hear any of this")) },
        Compared { capped: true, ..clip("a-cut", text, Some("they never say")) },
        clip("other", text, Some("they never say")),
        clip("others", text, Some("they never say")),
        clip("more", text, Some("they never say any more")),
        Compared { looped: true, ..clip("b-loop", text, Some("it was was")) },
        clip("nearly", text, Some("it was god")),
    ]);
    let order: Vec<&str> = report.clips().iter().map(|clip| clip.compared.clip.as_str()).collect();
    assert_eq!(order, ["more", "other", "others", "a-loop", "a-refusal", "a-cut", "nearly", "b-loop"]);
}

#[test]
fn failed_generations_tell_nothing_of_timestamps() {
    let flags = [(true, false, false), (false, true, false), (false, false, true)];
    for (looped, refused, capped) in flags {
        let failed = |clip: Compared| Compared { looped, refused, capped, ..clip };
        let all = report(shifted("talk", 1).into_iter().map(failed).collect());
        let [recording] = all.recordings() else { panic!("one recording") };
        assert_eq!((recording.clips, recording.flagged, recording.disagreeing), (5, 5, 0));
        assert!(recording.shift.is_none() && !recording.disagrees());
        assert_eq!((all.totals().shifted, all.totals().disagreeing), (0, 5));
        assert_eq!((all.totals().shifted_recordings, all.totals().disagreeing_recordings), (0, 0));

        // Neither do they hide what the others tell.
        let mut some = shifted("talk", 1);
        for clip in &mut some[3..] {
            *clip = Compared { hypothesis: Some("so so so so so".into()), ..failed(clip.clone()) };
        }
        let right = Compared { hypothesis: Some(some[4].transcript.clone()), ..some[4].clone() };
        some[4] = right;
        let some = report(some);
        let [recording] = some.recordings() else { panic!("one recording") };
        assert_eq!((recording.clips, recording.flagged, recording.disagreeing), (5, 2, 3));
        assert_eq!(recording.shift.map(|shift| (shift.seconds, shift.clips)), Some((10.0, 3)));
        assert!(recording.disagrees());
    }
}

#[test]
fn warnings_come_first() {
    let warning = "bundle tiny is untrained:\nits numbers carry no meaning";
    let about = About { warnings: vec![warning.into(), "another".into()], ..About::default() };
    let report = Agreement::new(about, vec![clip("fine", "it was good", Some("it was good"))], 0);
    assert!(report.summary().starts_with("  agreement "), "the run has said it: {}", report.summary());
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["about"]["warnings"], serde_json::json!([warning, "another"]));
    let html = report.to_html();
    let (first, section) = (html.find("Warning: ").unwrap(), html.find("<section").unwrap());
    assert!(first < section && html.matches("notice strong\"").count() == 2);
    assert_eq!(json["totals"]["compared"], 1);
}

#[test]
fn figures_are_of_clips_with_generated_words() {
    let report = mixed();
    let totals = report.totals();
    assert_eq!((totals.clips, totals.without_transcript, totals.compared), (6, 3, 4));
    assert_eq!((totals.without_hypothesis, totals.incomparable), (1, 1));
    assert_eq!((totals.word_errors, totals.words, totals.wer), (7, 9, Some(7.0 / 9.0)));
    assert_eq!((totals.median_wer, totals.disagreeing), (Some(2.0 / 3.0), 3));
    assert_eq!((totals.looped, totals.refused, totals.capped), (1, 1, 1));
    assert_eq!(totals.bands, [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
}

#[test]
fn shifted_timestamps_are_named_with_their_shift() {
    for (late, seconds) in [(1, 10.0), (2, 20.0)] {
        let report = report(shifted("talk", late));
        let first = report.clips().iter().find(|clip| clip.compared.clip.as_str() == "talk_0").unwrap();
        let shift = first.shift.as_ref().unwrap();
        assert_eq!((shift.clip.as_str(), shift.seconds), (format!("talk_{late}").as_str(), seconds));
        assert_eq!((shift.errors, shift.words), (0, 11));
        let [recording] = report.recordings() else { panic!("one recording") };
        assert_eq!(
            (recording.clips, recording.disagreeing, recording.shift.map(|shift| shift.seconds)),
            (5, 5, Some(seconds))
        );
        assert!(recording.disagrees());
        assert_eq!((report.totals().shifted_recordings, report.totals().disagreeing_recordings), (1, 1));
    }
}

#[test]
fn a_shift_of_half_a_clip_is_found_across_two() {
    let words: Vec<&str> = SENTENCES.iter().flat_map(|sentence| sentence.split(' ')).collect();
    let part = |from: usize| words[from..from + 10].join(" ");
    let row = |index: usize| {
        let start = 5.0 * index as f64;
        let name = format!("talk_{index}");
        at("talk", start, start + 5.0, clip(&name, &part(10 * index), Some(&part(10 * index + 4))))
    };
    let report = report((0..4).map(row).collect());
    let shift = report.recordings()[0].shift.unwrap().seconds;
    assert!((shift - 2.0).abs() < 0.01, "{shift}");
}

#[test]
fn noise_other_recordings_and_short_words_are_no_shift() {
    let other = at("other", 0.0, 5.0, clip("other_0", SENTENCES[0], Some(SENTENCES[1])));
    let wrong = at(
        "talk",
        0.0,
        5.0,
        clip("talk_0", SENTENCES[1], Some("something else entirely was heard here by us")),
    );
    let short = at("talk", 5.0, 9.0, clip("talk_1", "no", Some("that film")));
    let right = at("talk", 9.0, 12.0, clip("talk_2", SENTENCES[2], Some(SENTENCES[2])));
    let report = report(vec![other, wrong, short, right]);
    assert!(report.clips().iter().all(|clip| clip.shift.is_none()));
}

#[test]
fn every_clip_is_a_line_of_the_tables_and_a_member_of_the_json() {
    let odd = clip("odd", "tab\there, \"quotes\"\nand a line", Some("=1+1"));
    let report = report(vec![odd, clip("none", "a, b", None)]);
    for (text, delimiter) in [(report.to_tsv(), b'\t'), (report.to_csv(), b',')] {
        assert_eq!(text.lines().count(), 3, "{text}");
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().len(), 23);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let (odd, none) = (&rows[1], &rows[0]);
        assert_eq!((&none[0], &none[4], &none[5], &none[22]), ("none", "1.0000", "", ""));
        assert_eq!((&odd[0], &odd[4], &odd[21]), ("odd", "1.0000", "tab here, \"quotes\" and a line"));
    }
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["totals"]["clips"], 2);
    assert_eq!(json["clips"][1]["transcript"], "tab\there, \"quotes\"\nand a line");
    assert_eq!(json["clips"][0]["errors"], serde_json::Value::Null);
    assert_eq!(json["clips"][1]["errors"]["word_errors"], 6);
}

#[test]
fn people_see_rates_flags_and_the_worst() {
    let mut clips = shifted("talk", 1);
    clips.push(Compared { looped: true, capped: true, ..clip("loop", "no", Some("no no\nno no")) });
    clips.push(Compared { note: Some("no sound".into()), ..clip("none", "it was good", None) });
    let expected = "  agreement   6 clips compared; 1 without generated words, 3 without transcript
  errors      97.9% of words, 77.4% of characters; median clip 100.0% of words
  doubtful    6 over 50%, 1 looped, 0 refused, 1 ended by the limit
  timestamps  4 fit another time of the recording; recordings: 1 shifted as a whole, 1 of which all clips disagree
";
    let summary = report(clips).summary();
    let figures =
        |text: &str| text.lines().map(|line| line.chars().take(14).collect::<String>()).collect::<Vec<_>>();
    assert_eq!(figures(&summary)[..4], figures(expected)[..4], "{summary}");
    for line in [0, 2, 3].map(|line| expected.lines().nth(line).unwrap()) {
        assert!(summary.contains(line), "{line}\n{summary}");
    }
    assert!(summary.contains("none  no sound") && !summary.contains("300%"), "{summary}");
    assert_eq!(summary.lines().count(), 9, "{summary}");
    assert_eq!(report(Vec::new()).summary(), "  agreement   nothing to compare: 3 without transcript\n");
}

#[test]
fn the_ending_is_the_format_and_the_file_is_there_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let report = mixed();
    for (name, expected) in [
        ("a.html", report.to_html()),
        ("a.HTM", report.to_html()),
        ("a.tsv", report.to_tsv()),
        ("a.csv", report.to_csv()),
        ("a.json", report.to_json()),
    ] {
        let path = folder.path().join(name);
        Agreement::check(&path).unwrap();
        assert!(!path.exists(), "a check leaves nothing behind");
        std::fs::write(&path, "the old one").unwrap();
        Agreement::check(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "the old one");
        report.write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5, "no draft is left");
}

#[test]
fn files_that_cannot_be_written_are_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("folder.html")).unwrap();
    for (name, kind, told) in [
        ("agreement", ErrorKind::BadConfig, "must end in .html, .tsv, .csv or .json"),
        ("agreement.xlsx", ErrorKind::BadConfig, "agreement.xlsx"),
        ("absent/agreement.html", ErrorKind::Unwritable, "absent/agreement.html"),
        ("folder.html", ErrorKind::Unwritable, "folder.html cannot be written"),
    ] {
        let path = folder.path().join(name);
        let error = Agreement::check(&path).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(told) && error.hint().is_some(), "{error}");
        let written = mixed().write(&path).unwrap_err();
        assert_eq!(written.kind(), kind, "{written}");
    }
}
