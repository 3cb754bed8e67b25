//! `affekt bench extract`: each stage of batch extraction alone, the whole, what limits it, and what all of MOSEI would take.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use affekt::bundles;
use affekt_core::{Explain, FeatureKind, FeatureSpec};
use affekt_pipelines::bench::{Clips, Error, Machine, Report, Tree, stages, whole};
use affekt_pipelines::cut::Detector;
use affekt_pipelines::dataset::{Manifest, Source};
use affekt_pipelines::extract::encode::sizes::Sizes;
use affekt_pipelines::finder::Finder;
use affekt_pipelines::isolate::{Pool, Program};
use affekt_pipelines::networks::Encoders;
use affekt_pipelines::recipe::{Recipes, specs};
use affekt_pipelines::{Error as PipelineError, device};
use affekt_report::Failure;
use affekt_weights::Bundle;
use candle_core::Device;

use super::table;
use crate::cli::{self, Global};
use crate::commands::worker;
use crate::output;
use crate::progress::Progress;

/// The film that generated recordings show, and what is said in it.
const SAMPLE: &[u8] = include_bytes!("../../../../../models/tiny/sample.mp4");
const WORDS: &str = include_str!("../../../../../models/tiny/sample.txt");

/// Runs the command: exit 0 where everything was measured, 1 where not.
pub fn run(flags: &cli::BenchExtract, global: &Global) -> ExitCode {
    match measure(flags, global) {
        Ok(report) if global.json => output::json(&report),
        Ok(report) => output::data(&table::text(&report)),
        Err(error) => {
            output::failure(&Failure::new("bench extract", &*error), global.json);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

type Refusal = Box<dyn Explain>;

/// What takes part, checked before anything is generated.
struct Parts {
    bundle: Bundle,
    recipes: Recipes,
    device: Device,
    specs: Vec<FeatureSpec>,
    detector: Detector,
    program: Program,
    batch: Option<usize>,
}

impl Parts {
    /// The features to make.
    fn kinds(&self) -> Vec<FeatureKind> {
        self.specs.iter().map(|spec| spec.kind).collect()
    }
}

fn measure(flags: &cli::BenchExtract, global: &Global) -> Result<Report, Refusal> {
    let parts = parts(flags).map_err(refusal)?;
    let folder = tempfile::tempdir()
        .map_err(|error| refusal(Error::Write { path: std::env::temp_dir(), reason: error.to_string() }))?;
    let progress = Progress::new(global);
    let pool = worker::pool().map_err(refusal)?;
    let (clips, generated) = clips(flags, folder.path(), &pool)?;
    drop(pool);
    let measured = stages_alone(&parts, flags, &clips, folder.path(), &progress);
    progress.clear();
    let measured = measured.map_err(refusal)?;
    let extract = command(flags, &parts);
    let whole = whole::measure(&clips, &extract, folder.path()).map_err(refusal)?;
    let machine = Machine::this(&parts.device, parts.bundle.name());
    Ok(Report::new(machine, parts.kinds(), &clips, generated, &measured, &whole))
}

fn refusal(error: impl Explain + 'static) -> Refusal {
    Box::new(error)
}

fn parts(flags: &cli::BenchExtract) -> Result<Parts, PipelineError> {
    let making = &flags.making;
    let device = device::named(&making.device)?;
    let bundle = bundles::open(&making.models)?;
    let recipes = Recipes::of(&bundle)?;
    let finder = match making.detector.yunet() {
        Some((weights, namer)) => {
            Finder::by(&weights, &recipes).map_err(|source| PipelineError::named_by(namer, source))?
        }
        None => Finder::of(&bundle, &recipes)?,
    };
    let faces_device = &making.detector.faces_device;
    let finder =
        finder.on(faces_device).map_err(|source| PipelineError::named_by("--faces-device", source))?;
    let specs = specs(&bundle, &recipes, &making.kinds(), &finder.words(), making.store.name())?;
    let program = worker::program().map_err(PipelineError::from)?;
    let (batch, detector) = (making.batch(), finder.order());
    Ok(Parts { bundle, recipes, device, specs, detector, program, batch })
}

/// The clips, and how they were made where they are generated.
fn clips(flags: &cli::BenchExtract, folder: &Path, pool: &Pool) -> Result<(Clips, Option<Tree>), Refusal> {
    let length = |media: &Path| pool.probe(media).ok().flatten().map(|duration| duration.0);
    let read = |dataset: &str, root: Option<&Path>| {
        let manifest = Manifest::read(&Source { dataset, root, labels: None }).map_err(refusal)?;
        manifest.sound().map_err(refusal)
    };
    let most = flags.clips as usize;
    if let Some(dataset) = &flags.dataset {
        let manifest = read(dataset, flags.root.as_deref())?;
        return Ok((Clips::of(&manifest, most, length).map_err(refusal)?, None));
    }
    let (sample, root) = (folder.join("sample.mp4"), folder.join("mosei"));
    fs::write(&sample, SAMPLE)
        .map_err(|error| refusal(Error::Write { path: sample.clone(), reason: error.to_string() }))?;
    let tree = Tree::write(&root, most, &sample, WORDS).map_err(refusal)?;
    let manifest = read("mosei", Some(&root))?;
    Ok((Clips::of(&manifest, most, length).map_err(refusal)?, Some(tree)))
}

/// The networks are gone when this is over: the whole loads its own.
fn stages_alone(
    parts: &Parts,
    flags: &cli::BenchExtract,
    clips: &Clips,
    folder: &Path,
    progress: &Progress,
) -> Result<stages::Stages, Error> {
    let encoders = Encoders::load(&parts.bundle, &parts.recipes, &parts.kinds(), &parts.device)?;
    let means = stages::Means {
        encoders: &encoders,
        specs: &parts.specs,
        detector: &parts.detector,
        program: &parts.program,
        workers: flags.making.workers(std::slice::from_ref(&parts.device)),
        batch: Sizes::of(&encoders, parts.batch)?.voices,
        cache: &folder.join("stages"),
    };
    stages::measure(clips, &means, progress)
}

/// `affekt extract` with the same flags.
fn command(flags: &cli::BenchExtract, parts: &Parts) -> Program {
    let making = &flags.making;
    let features: Vec<&str> = parts.specs.iter().map(|spec| spec.kind.name()).collect();
    let mut arguments: Vec<OsString> = vec!["extract".into()];
    let texts = [
        ("--features", features.join(",")),
        ("--models", making.models.clone()),
        ("--device", device::name(&parts.device)),
        ("--faces-device", making.detector.faces_device.clone()),
        ("--store", making.store.name().to_owned()),
        ("--workers", making.workers(std::slice::from_ref(&parts.device)).to_string()),
    ];
    for (flag, value) in texts {
        arguments.extend([flag.into(), value.into()]);
    }
    if let Some(batch) = parts.batch {
        arguments.extend(["--batch".into(), batch.to_string().into()]);
    }
    if let Some(clips) = making.generating.in_flight {
        arguments.extend(["--in-flight".into(), clips.to_string().into()]);
    }
    if let Some(bytes) = making.generating.kv_memory {
        arguments.extend(["--kv-memory".into(), bytes.to_string().into()]);
    }
    if let Some((weights, _)) = making.detector.yunet() {
        arguments.extend(["--yunet".into(), weights.into()]);
    }
    Program { path: parts.program.path.clone(), arguments }
}
