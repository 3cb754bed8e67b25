//! Runs the `affekt` binary under watch: a hang fails the test, and so does memory without bound.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Ended, project};

/// Longer than this, and it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than this, in MB, and it is stopped before the machine suffers.
const MOST_MEMORY: u64 = 4_000;

/// What a command left behind, and what it took.
pub struct Guarded {
    pub ended: Ended,
    /// The most memory it held, in MB; 0 where the system does not tell.
    pub peak: u64,
}

/// Runs `affekt` with `args` in the folder of the project.
pub fn guarded<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Guarded {
    let mut command = affekt();
    command.args(args);
    watch(&mut command)
}

/// The binary, not started yet.
pub fn affekt() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("affekt"));
    command.current_dir(project()).stdin(Stdio::null());
    command
}

/// Runs `command` to its end.
pub fn watch(command: &mut Command) -> Guarded {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (collect(child.stdout.take().unwrap()), collect(child.stderr.take().unwrap()));
    let (code, peak) = wait(&mut child, command);
    let text = |reader: thread::JoinHandle<Vec<u8>>| String::from_utf8(reader.join().unwrap()).unwrap();
    Guarded { ended: Ended { code, stdout: text(stdout), stderr: text(stderr) }, peak }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Exit code and peak memory of `child`, which is killed when it takes too long.
pub fn wait(child: &mut Child, command: &Command) -> (i32, u64) {
    let begun = Instant::now();
    let mut peak = 0;
    loop {
        peak = peak_of(child.id()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code().unwrap_or_else(|| panic!("{command:?}: {status}")), peak);
        }
        if begun.elapsed() > PATIENCE || peak > MOST_MEMORY {
            child.kill().unwrap();
            panic!("{command:?} still runs after {:?}, with {peak} MB", begun.elapsed());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The kernel keeps the peak: however rarely it is looked up, only the last moment can be missed.
fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1_024)
}

/// What `predict --json` says about `path`, with the exit code: one result on stdout, after the windows of a long
/// recording; nothing on stderr; within `memory` MB.
pub fn predict(path: &Path, flags: &[&str], memory: u64) -> (i32, Value) {
    let args = ["predict", "--json"].map(OsStr::new).into_iter();
    let Guarded { ended, peak } = guarded(args.chain([path.as_os_str()]).chain(flags.iter().map(OsStr::new)));
    let name = path.to_string_lossy();
    assert_eq!(ended.stderr, "", "{name}");
    let mut lines = ended.json_lines();
    let json = lines.pop().unwrap_or_else(|| panic!("{name}: nothing was printed"));
    assert!(lines.iter().all(|line| line["event"] == "window"), "{name}: {}", ended.stdout);
    assert!(json["event"].is_null(), "{name}: {json}");
    assert_eq!(json["input"], name.as_ref());
    assert!(peak <= memory, "{name}: {peak} MB");
    (ended.code, json)
}

/// What is said about an input that can be judged.
pub fn judged(path: &Path, flags: &[&str], memory: u64) -> Value {
    let (code, json) = predict(path, flags, memory);
    let name = path.display();
    assert_eq!((code, &json["error"]), (0, &Value::Null), "{name}: {json}");
    assert!(json["valence"]["without_text"].is_number(), "{name}: {json}");
    json
}

/// The kind of the one error about an input that cannot be judged; it names the file and a remedy, as JSON and for
/// people.
pub fn refused(path: &Path, flags: &[&str]) -> String {
    let (code, json) = predict(path, flags, 600);
    let name = path.to_string_lossy();
    assert_eq!(code, 1, "{json}");
    let error = &json["error"];
    assert!(error["message"].as_str().unwrap().contains(name.as_ref()), "{error}");
    assert!(error["hint"].is_string(), "{error}");
    let args = [OsStr::new("predict"), path.as_os_str()].into_iter();
    let Ended { code, stdout, stderr } = guarded(args.chain(flags.iter().map(OsStr::new))).ended;
    // What may bring any number of inputs ends in a table.
    assert!(stdout.is_empty() || stdout.ends_with("\nnone judged, 1 failed\n"), "{name}: {stdout}");
    assert!(stderr.starts_with("error: ") && stderr.contains("\n  hint: "), "{stderr}");
    assert_eq!((code, stderr.matches("error: ").count()), (1, 1), "{stderr}");
    error["kind"].as_str().unwrap().to_owned()
}

/// Whether one of the warnings holds each of `parts`.
pub fn warns(json: &Value, parts: &[&str]) -> bool {
    let warnings = json["warnings"].as_array().unwrap();
    warnings.iter().any(|warning| parts.iter().all(|part| warning.as_str().unwrap().contains(part)))
}
