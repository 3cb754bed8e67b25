//! A worker whose memory and last words are known.

use std::fs;
use std::path::{Path, PathBuf};

use affekt_pipelines::isolate::{Pool, Program, Settings};

/// Tells this program that it is a worker: it answers on this pipe, since the test harness writes to stdout.
pub const PIPE: &str = "AFFEKT_TEST_WORKER_PIPE";

/// A pool of one worker, with the limits that every command has.
pub struct Watched {
    pub pool: Pool,
    /// Holds a file for each worker that was started, called by its process, with what that said on stderr.
    said: PathBuf,
}

/// Panics of a worker since it was last asked.
#[derive(Default)]
pub struct Panics {
    /// Those of symphonia, which are caught: FFmpeg takes over.
    pub caught: usize,
    /// Another one, after which the worker lives on.
    pub other: Option<String>,
    /// Everything that was said.
    pub last_words: String,
}

impl Watched {
    pub fn start(folder: &Path) -> Self {
        let said = folder.join("said");
        fs::create_dir(&said).unwrap();
        let harness = std::env::current_exe().unwrap();
        let start =
            format!("{PIPE}=/dev/fd/3 exec \"$0\" worker --exact --nocapture 3>&1 >/dev/null 2>>\"$1/$$\"");
        let arguments = vec!["-c".into(), start.into(), harness.into(), said.clone().into()];
        let program = Program { path: "/bin/sh".into(), arguments };
        let pool = Pool::start(program, Settings { workers: 1, ..Settings::default() }).unwrap();
        Self { pool, said }
    }

    /// Forgets what was said and the peak of the memory so far.
    pub fn forget(&mut self) {
        for path in self.processes() {
            let process = Path::new("/proc").join(path.file_name().unwrap());
            // A worker that is gone has no memory; its file goes with it.
            if fs::write(process.join("clear_refs"), "5").is_err() {
                fs::remove_file(path).unwrap();
            } else {
                fs::write(path, "").unwrap();
            }
        }
    }

    /// The most memory that a living worker has held, in MB.
    pub fn peak(&self) -> usize {
        let peak = |path: PathBuf| {
            let process = Path::new("/proc").join(path.file_name()?);
            let status = fs::read_to_string(process.join("status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse::<usize>().ok()
        };
        self.processes().into_iter().filter_map(peak).max().unwrap_or_default() / 1024
    }

    pub fn panics(&self) -> Panics {
        let mut panics = Panics::default();
        for path in self.processes() {
            let said = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            for line in said.lines().filter(|line| line.contains("panicked at")) {
                if line.contains("symphonia") {
                    panics.caught += 1;
                } else {
                    panics.other = Some(line.to_owned());
                }
            }
            panics.last_words += &said;
        }
        panics
    }

    fn processes(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.said).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}
