//! The table of runs.

use affekt_core::Digest;
use affekt_report::metrics::{Metric, Spread, paired};
use affekt_report::training::comparison::Published;
use affekt_report::training::{Comparison, Training};

use crate::sample::{FLOWS, NASTY, Plan, made, run};
use crate::{check, text};

/// Rows of Table I with `seeds` seeds each.
fn runs(seeds: u64) -> Vec<(String, Training)> {
    let rows = [("paper", 0.0), ("no-mia", 0.03), ("no-rs", 0.01)];
    rows.into_iter()
        .flat_map(|(name, worse)| {
            (1..=seeds).map(move |seed| {
                let plan = Plan { name: name.into(), seed, worse, ..Plan::default() };
                (format!("runs/{name}-{seed}"), run(&plan).0)
            })
        })
        .collect()
}

fn published(complete: (f64, f64), missing: (f64, f64)) -> Vec<Published> {
    let one = |flow: &str, (mae, acc2): (f64, f64)| Published {
        flow: flow.into(),
        mae: Some(mae),
        acc2: Some(acc2),
        source: "Table I".into(),
    };
    vec![one(FLOWS[0], complete), one(FLOWS[1], missing)]
}

pub fn tables() -> Comparison {
    Comparison::of(&runs(5))
        .with_published("paper", published((0.506, 0.8764), (0.55, 0.8428)))
        .with_published("no-mia", published((0.515, 0.8695), (0.56, 0.8373)))
}

#[test]
fn runs_that_differ_in_their_seed_are_one_row() {
    let runs = runs(3);
    let table = Comparison::of(&runs);
    assert_eq!(table.split, "test");
    assert_eq!(table.rows.iter().map(|row| &row.name[..]).collect::<Vec<_>>(), ["paper", "no-mia", "no-rs"]);
    assert_eq!(table.rows[1].differs, ["settings.mia = off"]);
    assert_eq!(table.rows[2].differs, ["settings.loss.rs = 0.0"]);
    let mae: Vec<f64> =
        runs[..3].iter().map(|(_, run)| run.outcome("test", "complete").unwrap().metrics.mae).collect();
    let measured = table.rows[0].result("complete").unwrap().measured(Metric::Mae).unwrap();
    assert_eq!(measured.spread, Spread::of(&mae));
    let other: Vec<f64> =
        runs[3..6].iter().map(|(_, run)| run.outcome("test", "complete").unwrap().metrics.mae).collect();
    let test = table.rows[1].against("complete", Metric::Mae).unwrap();
    assert_eq!(*test, paired(&other, &mae).unwrap());
    assert!(table.rows[0].against_first.is_empty());
    assert!(table.rows[0].gaps[0].mae.mean.unwrap() > 0.0);
}

#[test]
fn only_common_seeds_are_paired() {
    let all = runs(4);
    // Seeds 1 to 3 of the first row, 2 to 4 of the second.
    let some: Vec<_> = all[..3].iter().chain(&all[5..8]).cloned().collect();
    let table = Comparison::of(&some);
    assert_eq!(table.rows[1].against("complete", Metric::Mae).unwrap().pairs, 2);
    let lone = Comparison::of(&[all[0].clone(), all[4].clone()]);
    let test = lone.rows[1].against("complete", Metric::Mae).unwrap();
    assert!(test.pairs == 1 && test.t_test.is_none());
    check(&lone.to_html(&made()));
    let none = Comparison::of(&[all[0].clone(), all[5].clone()]);
    check(&none.to_html(&made()));
    assert!(none.to_text(80).contains("no common seed"));
}

#[test]
fn what_cannot_be_compared_is_told() {
    let mut runs = runs(1);
    runs[1].1.data.splits.get_mut("test").unwrap().digest = Digest::of(b"other clips");
    runs[2].1.chosen.rule = "the last epoch".into();
    runs.push(("again".into(), runs[0].1.clone()));
    let table = Comparison::of(&runs);
    let told = table.warnings.join("\n");
    for expected in [
        "no-mia was judged on other clips of test than paper",
        "cannot be compared",
        "no-rs: its parameters were chosen by another rule",
        "again is left out: runs/paper-1 has the same settings, clips and seed 1",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(text(&table.to_html(&made())).contains("cannot be compared"));
    assert!(table.to_text(80).starts_with("warning: "));
}

#[test]
fn every_format_has_all_rows_flows_and_metrics() {
    let table = tables();
    let html = table.to_html(&made());
    check(&html);
    let (html, wide) = (text(&html), table.to_text(400));
    for row in &table.rows {
        for result in &row.results {
            for measured in &result.metrics {
                let (mean, sd) = (measured.spread.mean.unwrap(), measured.spread.sd.unwrap());
                let (mean, sd) = (measured.metric.shown(mean), measured.metric.shown(sd));
                assert!(html.contains(&mean) && html.contains(&format!("\u{b1} {sd}")), "{mean} {sd}");
                assert!(wide.contains(&format!("{mean} \u{b1} {sd}")), "{mean} {sd}: {wide}");
            }
        }
    }
    assert!(html.contains("0.5060") && html.contains("87.64%") && html.contains("Table I"));
    assert!(wide.contains("published MAE") && wide.contains("Acc-2 has0") && wide.contains("Acc-2 non0"));
    let csv = table.to_csv();
    assert_eq!(csv.lines().count(), 1 + 2 * 3);
    assert!(csv.lines().next().unwrap().contains("acc2_non0_sd"));
    let json: serde_json::Value = serde_json::from_str(&table.to_json()).unwrap();
    let mae = &json["rows"][0]["results"][0]["metrics"][0];
    assert_eq!(mae["metric"], "mae");
    assert_eq!(mae["n"], 5);
    assert_eq!(mae["values"].as_array().unwrap().len(), 5);
    assert_eq!(json["rows"][1]["against_first"][0]["pairs"], 5);
}

#[test]
fn the_text_keeps_its_width_and_stays_complete() {
    let table = tables();
    for width in [60, 80, 120] {
        let text = table.to_text(width);
        let tables =
            text.lines().filter(|line| ["run ", "paper ", "no-"].iter().any(|start| line.starts_with(start)));
        assert!(tables.clone().all(|line| line.chars().count() <= width), "{text}");
        for metric in ["MAE", "Corr", "Acc-7", "Acc-5", "Acc-2 has0", "F1 has0", "Acc-2 non0", "F1 non0"] {
            assert!(text.matches(metric).count() >= 2, "{metric}: {text}");
        }
    }
}

#[test]
fn names_of_others_stay_text() {
    let mut runs = runs(1);
    runs[0].0 = NASTY.into();
    runs[0].1.name = format!("{NASTY}\u{1b}[31m\n");
    runs[1].1.config = serde_json::json!({ NASTY: NASTY });
    let table = Comparison::of(&runs);
    check(&table.to_html(&made()));
    assert!(!table.to_text(80).contains('\u{1b}'));
}

#[test]
fn odd_tables_have_a_page() {
    let plans = [
        Plan { epochs: 1, clips: 1, ..Plan::default() },
        Plan { validated: false, name: "b".into(), ..Plan::default() },
        Plan { flows: vec!["other".into()], epochs: 0, name: "c".into(), ..Plan::default() },
    ];
    let runs: Vec<(String, Training)> = plans.iter().map(|plan| (plan.name.clone(), run(plan).0)).collect();
    for count in 0..=runs.len() {
        let table = Comparison::of(&runs[..count]);
        check(&table.to_html(&made()));
        table.to_text(40);
        table.to_csv();
    }
}
