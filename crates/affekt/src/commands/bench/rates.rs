//! What `bench simulate` tells people.

use affekt_pipelines::bench::simulate::Report;
use affekt_pipelines::bench::simulate::report::{Projection, Row, Text};

use super::{minutes, time};

/// The rates side by side, what limits them, and the projection.
pub fn text(report: &Report) -> String {
    let mut lines = vec![data(report), machine(report), String::new()];
    lines.push(format!(
        "  {:<10}{:>9}{:>8}{:>7}{:>10}{:>9}{:>12}{:>14}{:>8}{:>6}{:>6}{:>11}",
        "in flight",
        "seconds",
        "clips/s",
        "ratio",
        "tokens/s",
        "rows/s",
        "beam rows",
        "prompt rows",
        "passes",
        "mean",
        "most",
        "cache, MB"
    ));
    lines.extend(report.simulate.iter().map(row));
    lines.push(String::new());
    lines.extend(report.simulate.iter().map(limit));
    lines.extend(reach(report));
    lines.extend([words(&report.text), String::new(), projection(&report.projection)]);
    lines.join("\n") + "\n"
}

fn data(report: &Report) -> String {
    let data = &report.data;
    let origin = if data.cached { "out of the cache" } else { "drawn" };
    let short = match data.too_short {
        0 => String::new(),
        short => format!(", {short} of them too short"),
    };
    let tokens = report.simulate.first().map_or(0.0, |row| row.tokens as f64 / row.clips.max(1) as f64);
    format!(
        "{} voices ({}), {origin}{short}; texts of {tokens:.0} tokens on average, the same in every row",
        data.clips,
        minutes(data.clip_s)
    )
}

fn machine(report: &Report) -> String {
    let (machine, recipe, network) = (&report.machine, &report.recipe, &report.network);
    let robust = if recipe.robust { ", robust" } else { "" };
    format!(
        "{} cores; {} of {} on {}: {} parameters in rows' products, {:.1} MB; {} beams, up to {} tokens{robust}, {} of {}",
        machine.cores,
        network.name,
        machine.bundle,
        machine.device,
        count(network.parameters),
        network.bytes as f64 / 1e6,
        recipe.beams,
        recipe.max_new_tokens,
        recipe.mode,
        recipe.layers
    )
}

fn row(row: &Row) -> String {
    let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    format!(
        "  {:<10}{:>9.2}{:>8.2}{ratio:>7}{:>10.0}{:>9.0}{:>12}{:>14}{:>8}{:>6.1}{:>6}{:>11.1}",
        row.in_flight,
        row.seconds,
        row.clips_per_s,
        row.tokens_per_s,
        row.rows_per_s,
        row.beam_rows,
        row.prompt_rows,
        row.passes,
        row.mean_in_flight,
        row.most_in_flight,
        row.peak_cache_bytes as f64 / 1e6
    )
}

/// How near a row is to what the machine can do.
fn limit(row: &Row) -> String {
    let of = |share: Option<f64>| share.map_or(String::new(), |share| format!(" ({:.0}%)", 100.0 * share));
    let limit = row.limit.map_or(String::new(), |limit| format!("; limited by {}", limit.name()));
    let held_back = match row.held_back {
        0 => String::new(),
        times => format!("; held back {times} times for want of cache"),
    };
    format!(
        "  {:>3} in flight    {:.0}% occupied; weights read at {:.1} GB/s{}, products at {:.1} GFLOP/s{}{limit}{held_back}",
        row.in_flight,
        100.0 * row.occupancy,
        row.read_gb_per_s,
        of(row.of_reading),
        row.gflop_per_s,
        of(row.of_products)
    )
}

fn reach(report: &Report) -> Option<String> {
    report.reach.map(|reach| {
        format!(
            "  this machine     reads {:.1} GB/s and multiplies {:.0} GFLOP/s: percentages are of these",
            reach.read_gb_per_s, reach.gflop_per_s
        )
    })
}

fn words(text: &Text) -> String {
    format!(
        "  real text        {} transcripts of {:.0} tokens: {:.1}/s together, {:.1}/s one at a time, ratio {:.2}",
        text.clips,
        text.tokens as f64 / text.clips.max(1) as f64,
        text.together_per_s,
        text.alone_per_s,
        text.ratio
    )
}

fn projection(projection: &Projection) -> String {
    let Projection { clips, clip_hours, in_flight, simulate_hours, text_hours } = projection;
    format!(
        "  all of MOSEI ({clips} clips, {clip_hours} h) on this machine: {} of simulated text with {in_flight} in flight, {} of \
         real text",
        time(*simulate_hours),
        time(*text_hours)
    )
}

/// A number of parameters.
fn count(parameters: u64) -> String {
    let millions = parameters as f64 / 1e6;
    if millions >= 1e3 { format!("{:.2} G", millions / 1e3) } else { format!("{millions:.2} M") }
}
