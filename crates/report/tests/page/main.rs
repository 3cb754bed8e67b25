//! The HTML page: well-formed, self-contained, complete, and of a bounded size.
#![expect(clippy::unwrap_used, reason = "helper functions of tests")]

#[path = "../browser/mod.rs"]
mod browser;
mod sample;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use affekt_report::Page;
use roxmltree::{Document, Node, ParsingOptions};
use sample::{NASTY, judged, page};

fn parse(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(html, options).unwrap()
}

/// All text of the body, as a reader sees it.
fn text(html: &str) -> String {
    let document = parse(html);
    let body = document.descendants().find(|node| node.has_tag_name("body")).unwrap();
    body.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect::<Vec<_>>().join(" ")
}

fn pages() -> Vec<Page> {
    let single = [sample::clip(), sample::memo(), sample::nothing(), sample::recording(600)];
    let mut pages: Vec<Page> = single.into_iter().map(|one| page(vec![judged(one)])).collect();
    pages.extend([page(Vec::new()), page(vec![sample::failed()]), sample::everything()]);
    pages
}

#[test]
fn every_page_is_well_formed_and_its_links_lead_somewhere() {
    for page in pages() {
        let html = page.html();
        let document = parse(&html);
        let mut ids = HashSet::new();
        for id in document.descendants().filter_map(|node| node.attribute("id")) {
            assert!(ids.insert(id), "{id} twice");
        }
        let links = document.descendants().filter(|node| node.has_tag_name("a"));
        for target in links.map(|link| link.attribute("href").unwrap()) {
            assert!(ids.contains(target.strip_prefix('#').unwrap()), "{target}");
        }
    }
}

#[test]
fn no_page_is_wider_than_its_window() {
    browser::fits(&sample::everything().html(), "page");
}

#[test]
fn every_page_has_one_main_heading() {
    let headings = |html: &str| parse(html).descendants().filter(|node| node.has_tag_name("h1")).count();
    for page in pages() {
        assert_eq!(headings(&page.html()), 1);
    }
    let mut named = page(vec![judged(sample::clip())]);
    named.title = "interview.mp4".into();
    assert_eq!(headings(&named.html()), 1);
    assert!(!named.html().contains("<h2>"), "the name is not said twice");
}

#[test]
fn every_page_can_be_read_without_eyes() {
    for page in pages() {
        let html = page.html();
        for node in parse(&html).descendants().filter(Node::is_element) {
            match node.tag_name().name() {
                "html" => assert!(node.has_attribute("lang")),
                "img" => assert!(!node.attribute("alt").unwrap().is_empty()),
                "th" => assert!(node.has_attribute("scope")),
                "svg" if !node.ancestors().skip(1).any(|above| above.has_tag_name("svg")) => {
                    let titled = node.first_element_child().is_some_and(|child| child.has_tag_name("title"));
                    assert!(titled || node.attribute("aria-hidden") == Some("true"), "{node:?}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn nothing_is_fetched() {
    for page in pages() {
        let html = page.html();
        for node in parse(&html).descendants().filter(Node::is_element) {
            let name = node.tag_name().name();
            assert!(
                !["script", "iframe", "object", "embed", "form", "base", "image"].contains(&name),
                "{name}"
            );
            for attribute in node.attributes() {
                let (key, value) = (attribute.name(), attribute.value());
                assert!(!key.starts_with("on") && key != "style" && key != "srcset", "{key}");
                if ["src", "href", "data", "action", "poster"].contains(&key) {
                    assert!(value.starts_with("data:") || value.starts_with('#'), "{key}={value}");
                }
            }
            if name == "style" {
                let style = node.text().unwrap();
                assert!(!style.contains("url(") && !style.contains("@import"));
            }
        }
        assert!(html.contains("default-src 'none'") || html.contains("default-src &#39;none&#39;"));
    }
}

#[test]
fn text_of_others_stays_text() {
    let (mut prediction, mut exhibit) = sample::clip();
    prediction.input = NASTY.into();
    prediction.bundle = NASTY.into();
    prediction.warnings = vec![NASTY.into(), format!("{NASTY} is untrained")];
    exhibit.bundle = NASTY.into();
    exhibit.media[0] = (NASTY.into(), NASTY.into());
    exhibit.words[0].transcript = Some(NASTY.into());
    exhibit.words[1].hypothesis = Some(NASTY.into());
    let network = &mut exhibit.networks[0];
    (network.network, network.licence, network.source) = (NASTY.into(), NASTY.into(), NASTY.into());
    let mut page = page(vec![judged((prediction, exhibit)), sample::failed()]);
    (page.title, page.command) = (NASTY.into(), NASTY.into());
    let html = page.html();
    assert!(!html.contains("<script") && !html.contains("<!--"));
    assert_eq!(html.matches("</style>").count(), 1);
    // Marks divide a transcript; everything else is found whole.
    assert!(text(&html).matches(NASTY).count() >= 12, "{}", text(&html).matches(NASTY).count());
}

#[test]
fn overrides_of_the_direction_are_shown_and_not_obeyed() {
    let (mut prediction, exhibit) = sample::clip();
    prediction.input = "holiday\u{202e}gpj.exe".into();
    let html = page(vec![judged((prediction, exhibit))]).html();
    assert!(!html.contains('\u{202e}') && html.contains("holiday\u{fffd}gpj.exe"));
}

#[test]
fn everything_that_is_known_is_on_the_page() {
    let (prediction, exhibit) = sample::clip();
    let html = page(vec![judged((prediction.clone(), exhibit.clone()))]).html();
    let text = text(&html);
    let mut expected: Vec<String> = [
        "interview.mp4",
        "talks/interview.mp4",
        "tiny",
        "8.0 s",
        "+3.456",
        "\u{2212}0.321",
        "positive",
        "neutral",
        "31%",
        "58%",
        "11%",
        "44%",
        "6.5%",
        "50%",
        "12,345",
        "6,789 (55%)",
        "14 tokens",
        "\u{2212}1.420",
        "12 ms",
        "0.21 s",
        "1.5 s",
        "1.7 s",
        "it.",
        "affekt 0.1.0",
        "2026-11-21 19:15 UTC",
        "affekt predict 'a b.mp4' --report out.html",
        "Matroska",
        "1024 x f16",
        "one per 20ms",
        "decode-16k-mono-v1",
    ]
    .map(Into::into)
    .into();
    expected.extend(prediction.warnings.clone());
    for window in &prediction.timeline {
        expected.extend(
            [window.with_text, window.without_text].map(|value| format!("{:.3}", value.unwrap().abs())),
        );
    }
    for spec in &exhibit.features {
        expected.extend([spec.digest().to_string(), spec.weights.to_string()]);
    }
    for network in exhibit.networks {
        expected.extend([network.network, network.sha256, network.licence, network.source]);
    }
    for expected in expected {
        assert!(text.contains(&expected), "{expected}");
    }
    let document = parse(&html);
    let json = document.descendants().find(|node| node.has_tag_name("pre")).unwrap().text().unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json, serde_json::to_value(&prediction).unwrap());
}

#[test]
fn words_that_differ_are_marked() {
    let html = page(vec![judged(sample::clip())]).html();
    let marks = |class| format!("<mark class=\"{class}\">");
    assert!(html.contains(&format!("I loved {}it.</mark>", marks("with"))));
    assert!(html.contains(&format!("i loved {}at</mark>", marks("without"))));
    assert!(text(&html).contains("33%"), "the word error rate");
}

#[test]
fn a_loop_is_flagged() {
    let (mut prediction, exhibit) = sample::clip();
    prediction.simulated.looped = true;
    assert!(text(&page(vec![judged((prediction, exhibit))]).html()).contains("Looped"));
    assert!(!text(&page(vec![judged(sample::clip())]).html()).contains("Looped"));
}

#[test]
fn what_is_missing_is_said() {
    let memo = text(&page(vec![judged(sample::memo())]).html());
    assert!(memo.contains("no picture") && memo.contains("no transcript") && !memo.contains("Key frames"));
    let nothing = text(&page(vec![judged(sample::nothing())]).html());
    assert!(nothing.contains("Sound: none") && nothing.contains("no words were simulated"));
    let failed = text(&page(vec![sample::failed()]).html());
    assert!(failed.contains("Not judged") && failed.contains("give a video") && failed.contains(NASTY));
}

#[test]
fn several_inputs_have_an_overview_and_one_has_none() {
    let several = text(&sample::everything().html());
    assert!(several.contains("4 inputs judged, 1 failed.") && several.contains("Input 5 of 5"));
    assert!(!text(&page(vec![judged(sample::clip())]).html()).contains("All inputs"));
}

#[test]
fn three_hours_make_a_page_of_less_than_a_megabyte() {
    let size = |count| page(vec![judged(sample::recording(count))]).html().len();
    let (small, large) = (size(600), size(1_200));
    assert!(small < 1_000_000, "{small} bytes");
    assert!(large < 2 * small, "{small} and {large} bytes");
}

#[test]
fn endless_texts_and_timelines_take_no_endless_time() {
    let (mut prediction, mut exhibit) = sample::recording(20_000);
    exhibit.words.truncate(2);
    exhibit.words[0].transcript = Some("word ".repeat(10_000));
    exhibit.words[0].hypothesis = Some("other ".repeat(10_000));
    exhibit.words[1].transcript = Some("one two ".repeat(5_000));
    prediction.warnings = vec!["again".into(); 1_000];
    let started = Instant::now();
    let text = text(&page(vec![judged((prediction, exhibit))]).html());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(text.contains(&"word ".repeat(10_000)), "nothing is cut off");
    assert!(text.contains("too long to compare word by word"));
}
