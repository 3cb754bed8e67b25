//! What `bench extract` tells people.

use affekt_core::Stage;
use affekt_pipelines::bench::Report;
use affekt_pipelines::bench::report::{Bound, Projection, Row, WholeRow};

use super::{minutes, time};

/// The table, what limits the whole, and the projection.
pub fn text(report: &Report) -> String {
    let mut lines = vec![data(report), machine(report), String::new()];
    lines.push(format!(
        "  {:<34}{:>8}{:>12}{:>12}{:>12}",
        "stage alone", "clips", "CPU s/clip", "clips/s", "real time"
    ));
    lines.extend(report.stages.iter().map(row));
    lines.extend([String::new(), bound(&report.bound, report.machine.cores), whole(&report.whole)]);
    lines.push(edges(&report.whole));
    lines.push(limit(report));
    lines.push(String::new());
    lines.extend(projection(&report.projection));
    lines.join("\n") + "\n"
}

fn data(report: &Report) -> String {
    let data = &report.data;
    let lengths = format!(
        "{} clips ({}) in {} recordings ({})",
        data.clips,
        minutes(data.clip_s),
        data.videos,
        minutes(data.video_s)
    );
    let made = data.generated.as_ref().map(|tree| {
        let (width, height, rate, encoder) = (tree.width, tree.height, tree.rate, tree.encoder);
        let bits = tree.bits as f64 / 1e6;
        format!(", generated: {width} x {height}, {rate} frames/s, {encoder}, {bits} Mbit/s")
    });
    let failed = match data.failed {
        0 => String::new(),
        failed => format!(", {failed} of them failed"),
    };
    format!("{lengths}{failed}{}", made.unwrap_or_default())
}

fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let features: Vec<&str> = report.features.iter().map(|feature| feature.name()).collect();
    let (cores, bundle, device) = (machine.cores, &machine.bundle, &machine.device);
    format!("{cores} cores; {} by {bundle} on {device}", features.join(", "))
}

/// One stage; what does not count in the bound is in brackets.
fn row(row: &Row) -> String {
    let name = match row.stage {
        Stage::Faces => "decode + faces + crops".to_owned(),
        stage => stage.name().to_owned(),
    };
    let name = match row.stage {
        Stage::Faces | Stage::Decode if row.workers == 1 => format!("{name}, 1 process"),
        Stage::Faces | Stage::Decode => format!("{name}, {} processes", row.workers),
        _ => name,
    };
    let name = if row.in_flow { name } else { format!("({name})") };
    let Row { clips, cpu_s_per_clip, clips_per_s, times_real_time, .. } = row;
    format!("  {name:<34}{clips:>8}{cpu_s_per_clip:>12.3}{clips_per_s:>12.2}{times_real_time:>11.1}x")
}

fn bound(bound: &Bound, cores: usize) -> String {
    let rate = bound.clips_per_s;
    match bound.device_s_per_clip.filter(|_| bound.resource == "device") {
        Some(seconds) => {
            format!("  bound            {rate:.2} clips/s: {seconds:.3} s of the device a clip")
        }
        None => {
            let cpu = bound.cpu_s_per_clip;
            format!("  bound            {rate:.2} clips/s: {cpu:.3} s of {cores} cores a clip")
        }
    }
}

fn whole(whole: &WholeRow) -> String {
    let WholeRow { wall_s, clips_per_s, times_real_time, ratio, .. } = whole;
    format!(
        "  whole            {clips_per_s:.2} clips/s, {times_real_time:.1}x real time, in {wall_s:.1} s: {ratio:.2} of the bound"
    )
}

fn edges(whole: &WholeRow) -> String {
    let around = whole.around_s.map(|seconds| format!(", {seconds:.2} s around the work"));
    format!("  start and stop   {:.2} s with nothing to do{}", whole.start_stop_s, around.unwrap_or_default())
}

fn limit(report: &Report) -> String {
    let Bound { resource, stage, share, .. } = &report.bound;
    let resource = if *resource == "cores" { "the cores" } else { "the device" };
    let said = report.whole.limit.as_ref().map(|limit| format!("; the run waited for {limit}"));
    let memory = report.whole.peak_memory_bytes;
    let memory =
        memory.map(|bytes| format!("; peak memory {:.0} MB beside the workers'", bytes as f64 / 1e6));
    format!(
        "  limited by       {resource}, of which {} takes {:.0}%{}{}",
        stage.name(),
        100.0 * share,
        said.unwrap_or_default(),
        memory.unwrap_or_default()
    )
}

fn projection(projection: &Projection) -> Vec<String> {
    let Projection { clips, clip_hours, video_hours, hours, stages } = projection;
    let stages: Vec<String> =
        stages.iter().map(|share| format!("{} {}", share.stage.name(), time(share.hours))).collect();
    vec![
        format!(
            "  all of MOSEI ({clips} clips, {clip_hours} h in {video_hours} h of video) on this machine: {}",
            time(*hours)
        ),
        format!("  each stage alone: {}", stages.join(", ")),
    ]
}
