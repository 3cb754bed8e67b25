//! Runs as files and pages: complete, escaped, self-contained, of a bounded size.
#![expect(clippy::unwrap_used, reason = "helper functions of tests")]

#[path = "../browser/mod.rs"]
mod browser;
mod comparison;
mod files;
mod sample;

use std::collections::HashSet;

use affekt_report::metrics::{ByBin, Confusion, Gap, Metric};
use affekt_report::training::{Evidence, Training};
use roxmltree::{Document, Node, ParsingOptions};
use sample::{NASTY, Plan, evidence, made, run};

/// A page as XML.
pub fn parse(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(html, options).unwrap()
}

/// All text of the body, as a reader sees it.
pub fn text(html: &str) -> String {
    let document = parse(html);
    let body = document.descendants().find(|node| node.has_tag_name("body")).unwrap();
    body.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect::<Vec<_>>().join(" ")
}

/// Whether a page is well-formed, refers to nothing, runs nothing, and tells those who do not see what is drawn.
pub fn check(html: &str) {
    let document = parse(html);
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("h1")).count(), 1);
    let mut ids = HashSet::new();
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(!["script", "iframe", "object", "embed", "form", "base", "image"].contains(&name), "{name}");
        for attribute in node.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            assert!(!key.starts_with("on") && key != "style" && key != "srcset", "{key}");
            if ["src", "href", "data", "action"].contains(&key) {
                assert!(value.starts_with("data:") || value.starts_with('#'), "{key}");
            }
            assert!(key != "id" || ids.insert(value.to_owned()), "{value} twice");
            // Digits of a picture may spell anything.
            assert!(key == "src" || !(value.contains("NaN") || value.contains("inf")), "{key}={value}");
        }
        match name {
            "style" => {
                assert!(!node.text().unwrap().contains("url(") && !node.text().unwrap().contains("@import"));
            }
            "img" => assert!(!node.attribute("alt").unwrap().is_empty()),
            "th" => assert!(node.has_attribute("scope")),
            "svg" if !node.ancestors().skip(1).any(|above| above.has_tag_name("svg")) => {
                let titled = node.first_element_child().is_some_and(|child| child.has_tag_name("title"));
                assert!(titled || node.attribute("aria-hidden") == Some("true"), "{node:?}");
            }
            _ => {}
        }
    }
    assert!(html.contains("default-src &#39;none&#39;"));
    assert!(!html.contains("<script") && !html.contains("<!--") && html.matches("</style>").count() == 1);
}

fn page(training: &Training, evidence: &[Evidence]) -> String {
    let html = training.to_html(evidence, &made());
    check(&html);
    html
}

#[test]
fn every_number_of_the_results_is_on_the_page() {
    let (training, evidence) = run(&Plan::default());
    let html = page(&training, std::slice::from_ref(&evidence));
    let text = text(&html);
    for outcome in &training.results {
        for entry in outcome.metrics.entries() {
            assert!(text.contains(entry.title) && text.contains(&entry.text()), "{entry:?}");
            assert!(text.contains(&entry.samples.to_string()));
        }
    }
    let of = |flow: usize| &training.results[flow].metrics;
    let gap = Gap::between(of(0), of(1));
    assert!(
        text.contains(&Metric::Mae.shown(gap.mae)) && text.contains(&Metric::Acc2Has0.shown(gap.acc2_has0))
    );
    for expected in [
        "paper, seed 1",
        "lowest mean validation MAE of complete and text-missing",
        "4,270,412",
        "has0",
        "non0",
        "3 clips of train have no face",
        "split_clean752",
        "51 clips left out by rule",
        "settings.loss.rnc",
        "wavlm-large",
        "vicuna-7b",
    ] {
        assert!(text.contains(expected), "{expected}");
    }
    for term in training.terms() {
        assert!(text.contains(term), "{term}");
    }
}

#[test]
fn plots_show_the_evidence() {
    let (training, evidence) = run(&Plan::default());
    let html = page(&training, std::slice::from_ref(&evidence));
    let document = parse(&html);
    let labels: Vec<f64> = evidence.clips.iter().map(|clip| clip.label).collect();
    for flow in 0..2 {
        let said: Vec<f64> = evidence.clips.iter().map(|clip| clip.valence[flow]).collect();
        for bin in ByBin::of(&said, &labels).unwrap().bins {
            assert!(text(&html).contains(&format!("{:.3}", bin.mae.unwrap())), "{bin:?}");
        }
        let confusion = Confusion::of(&said, &labels).unwrap();
        let table = document
            .descendants()
            .filter(|node| node.has_tag_name("table") && node.attribute("class") == Some("confusion"))
            .nth(flow)
            .unwrap();
        let cells = table.descendants().filter(|node| node.has_tag_name("td"));
        let counts: Vec<usize> = cells
            .map(|cell| cell.descendants().find_map(|node| node.text()).unwrap().parse().unwrap())
            .collect();
        assert_eq!(counts, confusion.counts.concat());
    }
    let points: usize = document
        .descendants()
        .filter(|node| node.attribute("class").is_some_and(|class| class.starts_with("dots")))
        .map(|node| node.attribute("d").unwrap().matches('M').count())
        .sum();
    assert_eq!(points, 2 * evidence.clips.len());
    assert_eq!(document.descendants().filter(|node| node.attribute("class") == Some("heat")).count(), 1);
}

#[test]
fn the_page_of_a_large_run_is_bounded() {
    let (training, evidence) = run(&Plan { clips: 4_659, ..Plan::default() });
    assert_eq!(evidence.similarity.as_ref().unwrap().labels.len(), 300);
    let html = page(&training, &[evidence]);
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
}

#[test]
fn text_of_others_stays_text() {
    let (mut training, mut evidence) =
        run(&Plan { flows: vec![NASTY.into(), "b".into()], clips: 40, ..Plan::default() });
    training.name = NASTY.into();
    training.warnings = vec![NASTY.into()];
    training.chosen.rule = NASTY.into();
    training.data.labels = NASTY.into();
    training.data.left_out[0].reason = NASTY.into();
    training.config = serde_json::json!({ NASTY: NASTY });
    training.epochs[0].losses[1].0 = NASTY.into();
    training.epochs[1].phase = NASTY.into();
    evidence.clips[0].clip = NASTY.into();
    evidence.clips[0].valence[0] = 9.0;
    evidence.attention[0].parts[0].0 = NASTY.into();
    let html = page(&training, &[evidence]);
    assert!(!html.contains('\u{202e}'));
    assert!(text(&html).matches("<script>alert(\"1\")</script> & 'two'").count() > 15);
}

#[test]
fn small_and_odd_runs_have_a_page() {
    let one_flow = vec!["complete".to_owned()];
    let many: Vec<String> = (0..8).map(|at| format!("without {at}")).collect();
    let plans = [
        Plan { epochs: 1, ..Plan::default() },
        Plan { epochs: 0, ..Plan::default() },
        Plan { validated: false, ..Plan::default() },
        Plan { flows: one_flow.clone(), ..Plan::default() },
        Plan { clips: 1, ..Plan::default() },
        Plan { clips: 1, flows: one_flow, validated: false, epochs: 1, ..Plan::default() },
        Plan { flows: many, clips: 50, ..Plan::default() },
        Plan { epochs: 1_200, clips: 20, ..Plan::default() },
    ];
    for plan in plans {
        let (training, evidence) = run(&plan);
        let html = page(&training, &[evidence]);
        assert!(html.len() < 1_500_000, "{} bytes", html.len());
        page(&training, &[]);
    }
    let (mut training, _) = run(&Plan::default());
    training.results.clear();
    assert!(text(&page(&training, &[])).contains("No split was judged."));
}

#[test]
fn what_is_undefined_is_told_with_its_reason() {
    let (mut training, mut evidence) = run(&Plan::default());
    evidence.clips.iter_mut().for_each(|clip| (clip.valence, clip.label) = (vec![0.5, 0.25], 0.0));
    let of = |flow: usize| {
        let (said, labels): (Vec<f64>, Vec<f64>) =
            evidence.clips.iter().map(|clip| (clip.valence[flow], clip.label)).unzip();
        affekt_report::Metrics::of(&said, &labels).unwrap()
    };
    training.results.truncate(2);
    (training.results[0].metrics, training.results[1].metrics) = (of(0), of(1));
    let text = text(&page(&training, &[evidence]));
    assert!(text.contains("undefined: the predictions or the labels are constant"));
    assert!(text.contains("undefined: every label is 0"));
}

#[test]
fn numbers_that_are_none_break_no_drawing() {
    let (mut training, mut evidence) = run(&Plan::default());
    training.epochs[3].losses[0].1 = f64::NAN;
    training.epochs[4].losses[1].1 = f64::INFINITY;
    training.epochs[5].gradient_norm = Some(f64::INFINITY);
    training.epochs[6].valid[0].metrics.mae = f64::NAN;
    evidence.clips[0].valence[0] = f64::NAN;
    evidence.clips[1].valence.clear();
    evidence.attention[0].parts[0].1 = f64::NAN;
    evidence.similarity.as_mut().unwrap().distances[7] = f64::NAN;
    assert!(
        text(&page(&training, std::slice::from_ref(&evidence))).contains("Not finite in 1 of the epochs")
    );
    evidence.similarity.as_mut().unwrap().distances.pop();
    page(&training, std::slice::from_ref(&evidence));
    evidence.clips.clear();
    assert!(text(&page(&training, &[evidence])).contains("there are no samples"));
}

#[test]
fn phases_stand_one_after_the_other() {
    let (mut training, evidence) = run(&Plan::default());
    let mut student: Vec<_> = training.epochs.iter().take(10).cloned().collect();
    for epoch in &mut student {
        epoch.phase = "student".into();
        epoch.losses = vec![("adversary.total".into(), 0.7)];
    }
    training.epochs.iter_mut().for_each(|epoch| epoch.phase = "teacher".into());
    training.epochs.extend(student);
    (training.chosen.phase, training.chosen.epoch) = ("student".into(), 4);
    let text = text(&page(&training, &[evidence]));
    assert!(text.contains("Kept: epoch 4 of student") && text.contains("adversary.total"));
}

#[test]
fn no_page_is_wider_than_its_window() {
    let (training, evidence) = run(&Plan { clips: 60, ..Plan::default() });
    browser::fits(&page(&training, &[evidence]), "training");
    browser::fits(&comparison::tables().to_html(&made()), "comparison");
}

/// Pages to look at: `AFFEKT_TRAINING=FOLDER cargo test -p affekt-report --test training`.
#[test]
fn pages_to_look_at() {
    let Some(folder) = std::env::var_os("AFFEKT_TRAINING") else { return };
    let folder = std::path::Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let (training, test) = run(&Plan::default());
    training.save(&folder.join("run"), &[test], &made()).unwrap();
    let (training, _) = run(&Plan { epochs: 1, clips: 1, ..Plan::default() });
    let small = evidence(&Plan { clips: 1, ..Plan::default() });
    std::fs::write(folder.join("small.html"), training.to_html(&[small], &made())).unwrap();
    let flows = ["complete", "no text", "no audio", "no video", "text only", "audio only", "video only"];
    let (training, test) =
        run(&Plan { flows: flows.map(str::to_owned).into(), clips: 300, ..Plan::default() });
    std::fs::write(folder.join("flows.html"), training.to_html(&[test], &made())).unwrap();
    let table = comparison::tables();
    std::fs::write(folder.join("table.html"), table.to_html(&made())).unwrap();
    std::fs::write(folder.join("table.txt"), table.to_text(100)).unwrap();
}
