//! `affekt doctor`: what this machine can do, and what this program was built with.

use std::process::ExitCode;

use affekt::{Error, bundles};
use affekt_core::{Explain, FeatureSpec};
use affekt_pipelines::{Networks, device};
use affekt_weights::Bundle;
use affekt_weights::bundle::report::Presence;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::{host, output};

/// What `doctor --json` tells.
#[derive(Serialize)]
struct Report {
    version: &'static str,
    /// Whether this build decodes media.
    media: bool,
    /// Version of the linked FFmpeg (libavformat), where media is built in.
    ffmpeg: Option<String>,
    /// Whether that FFmpeg was built with NVDEC, for --decode nvdec.
    nvdec: bool,
    /// System and instruction set.
    os: String,
    cores: usize,
    /// Memory of the machine, where the system tells.
    memory_bytes: Option<u64>,
    /// Instruction sets that the CPU kernels choose from at run time.
    cpu: Vec<&'static str>,
    /// Whether this program was built with CUDA.
    cuda: bool,
    /// Version of the NVIDIA driver, where one is loaded and the system tells.
    driver: Option<String>,
    /// Whether products of f32 on cards round to TF32: --tf32 or AFFEKT_TF32=1.
    tf32: bool,
    /// The cards, in the order of their indices.
    cards: Vec<CardReport>,
    bundle: Result<BundleReport, String>,
}

#[derive(Serialize)]
struct CardReport {
    /// What commands call it.
    device: String,
    #[serde(flatten)]
    state: CardState,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CardState {
    Usable {
        name: String,
        /// Compute capability: `9.0`.
        capability: String,
        memory_bytes: usize,
        /// Of these, what is free now.
        free_bytes: usize,
    },
    Unusable {
        error: String,
    },
}

#[derive(Serialize)]
struct BundleReport {
    name: String,
    description: String,
    trained: bool,
    /// What little world a trained bundle knows, where it knows no more.
    world: Option<String>,
    /// The networks that are untrained in a trained bundle.
    untrained: Vec<String>,
    /// Files that were read and have their listed digest.
    verified_files: usize,
    features: Vec<FeatureReport>,
}

#[derive(Serialize)]
struct FeatureReport {
    /// Folder in a cache.
    folder: String,
    spec: FeatureSpec,
}

/// Runs the command; exit 1 when something would keep `predict` from working.
pub fn run(flags: &cli::Doctor, global: &Global) -> ExitCode {
    let checked = check_bundle(&flags.models);
    let hint = checked.as_ref().err().and_then(Explain::hint);
    let host = host::host();
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        media: cfg!(feature = "media"),
        ffmpeg: ffmpeg(),
        nvdec: nvdec(),
        os: host.os,
        cores: host.cpus,
        memory_bytes: host.memory_bytes,
        cpu: instruction_sets(),
        cuda: candle_core::utils::cuda_is_available(),
        driver: driver(),
        tf32: device::allows_tf32(),
        cards: cards(),
        bundle: checked.map_err(|error| error.to_string()),
    };
    if global.json {
        output::json(&report);
    } else {
        output::data(&text(&report, hint.as_deref()));
    }
    if report.bundle.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Verifies the files of the bundle and loads its networks.
fn check_bundle(name: &str) -> Result<BundleReport, Error> {
    let bundle = bundles::open(name)?;
    let verified_files = verified(&bundle)?;
    let networks = Networks::load(&bundle, &candle_core::Device::Cpu)?;
    let specs = networks.specs()?;
    let features = specs.into_iter().map(|spec| FeatureReport { folder: spec.folder(), spec }).collect();
    let manifest = bundle.manifest();
    let untrained = manifest.untrained().into_iter().map(str::to_owned).collect();
    let affekt_weights::bundle::Manifest { name, description, trained, world, .. } = manifest.clone();
    Ok(BundleReport { name, description, trained, world, untrained, verified_files, features })
}

/// How many files are there, each of them right.
fn verified(bundle: &Bundle) -> Result<usize, Error> {
    let mut count = 0;
    for file in bundle.files()? {
        match file.presence {
            Presence::Embedded => drop(bundle.file(file.path)?),
            Presence::Present => drop(bundle.path(file.path)?),
            Presence::Missing(_) => continue,
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(feature = "media")]
fn ffmpeg() -> Option<String> {
    Some(affekt_media::ffmpeg_version())
}

#[cfg(feature = "media")]
fn nvdec() -> bool {
    affekt_media::has_nvdec()
}

#[cfg(not(feature = "media"))]
fn nvdec() -> bool {
    false
}

fn cards() -> Vec<CardReport> {
    let report = |(index, card): (usize, Result<device::Card, Error>)| CardReport {
        device: format!("cuda:{index}"),
        state: match card {
            Ok(device::Card { name, capability: (major, minor), memory }) => CardState::Usable {
                name,
                capability: format!("{major}.{minor}"),
                memory_bytes: memory.total,
                free_bytes: memory.free,
            },
            Err(error) => CardState::Unusable { error: error.to_string() },
        },
    };
    device::known().into_iter().enumerate().map(report).collect()
}

/// What the driver's module says of itself: its version stands behind its name.
fn driver() -> Option<String> {
    version(&std::fs::read_to_string("/proc/driver/nvidia/version").ok()?)
}

fn version(told: &str) -> Option<String> {
    let (_, rest) = told.lines().next()?.split_once("Kernel Module")?;
    let digits = |word: &&str| word.starts_with(|letter: char| letter.is_ascii_digit());
    rest.split_whitespace().find(digits).map(str::to_owned)
}

#[cfg(not(feature = "media"))]
fn ffmpeg() -> Option<String> {
    None
}

#[cfg(target_arch = "x86_64")]
fn instruction_sets() -> Vec<&'static str> {
    let sets = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    sets.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction_sets() -> Vec<&'static str> {
    Vec::new()
}

fn cuda(report: &Report) -> String {
    let built = if report.cuda { "built in" } else { "not built in" };
    let driver = report.driver.as_ref().map_or("no driver".into(), |version| format!("driver {version}"));
    let rounding = if report.tf32 { "on" } else { "off" };
    format!("  cuda      {built}, {driver}, TF32 {rounding}")
}

fn text(report: &Report, hint: Option<&str>) -> String {
    let gigabytes = |bytes: u64| format!(", {:.1} GB of memory", bytes as f64 / 1e9);
    let memory = report.memory_bytes.map(gigabytes).unwrap_or_default();
    let mut lines = vec![
        format!("affekt {}", report.version),
        match &report.ffmpeg {
            Some(version) => {
                let nvdec = if report.nvdec { "with nvdec" } else { "without nvdec" };
                format!("  media     FFmpeg, {version}, {nvdec}")
            }
            None => "  media     not built in: predict and faces are missing".into(),
        },
        format!("  system    {}{memory}", report.os),
        format!("  cpu       {} cores, {}", report.cores, report.cpu.join(" ")),
        cuda(report),
    ];
    lines.extend(report.cards.iter().map(|card| match &card.state {
        CardState::Usable { name, capability, memory_bytes, free_bytes } => {
            let gigabytes = |bytes: usize| bytes as f64 / 1e9;
            let (free, all) = (gigabytes(*free_bytes), gigabytes(*memory_bytes));
            format!("  {:<10}{name}, capability {capability}, {free:.1} of {all:.1} GB free", card.device)
        }
        CardState::Unusable { error } => format!("  {:<10}error: {error}", card.device),
    }));
    match &report.bundle {
        Ok(bundle) => {
            let trained = if bundle.trained { "" } else { " (untrained: its numbers carry no meaning)" };
            let world =
                bundle.world.iter().map(|world| format!("            knows only its small world: {world}"));
            let networks = bundle.untrained.join(", ");
            let untrained = (!networks.is_empty()).then(|| format!("            untrained: {networks}"));
            lines.push(format!(
                "  bundle    {}{trained}, {} files verified",
                bundle.name, bundle.verified_files
            ));
            lines.extend(world.chain(untrained));
            let feature = |feature: &FeatureReport| {
                let FeatureSpec { encoder, width, row, .. } = &feature.spec;
                format!("  feature   {:<20} {encoder}, {width} wide, a row a {row}", feature.folder)
            };
            lines.extend(bundle.features.iter().map(feature));
        }
        Err(error) => {
            lines.push(format!("  bundle    error: {error}"));
            lines.extend(hint.map(|hint| format!("            hint: {hint}")));
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_version_is_read() {
        let closed =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC";
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build";
        assert_eq!(version(closed).as_deref(), Some("550.54.15"));
        assert_eq!(version(open).as_deref(), Some("580.95.05"));
        assert_eq!(version("something else"), None);
    }
}
