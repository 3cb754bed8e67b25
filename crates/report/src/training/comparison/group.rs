//! Which runs are one row, and what is doubtful about comparing them.

use std::collections::BTreeMap;

use affekt_core::Digest;
use serde_json::Value;

use super::{Comparison, Curves, Member, Row, against, results};
use crate::page::number::counted;
use crate::training::{Training, settings};

/// What the runs of a row have in common.
#[derive(PartialEq)]
struct Key<'a> {
    method: &'a str,
    config: Value,
    flows: &'a [String],
    features: Vec<&'a Digest>,
    splits: BTreeMap<&'a str, &'a Digest>,
}

/// A row under construction.
struct Group<'a> {
    key: Key<'a>,
    runs: Vec<(&'a str, &'a Training)>,
}

impl<'a> Key<'a> {
    fn of(run: &'a Training) -> Self {
        let data = &run.data;
        Self {
            method: &run.method,
            config: settings::but_seed(&run.config),
            flows: &run.flows,
            features: data.features.iter().map(|feature| &feature.digest).collect(),
            splits: data.splits.iter().map(|(name, facts)| (name.as_str(), &facts.digest)).collect(),
        }
    }
}

/// The table of `runs`.
pub fn compare(runs: &[(String, Training)]) -> Comparison {
    let mut warnings = Vec::new();
    let groups = groups(runs, &mut warnings);
    let split = split(runs);
    let mut flows: Vec<String> = Vec::new();
    for flow in runs.iter().flat_map(|(_, run)| &run.flows) {
        if !flows.contains(flow) {
            flows.push(flow.clone());
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for group in &groups {
        let name = unused(&group.runs[0].1.name, &rows);
        let mut row = row(name, group, &split, &flows);
        if let (Some(first), Some(of_first)) = (rows.first(), groups.first()) {
            row.differs = settings::differences(&of_first.key.config, &group.key.config);
            row.against_first = against(&row, first);
        }
        rows.push(row);
    }
    doubts(&groups, &rows, &split, &mut warnings);
    Comparison { split, flows, rows, warnings }
}

fn groups<'a>(runs: &'a [(String, Training)], warnings: &mut Vec<String>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    for (name, run) in runs {
        let key = Key::of(run);
        let Some(group) = groups.iter_mut().find(|group| group.key == key) else {
            groups.push(Group { key, runs: vec![(name, run)] });
            continue;
        };
        match group.runs.iter().find(|(_, other)| other.seed == run.seed) {
            // Twice the same run would feign certainty.
            Some((other, _)) => warnings.push(format!(
                "{name} is left out: {other} has the same settings, clips and seed {}",
                run.seed
            )),
            None => group.runs.push((name, run)),
        }
    }
    groups.iter_mut().for_each(|group| group.runs.sort_by_key(|(_, run)| run.seed));
    groups
}

/// The split that counts most among all.
fn split(runs: &[(String, Training)]) -> String {
    let has = |split: &str| runs.iter().any(|(_, run)| run.judged_splits().contains(&split));
    let first = ["test", "valid", "train"].into_iter().find(|split| has(split));
    let other = || runs.iter().find_map(|(_, run)| run.judged_splits().first().copied());
    first.or_else(other).unwrap_or("test").into()
}

/// `name`, with a number where a row has it already.
fn unused(name: &str, rows: &[Row]) -> String {
    let taken = |name: &str| rows.iter().any(|row| row.name == name);
    let numbered = || (2..).map(|number| format!("{name} #{number}")).find(|name| !taken(name));
    if taken(name) { numbered().unwrap_or_default() } else { name.into() }
}

fn row(name: String, group: &Group, split: &str, flows: &[String]) -> Row {
    let members: Vec<&Training> = group.runs.iter().map(|(_, run)| *run).collect();
    let (results, gaps) = results(split, flows, &members);
    let curve = |run: &&Training| Curves {
        flows: flows
            .iter()
            .map(|flow| run.epochs.iter().map(|epoch| epoch.validated(flow).map(|m| m.mae)).collect())
            .collect(),
    };
    let member = |(name, run): &(&str, &Training)| Member {
        run: (*name).into(),
        seed: run.seed,
        epoch: run.chosen.epoch,
    };
    Row {
        name,
        method: group.key.method.into(),
        rule: members[0].chosen.rule.clone(),
        runs: group.runs.iter().map(member).collect(),
        differs: Vec::new(),
        results,
        gaps,
        against_first: Vec::new(),
        published: Vec::new(),
        curves: members.iter().map(curve).collect(),
    }
}

fn doubts(groups: &[Group], rows: &[Row], split: &str, warnings: &mut Vec<String>) {
    for (group, row) in groups.iter().zip(rows) {
        let without = group.runs.iter().filter(|(_, run)| !run.judged_splits().contains(&split)).count();
        if without > 0 {
            let runs = counted(without, "run", "runs");
            warnings.push(format!("{}: {runs} without results on {split}", row.name));
        }
        let (Some(first), Some(name)) = (groups.first(), rows.first().map(|row| &row.name)) else { continue };
        let digest = |group: &Group| group.key.splits.get(split).map(|digest| digest.as_str().to_owned());
        if digest(group) != digest(first) {
            warnings.push(format!(
                "{} was judged on other clips of {split} than {name} ({} and {}): their numbers cannot be compared",
                row.name,
                short(group, split),
                short(first, split)
            ));
        }
        let rules = group.runs.iter().any(|(_, run)| run.chosen.rule != row.rule);
        if rules || row.rule != rows[0].rule {
            warnings.push(format!("{}: its parameters were chosen by another rule", row.name));
        }
    }
    of_runs(groups, rows, warnings);
}

/// What the runs themselves warn of, once each.
fn of_runs(groups: &[Group], rows: &[Row], warnings: &mut Vec<String>) {
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for (group, row) in groups.iter().zip(rows) {
        for warning in group.runs.iter().flat_map(|(_, run)| &run.warnings) {
            match told.iter_mut().find(|(known, _)| known == warning) {
                Some((_, names)) if names.contains(&row.name.as_str()) => {}
                Some((_, names)) => names.push(&row.name),
                None => told.push((warning, vec![&row.name])),
            }
        }
    }
    warnings.extend(told.into_iter().map(|(warning, names)| format!("{}: {warning}", names.join(", "))));
}

fn short(group: &Group, split: &str) -> String {
    group.key.splits.get(split).map_or_else(|| "no clips".into(), |digest| digest.short().to_owned())
}
