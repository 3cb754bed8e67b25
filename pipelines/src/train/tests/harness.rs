//! What the harness promises to any method.

use affekt_weights::tensors::read_noted;

use super::*;
use crate::train::folder::CHECKPOINT;

fn bytes(out: &Path) -> Vec<u8> {
    fs::read(out.join(CHECKPOINT)).unwrap()
}

#[test]
fn phases_and_updates_move_what_is_theirs() {
    let world = World::new(60);
    let (plan, out) = (world.plan(Toy::default(), &[]), world.out("run"));
    let training = trained(&plan, &out).unwrap();
    let phases: Vec<&str> = training.epochs.iter().map(|epoch| epoch.phase.as_str()).collect();
    assert_eq!(phases, ["teacher", "teacher", "teacher", "student", "student", "student", "student"]);
    let names = |epoch: usize| -> Vec<&str> {
        training.epochs[epoch].losses.iter().map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(names(0), ["total", "task"]);
    let student =
        ["critic.total", "critic.told", "student.total", "student.task", "student.like", "student.fooled"];
    assert_eq!(names(3), student);
    assert_eq!(training.chosen.phase, "student");
    // The teacher learns in its phase and stands still in the student's.
    assert!(training.epochs[2].losses[0].1 < training.epochs[0].losses[0].1);
    let (values, _) = read_noted(&out.join(CHECKPOINT)).unwrap();
    let one = world.plan(Toy::default(), &["training.epochs=1"]);
    trained(&one, &world.out("one")).unwrap();
    let (fewer, _) = read_noted(&world.out("one").join(CHECKPOINT)).unwrap();
    for (name, same) in [("teacher.weight", true), ("student.weight", false), ("critic.weight", false)] {
        let numbers = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(numbers(&values[name]) == numbers(&fewer[name]), same, "{name}");
    }
}

#[test]
fn a_run_that_is_stopped_anywhere_ends_as_if_it_had_not_been() {
    let world = World::new(60);
    let plan = world.plan(Toy::default(), &[]);
    let whole = trained(&plan, &world.out("whole")).unwrap();
    // Six batches an epoch: in the first epoch, between two, in the other phase, in the last epoch.
    for at in [1, 6, 7, 18, 19, 41] {
        let out = world.out(&format!("stopped-{at}"));
        let error = stopped(&plan, &out, at).unwrap_err();
        assert!(
            matches!(error, Error::Interrupted { epochs } if epochs == (at - 1) / 6 || at % 6 == 0),
            "{at}: {error}"
        );
        assert!(!out.join(CHECKPOINT).exists());
        // Twice, so that a run that was continued can be continued.
        let _ = stopped(&plan, &out, 8);
        let training = trained(&plan, &out).unwrap();
        assert_eq!(bytes(&out), bytes(&world.out("whole")), "{at}");
        assert_eq!(training.results, whole.results);
        let losses = |training: &Training| -> Vec<_> {
            training.epochs.iter().map(|epoch| (epoch.losses.clone(), epoch.valid.clone())).collect()
        };
        assert_eq!(losses(&training), losses(&whole));
        assert!(!out.join("state.safetensors").exists());
    }
}

#[test]
fn seeds_repeat_and_differ() {
    let world = World::new(40);
    for (name, seed) in [("a", "seed=1"), ("b", "seed=1"), ("c", "seed=2")] {
        trained(&world.plan(Toy::default(), &[seed]), &world.out(name)).unwrap();
    }
    let value = |name: &str| {
        let (values, _) = read_noted(&world.out(name).join(CHECKPOINT)).unwrap();
        values["student.weight"].flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert_eq!(bytes(&world.out("a")), bytes(&world.out("b")));
    assert_ne!(value("a"), value("c"));
}

#[test]
fn the_best_epoch_is_kept_and_patience_ends_a_run() {
    let world = World::new(60);
    // A rate at which the later epochs are worse.
    let wild = ["optimiser.lr=3.0", "training.epochs=12"];
    let best = trained(&world.plan(Toy::default(), &wild), &world.out("best")).unwrap();
    let mean = |epoch: &affekt_report::training::Epoch| {
        epoch.valid.iter().map(|outcome| outcome.metrics.mae).sum::<f64>() / 2.0
    };
    let of_student: Vec<f64> =
        best.epochs.iter().filter(|epoch| epoch.phase == "student").map(mean).collect();
    let least = of_student.iter().copied().fold(f64::INFINITY, f64::min);
    let chosen = of_student[best.chosen.epoch - 1];
    assert_eq!((chosen, best.chosen.value), (least, Some(least)));
    let valid: f64 =
        ["whole", "half"].iter().map(|flow| best.outcome("valid", flow).unwrap().metrics.mae).sum();
    assert!((valid / 2.0 - least).abs() < 1e-12, "the parameters of that epoch are those that are judged");

    let patient: Vec<&str> = wild.into_iter().chain(["selection.patience=1"]).collect();
    let ended = trained(&world.plan(Toy::default(), &patient), &world.out("patient")).unwrap();
    assert!(ended.epochs.len() < best.epochs.len());

    let last = ["selection.keep=last", "data.splits=[\"train\", \"test\"]"];
    let last = trained(&world.plan(Toy::default(), &last), &world.out("last")).unwrap();
    assert_eq!((last.chosen.epoch, last.chosen.value), (4, None));
    assert!(last.epochs.iter().all(|epoch| epoch.valid.is_empty()));
    assert!(last.results.iter().all(|outcome| outcome.split == "test"));
}

#[test]
fn gradients_are_clipped_where_asked() {
    let world = World::new(40);
    let norm = |changes: &[&str], name: &str| {
        let training = trained(&world.plan(Toy::default(), changes), &world.out(name)).unwrap();
        training.epochs[0].gradient_norm
    };
    assert_eq!(norm(&[], "free"), None);
    assert!(norm(&["training.clip=0.01"], "clipped").unwrap() > 0.01);
    assert_ne!(bytes(&world.out("free")), bytes(&world.out("clipped")));
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_by_name() {
    let world = World::new(40);
    let plan = world.plan(Toy { diverges: true }, &[]);
    let error = trained(&plan, &world.out("run")).unwrap_err().to_string();
    assert!(error.contains("the loss total is inf in epoch 1") && error.contains("clip_"), "{error}");
}

#[test]
fn a_folder_holds_one_run() {
    let world = World::new(40);
    let (plan, out) = (world.plan(Toy::default(), &[]), world.out("run"));
    let first = trained(&plan, &out).unwrap();
    let written = fs::metadata(out.join(CHECKPOINT)).unwrap().modified().unwrap();
    assert_eq!(trained(&plan, &out).unwrap(), first);
    assert_eq!(fs::metadata(out.join(CHECKPOINT)).unwrap().modified().unwrap(), written);

    let other = world.plan(Toy::default(), &["seed=2"]);
    let error = trained(&other, &out).unwrap_err().to_string();
    assert!(error.contains("differs"), "{error}");

    let begun = world.out("begun");
    let _ = stopped(&plan, &begun, 8);
    let error = trained(&other, &begun).unwrap_err().to_string();
    assert!(error.contains("state.safetensors") && error.contains("another run"), "{error}");

    let foreign = world.out("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "important").unwrap();
    let error = trained(&plan, &foreign).unwrap_err().to_string();
    assert!(error.contains("thesis.tex"), "{error}");
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
}
