//! Writers that die or fail at every step of a commit. Those that die are this program, started once more.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use affekt_core::{ClipId, Digest, Explain, FeatureKind, FeatureSpec, Silent};

use super::*;
use crate::{Facts, Status, Store, folders, verify};

const STEPS: [Step; 6] = [Step::Created, Step::Begun, Step::Written, Step::Synced, Step::Renamed, Step::Kept];
/// Where a child finds its cache.
const CACHE: &str = "AFFEKT_CACHE_TEST_FOLDER";
/// After which step it dies.
const STEP: &str = "AFFEKT_CACHE_TEST_STEP";
/// Clips of the job, two a shard.
const CLIPS: usize = 6;
const WIDTH: usize = 256;

fn spec() -> FeatureSpec {
    FeatureSpec {
        kind: FeatureKind::Audio,
        encoder: "wavlm".into(),
        weights: Digest::of(b"weights"),
        layers: None,
        preprocessing: vec![],
        width: WIDTH,
        dtype: "f32".into(),
        row: "20ms".into(),
    }
}

fn id(clip: usize) -> ClipId {
    ClipId::new(format!("clip_{clip:03}")).unwrap()
}

/// What a command does: whatever is not there yet, two clips a shard.
fn job(cache: &Path, clips: usize, watch: Watch) -> Result<(), Error> {
    let store = Store::open(cache, &spec())?;
    for pair in (0..clips).collect::<Vec<_>>().chunks(2) {
        let mut writer = store.writer()?.watched(watch);
        for &clip in pair.iter().filter(|&&clip| store.clip(&id(clip)).is_none()) {
            let numbers: Vec<f32> = (0..8 * WIDTH).map(|index| (clip * 31 + index) as f32).collect();
            writer.add(id(clip), Facts::default(), &numbers)?;
        }
        writer.commit()?;
    }
    Ok(())
}

/// Name and bytes of every shard.
fn shards(cache: &Path) -> BTreeMap<String, Vec<u8>> {
    let store = Store::open(cache, &spec()).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    store.shards().iter().map(|shard| (name(shard.path()), fs::read(shard.path()).unwrap())).collect()
}

fn uninterrupted(clips: usize) -> BTreeMap<String, Vec<u8>> {
    let cache = tempfile::tempdir().unwrap();
    job(cache.path(), clips, go_on).unwrap();
    shards(cache.path())
}

/// How many clips a reader sees, all of them sound; and how many temporary files lie about.
fn seen(cache: &Path) -> (usize, usize) {
    let folder = folders(cache).unwrap().remove(0);
    let report = verify(&folder, &[], &Silent).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let contents = folder.contents().unwrap();
    (contents.store.map_or(0, |store| store.clips().len()), contents.temporary.len())
}

/// This program, to run its test `name` on `cache`.
fn child(name: &str, cache: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("commit::tests::{name}"), "--exact"]).env(CACHE, cache);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

static COMMITS: AtomicUsize = AtomicUsize::new(0);

/// Dies during the second commit, after the step that the parent names.
fn die(step: Step) -> io::Result<()> {
    let commits = COMMITS.fetch_add(usize::from(step == Step::Created), Ordering::Relaxed)
        + usize::from(step == Step::Created);
    if commits == 2 && std::env::var(STEP).is_ok_and(|wanted| wanted == format!("{step:?}")) {
        std::process::abort();
    }
    Ok(())
}

/// Run by [`a_writer_may_die_after_every_step`].
#[test]
fn child_dies() {
    let Some(cache) = std::env::var_os(CACHE) else { return };
    job(Path::new(&cache), CLIPS, die).unwrap();
}

#[test]
fn a_writer_may_die_after_every_step() {
    let whole = uninterrupted(CLIPS);
    for step in STEPS {
        let cache = tempfile::tempdir().unwrap();
        let ended = child("child_dies", cache.path()).env(STEP, format!("{step:?}")).status().unwrap();
        assert_eq!(ended.code(), None, "{step:?}: it should die by a signal");
        let named = matches!(step, Step::Renamed | Step::Kept);
        assert_eq!(seen(cache.path()), if named { (4, 0) } else { (2, 1) }, "{step:?}");
        job(cache.path(), CLIPS, go_on).unwrap();
        assert_eq!(seen(cache.path()).0, CLIPS);
        assert!(shards(cache.path()) == whole, "{step:?}: another content than without interruption");
    }
}

const MANY: usize = 200;

/// Run by [`a_writer_may_be_killed_at_any_moment`].
#[test]
fn child_works() {
    let Some(cache) = std::env::var_os(CACHE) else { return };
    job(Path::new(&cache), MANY, go_on).unwrap();
}

/// Waits until there are `count` shards, or the child is through with its work.
fn wait(child: &mut Child, cache: &Path, count: usize) {
    let begun = Instant::now();
    let folder = cache.join(spec().folder());
    let there = || crate::store::shard_paths(&folder).map_or(0, |paths| paths.len());
    while there() < count && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the writer hangs");
        std::thread::yield_now();
    }
}

#[test]
fn a_writer_may_be_killed_at_any_moment() {
    let cache = tempfile::tempdir().unwrap();
    let total = MANY / 2;
    let mut before = 0;
    for percent in [25, 50, 80] {
        let mut child = child("child_works", cache.path()).spawn().unwrap();
        wait(&mut child, cache.path(), total * percent / 100);
        child.kill().unwrap();
        child.wait().unwrap();
        let (clips, _) = seen(cache.path());
        assert!(clips >= before.max(MANY * percent / 100), "{percent}%: {clips} clips after {before}");
        before = clips;
    }
    job(cache.path(), MANY, go_on).unwrap();
    assert!(shards(cache.path()) == uninterrupted(MANY));
}

#[test]
fn two_processes_may_do_the_same_work_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let both = [(); 2].map(|()| child("child_works", cache.path()).spawn().unwrap());
    for mut child in both {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(seen(cache.path()), (MANY, 0));
    assert!(shards(cache.path()) == uninterrupted(MANY));
}

/// `ENOSPC`, as the system gives it.
fn full() -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::StorageFull))
}

#[test]
fn a_disk_may_be_full_at_every_step() {
    let failing: [(Step, Watch); 6] = [
        (Step::Created, |step| if step == Step::Created { full() } else { Ok(()) }),
        (Step::Begun, |step| if step == Step::Begun { full() } else { Ok(()) }),
        (Step::Written, |step| if step == Step::Written { full() } else { Ok(()) }),
        (Step::Synced, |step| if step == Step::Synced { full() } else { Ok(()) }),
        (Step::Renamed, |step| if step == Step::Renamed { full() } else { Ok(()) }),
        (Step::Kept, |step| if step == Step::Kept { full() } else { Ok(()) }),
    ];
    for (step, watch) in failing {
        let cache = tempfile::tempdir().unwrap();
        job(cache.path(), 2, go_on).unwrap();
        let error = job(cache.path(), CLIPS, watch).unwrap_err();
        assert!(error.to_string().contains("part-"), "{error}");
        assert!(error.hint().unwrap().contains("make room"), "{error}");
        let named = matches!(step, Step::Renamed | Step::Kept);
        assert_eq!(seen(cache.path()), (if named { 4 } else { 2 }, 0), "{step:?}");
        job(cache.path(), CLIPS, go_on).unwrap();
        assert!(shards(cache.path()) == uninterrupted(CLIPS), "{step:?}");
    }
}

/// Run by [`the_system_refuses_to_write_more`], where no file may have more than 4 kB.
#[test]
fn child_has_no_room() {
    let Some(cache) = std::env::var_os(CACHE) else { return };
    let error = job(Path::new(&cache), CLIPS, go_on).unwrap_err();
    assert!(error.to_string().contains("part-") && error.hint().unwrap().contains("make room"), "{error}");
}

/// Not a simulation: a limit on the size of files, since no test may fill a disk.
#[cfg(unix)]
#[test]
fn the_system_refuses_to_write_more() {
    let cache = tempfile::tempdir().unwrap();
    job(cache.path(), 2, go_on).unwrap();
    let ended = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["commit::tests::child_has_no_room", "--exact"])
        .env(CACHE, cache.path())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!(seen(cache.path()), (2, 0));
    job(cache.path(), CLIPS, go_on).unwrap();
    assert!(shards(cache.path()) == uninterrupted(CLIPS));
}

/// Run by [`the_permission_may_be_lost`] as a user who may read only.
#[test]
fn child_may_not_write() {
    let Some(cache) = std::env::var_os(CACHE) else { return };
    refused(Path::new(&cache));
}

fn refused(cache: &Path) {
    let error = job(cache, CLIPS, go_on).unwrap_err();
    assert!(error.to_string().contains("part-"), "{error}");
    assert!(error.hint().unwrap().contains("permission"), "{error}");
    let error = Store::open(cache, &spec()).unwrap().check_writable().unwrap_err();
    assert!(error.hint().unwrap().contains("permission"), "{error}");
}

#[cfg(unix)]
#[test]
fn the_permission_may_be_lost() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    job(&cache, 2, go_on).unwrap();
    let folder = cache.join(spec().folder());
    mode(&folder, 0o555);
    if fs::write(folder.join("probe"), "").is_err() {
        refused(&cache);
    } else {
        // This user may write everywhere: another one tries, through a copy of this program that it can reach.
        fs::remove_file(folder.join("probe")).unwrap();
        mode(place.path(), 0o755);
        let program = place.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        mode(&program, 0o755);
        let mut command = Command::new(&program);
        command.args(["commit::tests::child_may_not_write", "--exact"]).env(CACHE, &cache);
        match command.current_dir("/").uid(NOBODY).gid(NOBODY).output() {
            Ok(child) => assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout)),
            Err(error) => {
                println!("skipped: this user may write everywhere, and cannot be another ({error})");
            }
        }
    }
    mode(&folder, 0o755);
    assert_eq!(seen(&cache), (2, 0));
    job(&cache, CLIPS, go_on).unwrap();
    assert!(shards(&cache) == uninterrupted(CLIPS));
}

#[test]
fn a_job_that_is_through_has_nothing_to_do() {
    let cache = tempfile::tempdir().unwrap();
    job(cache.path(), CLIPS, go_on).unwrap();
    job(cache.path(), CLIPS, |_| panic!("nothing is to be written")).unwrap();
    let store = Store::open(cache.path(), &spec()).unwrap();
    store.check_writable().unwrap();
    assert_eq!(seen(cache.path()), (CLIPS, 0), "the probe leaves nothing");
    assert!(matches!(store.clip(&id(0)).unwrap().status, Status::Done { rows: 8, .. }));
}

#[test]
fn names_of_temporary_files() {
    assert!(is_temporary(".part-12-0.tmp"));
    for other in ["part-12-0.tmp", ".part-12.tmp", ".part--.tmp", ".part-1-x.tmp", ".part-1-0.tmp.bak"] {
        assert!(!is_temporary(other), "{other}");
    }
}
