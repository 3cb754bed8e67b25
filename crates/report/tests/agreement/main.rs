//! The agreement report as a page: well-formed, self-contained, bounded; and on the transcripts of MOSEI.
#![expect(clippy::unwrap_used, reason = "helper functions of tests")]

mod report;

use std::collections::HashSet;

use affekt_core::{ClipId, Span};
use affekt_report::agreement::About;
use affekt_report::{Agreement, Compared};
use affekt_testkit::realdata;
use roxmltree::{Document, Node, ParsingOptions};

const NASTY: &str =
    "<script>alert(\"1\")</script> & 'two' </style> \u{1f600} \u{5e9}\u{5dc}\u{5d5}\u{5dd} ]]> <!--";

fn about() -> About {
    About {
        title: "Agreement".into(),
        program: "affekt 0.1.0".into(),
        command: "affekt simulate --agreement agreement.html".into(),
        made: "2026-11-22 01:00 UTC".into(),
        recipe: vec![("Prompt".into(), "sdumc".into()), ("Mode".into(), "best".into())],
        warnings: Vec::new(),
    }
}

fn clip(name: &str, transcript: &str, hypothesis: Option<&str>) -> Compared {
    Compared {
        clip: ClipId::new(name).unwrap(),
        media: Some("videos/talk.mp4".into()),
        span: Some(Span::new(Some(1.5), None).unwrap()),
        transcript: transcript.into(),
        hypothesis: hypothesis.map(str::to_owned),
        note: None,
        score: None,
        tokens: None,
        looped: false,
        refused: false,
        capped: false,
    }
}

fn parse(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(html, options).unwrap()
}

/// All text of the body.
fn text(html: &str) -> String {
    let document = parse(html);
    let body = document.descendants().find(|node| node.has_tag_name("body")).unwrap();
    body.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect::<Vec<_>>().join(" ")
}

fn everything() -> Agreement {
    let nasty = Compared {
        note: Some(NASTY.into()),
        media: Some(format!("videos/{NASTY}")),
        refused: true,
        looped: true,
        capped: true,
        ..clip("nasty", NASTY, Some(NASTY))
    };
    let clips = vec![
        nasty,
        clip("good", "I loved it.", Some("i loved it")),
        clip("bad", "I loved it.", Some("we love fit")),
        clip("none", "I loved it.", None),
        clip("empty", "I loved it.", Some("")),
        clip("long", "word ".repeat(50_000).as_str(), Some(&"other ".repeat(50_000))),
    ];
    let about = About {
        title: NASTY.into(),
        recipe: vec![("Prompt".into(), NASTY.into())],
        warnings: vec![NASTY.into()],
        ..about()
    };
    Agreement::new(about, clips, 12)
}

#[test]
fn pages_are_well_formed_and_fetch_nothing() {
    for report in [everything(), Agreement::new(about(), Vec::new(), 0), mosei_like(3)] {
        let html = report.to_html();
        let document = parse(&html);
        assert_eq!(document.descendants().filter(|node| node.has_tag_name("h1")).count(), 1);
        for node in document.descendants().filter(Node::is_element) {
            let name = node.tag_name().name();
            assert!(
                !["script", "iframe", "object", "embed", "form", "base", "img"].contains(&name),
                "{name}"
            );
            for attribute in node.attributes() {
                let (key, value) = (attribute.name(), attribute.value());
                assert!(!key.starts_with("on") && key != "style" && key != "src", "{key}");
                assert!(key != "href" || value.starts_with("data:") || value.starts_with('#'), "{value}");
            }
            if name == "svg" {
                let titled = node.first_element_child().is_some_and(|child| child.has_tag_name("title"));
                assert!(titled || node.attribute("aria-hidden") == Some("true"));
            }
            assert!(name != "th" || node.has_attribute("scope"));
        }
        assert!(html.contains("default-src &#39;none&#39;"));
    }
}

#[test]
fn text_of_others_stays_text() {
    let html = everything().to_html();
    assert!(!html.contains("<script") && !html.contains("<!--"));
    assert_eq!(html.matches("</style>").count(), 1);
    assert!(text(&html).contains(NASTY));
}

#[test]
fn words_that_differ_are_marked_and_flags_are_shown() {
    let clips = vec![Compared {
        looped: true,
        note: Some("1 of 2 channels".into()),
        ..clip("bad", "I loved it.", Some("i loved at"))
    }];
    let html = Agreement::new(about(), clips, 0).to_html();
    assert!(html.contains("I loved <mark class=\"with\">it.</mark>"));
    assert!(html.contains("i loved <mark class=\"without\">at</mark>"));
    let text = text(&html);
    for expected in
        ["33%", "looped", "1 of 2 channels", "talk.mp4, from 1.5 s", "sdumc", "1 error for 3 words"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_page_is_bounded_and_says_what_it_leaves_out() {
    let report = mosei_like(4_000);
    let html = report.to_html();
    assert!(html.len() < 400_000, "{} bytes", html.len());
    let text = text(&html);
    assert!(
        text.contains("The first 200 of 12,000 clips") && text.contains("The first 40 of 4,000 recordings")
    );
    assert_eq!(report.to_tsv().lines().count(), 12_001);
    let long = everything().to_html();
    assert!(long.len() < 100_000, "{} bytes", long.len());
}

/// Recordings of three clips, each with one error.
fn mosei_like(recordings: usize) -> Agreement {
    let one = |recording: usize, place: usize| Compared {
        media: Some(format!("{recording}.mp4")),
        ..clip(&format!("{recording}_{place}"), "it was a good film", Some("it was a good firm"))
    };
    let clips = (0..recordings).flat_map(|recording| (0..3).map(move |place| one(recording, place)));
    Agreement::new(about(), clips.collect(), 0)
}

/// A deterministic number below `most`.
fn drawn(seed: &mut u64, most: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % most.max(1)
}

/// What a recogniser that errs in every tenth word makes of a text.
fn heard(text: &str, seed: &mut u64) -> String {
    const OTHERS: [&str; 6] = ["the", "a", "of", "so", "they", "film"];
    let words = text.split_whitespace().filter(|word| !word.starts_with('('));
    let heard = words.filter_map(|word| match drawn(seed, 30) {
        0 => None,
        1 => Some(OTHERS[drawn(seed, OTHERS.len())].to_owned()),
        2 => Some(format!("{word} {}", OTHERS[drawn(seed, OTHERS.len())])),
        _ => Some(word.to_lowercase()),
    });
    heard.collect::<Vec<_>>().join(" ")
}

/// The first clips of MOSEI with simulated errors: in every tenth recording the words are those of the clip before, and
/// some clips loop, refuse or have none.
fn mosei(most: usize) -> Option<(Agreement, HashSet<String>)> {
    let files = realdata::files("mosei_labels", &["tsv"])?;
    let table =
        std::fs::read_to_string(files.iter().find(|file| file.ends_with("mosei_index.tsv"))?).unwrap();
    let mut seed = 7;
    let mut clips: Vec<Compared> = Vec::new();
    for line in table.lines().skip(1).take(most) {
        let cells: Vec<&str> = line.split('\t').collect();
        let (start, end) = (cells[3].parse().ok(), cells[4].parse().ok());
        let Ok(span) = Span::new(start, end) else { continue };
        let hypothesis = Some(heard(cells[9], &mut seed));
        let clip = clip(&format!("{}_{}", cells[2], cells[0]), cells[9], hypothesis.as_deref());
        clips.push(Compared { media: Some(format!("Videos/{}.mp4", cells[2])), span: Some(span), ..clip });
    }
    clips.sort_by(|one, other| {
        let start = |clip: &Compared| clip.span.map_or(0.0, |span| span.start.0);
        one.media.cmp(&other.media).then(start(one).total_cmp(&start(other)))
    });
    let mut struck = HashSet::new();
    let groups: Vec<usize> = clips.chunk_by(|one, next| one.media == next.media).map(<[_]>::len).collect();
    let mut from = 0;
    for (place, length) in groups.into_iter().enumerate() {
        let group = &mut clips[from..from + length];
        from += length;
        let long = group.iter().filter(|clip| clip.transcript.split_whitespace().count() > 6).count();
        if place % 10 == 0 && long > 4 {
            struck.insert(group[0].media.clone().unwrap());
            let mut words: Vec<_> = group.iter().map(|clip| clip.hypothesis.clone()).collect();
            words.rotate_right(1);
            group.iter_mut().zip(words).for_each(|(clip, words)| clip.hypothesis = words);
        }
        match place % 40 {
            11 => {
                (group[0].hypothesis, group[0].looped, group[0].capped) =
                    (Some("okay ".repeat(60)), true, true);
            }
            13 => {
                group[0].hypothesis = Some("I'm sorry, but I cannot transcribe the audio.".into());
                group[0].refused = true;
            }
            17 => (group[0].hypothesis, group[0].note) = (None, Some("decode: no sound".into())),
            _ => {}
        }
    }
    Some((Agreement::new(about(), clips, 5), struck))
}

#[test]
fn recordings_of_mosei_with_shifted_words_are_found_and_no_others() {
    let Some((report, struck)) = mosei(usize::MAX) else { return };
    if let Some(path) = std::env::var_os("AFFEKT_AGREEMENT") {
        report.write(path.as_ref()).unwrap();
        std::fs::write(std::path::Path::new(&path).with_extension("txt"), report.summary()).unwrap();
    }
    let found: HashSet<String> = report
        .recordings()
        .iter()
        .filter(|recording| recording.shift.is_some())
        .map(|recording| recording.media.clone())
        .collect();
    let (missed, wrong) = (struck.difference(&found).count(), found.difference(&struck).count());
    assert!(struck.len() > 100, "{}", struck.len());
    assert!(
        missed <= struck.len() / 20 && wrong == 0,
        "{missed} of {} missed, {wrong} found wrongly",
        struck.len()
    );
}
