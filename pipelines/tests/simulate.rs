//! Text simulated from cached speech: whatever is in flight beside a clip, its text is its own.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use affekt_cache::{Clip, Facts, Status, Store};
use affekt_core::{ClipId, Digest, FeatureKind, SampleRate, Silent, Span};
use affekt_generate::Budget;
use affekt_pipelines::batch::{End, Error, Outcome};
use affekt_pipelines::dataset::Row;
use affekt_pipelines::features::simulated::Encoder;
use affekt_pipelines::networks::Encoders;
use affekt_pipelines::recipe::{Mode, Recipes, simulated_spec, specs};
use affekt_pipelines::simulate::{Plan, Settings, run, source};
use affekt_weights::Bundle;
use candle_core::{Device, Tensor};
use tempfile::TempDir;

/// What all runs share: short texts, of two beams.
struct Kit {
    bundle: Bundle,
    recipes: Recipes,
    encoders: Vec<Encoder>,
    /// Bytes of cache that a position of the language model takes.
    slot_bytes: usize,
}

impl Kit {
    fn new(mode: Mode) -> Self {
        let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny")).unwrap();
        let mut recipes = Recipes::of(&bundle).unwrap();
        recipes.simulated.mode = mode;
        recipes.simulated.beams = 2;
        recipes.simulated.max_new_tokens = 40;
        recipes.simulated.robust = true;
        // Two devices, though they are the same.
        let devices = [Device::Cpu, Device::Cpu];
        let encoders = Encoders::load_all(&bundle, &recipes, &[FeatureKind::Simulated], &devices).unwrap();
        assert!(encoders.iter().all(|encoders| encoders.voice.is_none()), "speech is there already");
        let encoders = encoders.into_iter().map(|encoders| encoders.simulator.unwrap()).collect();
        let config = bundle.config::<affekt_llama::Config>("llama").unwrap();
        let slot_bytes = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 4;
        Self { bundle, recipes, encoders, slot_bytes }
    }

    /// The speech of a cache.
    fn speech(&self, cache: &TempDir) -> Store {
        let spec = specs(&self.bundle, &self.recipes, &[FeatureKind::Speech], &[], "f32").unwrap().remove(0);
        Store::open(cache.path(), &spec).unwrap()
    }

    /// A cache with a clip of so many rows each, called after its place.
    fn cache(&self, rows: &[usize]) -> TempDir {
        let cache = tempfile::tempdir().unwrap();
        let store = self.speech(&cache);
        let mut writer = store.writer().unwrap();
        for (at, rows) in rows.iter().enumerate() {
            let numbers =
                (0..rows * store.spec().width).map(|number| ((number + 97 * at) as f32 * 0.37).sin());
            let facts = Facts { samples: Some(320 * rows + 80), ..Facts::default() };
            let id = ClipId::new(format!("clip_{at}")).unwrap();
            writer.add(id, facts, &numbers.collect::<Vec<_>>()).unwrap();
        }
        writer.commit().unwrap();
        cache
    }

    fn plan(&self, cache: &TempDir, rows: &[Row], retry_failed: bool) -> Result<Plan, Error> {
        let spec = simulated_spec(&self.bundle, &self.recipes, "f32", "f32").unwrap();
        Plan::new(rows, self.speech(cache), cache.path(), &spec, retry_failed)
    }

    fn all(&self, cache: &TempDir) -> Plan {
        let rows = source::clips(cache.path(), &self.speech(cache)).unwrap();
        self.plan(cache, &rows, false).unwrap()
    }

    fn run(&self, plan: &Plan, generation: Budget, stop: bool) -> Outcome {
        self.run_on(1, plan, generation, stop)
    }

    /// On so many devices.
    fn run_on(&self, devices: usize, plan: &Plan, generation: Budget, stop: bool) -> Outcome {
        let settings = Settings { generation: generation.into(), commit_every: 3, max_failures: None };
        run(plan, &self.encoders[..devices], &settings, &AtomicBool::new(stop), &Silent).unwrap()
    }

    fn simulated(&self, cache: &TempDir) -> Store {
        let spec = simulated_spec(&self.bundle, &self.recipes, "f32", "f32").unwrap();
        Store::open(cache.path(), &spec).unwrap()
    }
}

/// What the cache has of a clip, against what it comes to alone.
fn check(kit: &Kit, speech: &Store, simulated: &Store, clip: &Clip) {
    let heard = speech.feature(&clip.id).unwrap();
    let rows = Tensor::from_vec(heard.to_f32(), (heard.rows, heard.width), &Device::Cpu).unwrap();
    let samples = clip.facts.samples.unwrap();
    let Some(alone) = kit.encoders[0].encode(&rows, samples).unwrap() else {
        assert!(heard.rows < 5, "{}: {} rows", clip.id, heard.rows);
        let Status::Absent { reason } = &clip.status else { panic!("{clip:?}") };
        assert!(reason.contains("too short") && clip.facts.hypothesis.is_none(), "{reason}");
        return;
    };
    assert_eq!(clip.facts.hypothesis, alone.told.hypothesis, "{}", clip.id);
    assert_eq!(clip.facts.score, alone.told.score, "{}", clip.id);
    assert_eq!(clip.facts.tokens, Some(alone.told.tokens), "{}", clip.id);
    let flags = (alone.told.looped, alone.refused, alone.capped);
    assert_eq!(
        (clip.facts.looped, clip.facts.refused, clip.facts.capped),
        (Some(flags.0), Some(flags.1), Some(flags.2))
    );
    assert!(alone.told.tokens <= 40.min(16 + (8.0 * SampleRate::SPEECH.seconds(samples).0).ceil() as usize));
    match alone.feature {
        None => assert!(matches!(clip.status, Status::Absent { .. })),
        Some(feature) => {
            let bits = |numbers: Vec<f32>| numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let alone = feature.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(bits(simulated.feature(&clip.id).unwrap().to_f32()) == bits(alone), "{}", clip.id);
        }
    }
}

#[test]
fn neighbours_and_budgets_are_nothing_to_a_clip() {
    let kits = [Kit::new(Mode::Best), Kit::new(Mode::Beam0)];
    let property = arbtest::arbtest(|random| {
        let kit = random.choose(&kits)?;
        let count = random.int_in_range(1..=7)?;
        let rows: Vec<usize> = (0..count).map(|_| random.int_in_range(1..=90)).collect::<Result<_, _>>()?;
        let clips = random.int_in_range(1..=8)?;
        // Positions from little more than one clip needs to plenty.
        let bytes = random.int_in_range(195..=1_465)? * kit.slot_bytes;
        let prefill = random.int_in_range(1..=300)?;
        let cache = kit.cache(&rows);
        let plan = kit.all(&cache);
        assert_eq!(plan.tasks.len(), rows.len());
        let devices = random.int_in_range(1..=2)?;
        let outcome = kit.run_on(devices, &plan, Budget { bytes, clips, prefill }, false);
        assert_eq!(outcome.devices.len(), devices);
        assert!(matches!(outcome.end, End::Finished) && outcome.failed.is_empty(), "{:?}", outcome.failed);
        let generated = outcome.effort.generated.unwrap();
        assert!(generated.most_clips <= clips && generated.peak_bytes <= bytes, "{generated:?}");
        let simulated = kit.simulated(&cache);
        assert_eq!(simulated.clips().len(), rows.len());
        let speech = kit.speech(&cache);
        simulated.clips().into_iter().for_each(|clip| check(kit, &speech, &simulated, clip));
        assert!(kit.all(&cache).tasks.is_empty(), "nothing is left");
        Ok(())
    });
    property.budget_ms(4_000).run();
}

#[test]
fn a_run_that_is_stopped_at_once_makes_nothing_and_loses_nothing() {
    let kit = Kit::new(Mode::Best);
    let cache = kit.cache(&[20, 4, 30]);
    let outcome = kit.run(&kit.all(&cache), Budget::default(), true);
    assert!(matches!(outcome.end, End::Interrupted), "{:?}", outcome.end);
    assert_eq!((outcome.counts.committed, outcome.counts.total), (0, 3));
    let plan = kit.all(&cache);
    assert_eq!(plan.tasks.len(), 3);
    // The most speech first.
    let order: Vec<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(order, ["clip_2", "clip_0", "clip_1"]);
    assert_eq!(kit.run(&plan, Budget::default(), false).counts.committed, 3);
}

#[test]
fn a_plan_is_of_clips_that_have_speech_and_lie_where_they_lay() {
    let kit = Kit::new(Mode::Best);
    let cache = kit.cache(&[20, 20]);
    let rows = source::clips(cache.path(), &kit.speech(&cache)).unwrap();
    let mut more = rows.clone();
    more.push(Row { id: ClipId::new("unheard").unwrap(), ..rows[0].clone() });
    let error = kit.plan(&cache, &more, false).err().unwrap();
    assert!(
        matches!(&error, Error::Unheard { count: 1, first, .. } if first.as_str() == "unheard"),
        "{error}"
    );
    // Speech of no known place is taken for what the dataset says; text keeps the place that it was made for.
    let store = kit.simulated(&cache);
    let mut writer = store.writer().unwrap();
    let span = Span::new(Some(1.0), Some(2.0)).unwrap();
    let facts = Facts { span: Some(span), ..Facts::default() };
    writer.add_failure(rows[0].id.clone(), facts.clone(), "simulate", "no memory").unwrap();
    writer.add_absent(rows[1].id.clone(), facts, "no words").unwrap();
    writer.commit().unwrap();
    assert!(matches!(kit.plan(&cache, &rows, false), Err(Error::Moved { .. })));
    let rows: Vec<Row> = rows.into_iter().map(|row| Row { span, ..row }).collect();
    let plan = kit.plan(&cache, &rows, false).unwrap();
    assert_eq!((plan.tasks.len(), plan.held.absent, plan.held.failed), (0, 1, 1));
    assert_eq!(plan.failed_before, [rows[0].id.clone()]);
    assert_eq!(kit.plan(&cache, &rows, true).unwrap().tasks.len(), 1);
}

/// Failures for want of speech are no failures any more when it is there; others wait to be asked for.
#[test]
fn what_failed_for_want_of_speech_is_taken_up_by_itself() {
    let kit = Kit::new(Mode::Best);
    let cache = kit.cache(&[20, 20, 20]);
    let rows = source::clips(cache.path(), &kit.speech(&cache)).unwrap();
    let store = kit.simulated(&cache);
    let mut writer = store.writer().unwrap();
    for (row, stage) in rows.iter().zip(["decode", "simulate", "write"]) {
        writer.add_failure(row.id.clone(), Facts::default(), stage, "once").unwrap();
    }
    writer.commit().unwrap();
    let plan = kit.plan(&cache, &rows, false).unwrap();
    assert_eq!(plan.tasks.iter().map(|task| &task.id).collect::<Vec<_>>(), [&rows[0].id]);
    assert_eq!(plan.held.failed, 2);
}

#[test]
fn recordings_are_named_after_their_clips_where_that_is_clear() {
    let kit = Kit::new(Mode::Best);
    let cache = tempfile::tempdir().unwrap();
    let mut speech = kit.speech(&cache);
    let mut writer = speech.writer().unwrap();
    let (one, two, three) = (Digest::of(b"one"), Digest::of(b"two"), Digest::of(b"three"));
    for (id, media) in
        [("a_0", &one), ("a_1", &one), ("b_x_0", &two), ("b_x_1", &two), ("c_0", &three), ("d", &three)]
    {
        let facts = Facts { media: Some(media.clone()), ..Facts::default() };
        writer.add_absent(ClipId::new(id).unwrap(), facts, "silent").unwrap();
    }
    writer.commit().unwrap();
    speech.refresh().unwrap();
    let rows = source::clips(cache.path(), &speech).unwrap();
    let named: Vec<&str> = rows.iter().map(|row| row.video.as_str()).collect();
    let digest = &three.as_str()[..12];
    assert_eq!(named, ["a", "a", "b_x", "b_x", digest, digest]);
    // By name alone: what one machine has, no other has, and together they have all.
    let shares: Vec<usize> = (0..3).map(|index| source::share(rows.clone(), index, 3).len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), rows.len(), "{shares:?}");
    assert_eq!(source::share(rows.clone(), 0, 1), rows);
}
