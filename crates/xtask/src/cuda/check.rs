//! `cargo xtask cuda-check`: a CUDA build, packed with all that a GPU machine without Rust needs to check and measure it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::toolkit::target;
use super::{testbed, wheels};
use crate::shell;

/// The folder is to be carried to other machines by whatever way there is.
const LARGEST: u64 = 40 << 20;

const NETWORKS: [&str; 5] = ["wavlm", "manet", "llama", "sdumc", "whisper"];

/// What the peer is made of.
const SCRIPTS: [&str; 6] = [
    "tests/gpu/torch_peer.py",
    "tests/gpu/seeded.py",
    "crates/testkit/parity/common.py",
    "crates/testkit/parity/manet.py",
    "crates/testkit/parity/sdumc_step.py",
    "models/manet/tests/golden.py",
];

const RUNNER: &str = "tests/gpu/run.sh";

/// The program and the libraries that it names, in the folder.
const PACKED: [&str; 2] = ["affekt.gz", "libraries.txt"];

/// What a machine has without CUDA.
const OF_THE_SYSTEM: [&str; 8] = [
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libstdc++.so",
    "libdl.so",
    "libpthread.so",
    "librt.so",
    "ld-linux",
];

struct Options {
    out: PathBuf,
    cudnn: bool,
}

impl Options {
    fn parse(root: &Path, flags: &[&str]) -> Result<Self> {
        let mut options = Self { out: root.join("target/cuda-check"), cudnn: false };
        let mut rest = flags.iter();
        while let Some(&flag) = rest.next() {
            match flag {
                "--cudnn" => options.cudnn = true,
                "--out" => options.out = rest.next().context("--out wants a folder")?.into(),
                other => bail!("cuda-check takes --out DIR and --cudnn, not `{other}`"),
            }
        }
        Ok(options)
    }
}

/// Builds, packs, and says how to go on.
pub fn run(root: &Path, flags: &[&str]) -> Result<()> {
    let Options { out, cudnn } = Options::parse(root, flags)?;
    // Before the build, which takes long.
    ensure!(
        may_replace(&out),
        "{} holds other things than an earlier cuda-check: name another folder with --out",
        out.display()
    );
    let binary = build(root, cudnn)?;
    // What an earlier one has left must not be taken for this one's.
    let _ = fs::remove_dir_all(&out);
    pack(root, &binary, &out)?;
    let size = size(&out)?;
    ensure!(
        size <= LARGEST,
        "{} has {:.1} MiB, more than {}: build for fewer cards, by CUDA_COMPUTE_CAP",
        out.display(),
        mebibytes(size),
        LARGEST >> 20
    );
    println!(
        "\n{} has {:.1} MiB. Take it to a machine with a GPU, its driver and CUDA's libraries, and run there:\n  \
         ./run.sh all",
        out.display(),
        mebibytes(size)
    );
    Ok(())
}

/// The binary that AFFEKT_BINARY names, or the release build with CUDA and without media.
fn build(root: &Path, cudnn: bool) -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("AFFEKT_BINARY") {
        return Ok(binary.into());
    }
    if cudnn {
        wheels::install(root, true)?;
    }
    let kit = wheels::found_or_installed(root)?;
    // Where there is no driver, its test double is linked with.
    testbed::build(root)?;
    let features = if cudnn { "cudnn" } else { "cuda" };
    let arguments =
        ["build", "--release", "--package", "affekt", "--no-default-features", "--features", features];
    shell::run(&mut kit.cargo(root, &arguments))?;
    Ok(target(root).join("release/affekt"))
}

/// Lays everything out as in the tree, so that scripts find each other.
fn pack(root: &Path, binary: &Path, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let stripped = out.join("affekt");
    shell::run(Command::new("strip").arg("-s").arg("-o").arg(&stripped).arg(binary))
        .context("`strip` comes with binutils")?;
    let libraries = libraries(&stripped)?;
    fs::write(out.join(PACKED[1]), libraries.join("\n") + "\n")?;
    // Most of it is text for the driver's compiler.
    let packed = File::create(out.join(PACKED[0]))?;
    let mut gzip = Command::new("gzip");
    let status = gzip.args(["-9", "-n", "-c"]).arg(&stripped).stdout(Stdio::from(packed)).status();
    ensure!(status.context("`gzip` is not installed")?.success(), "`gzip` failed");
    fs::remove_file(&stripped)?;
    for script in SCRIPTS {
        copy(&root.join(script), &out.join(script))?;
    }
    copy(&root.join(RUNNER), &out.join("run.sh"))?;
    for network in NETWORKS {
        let goldens = Path::new("models").join(network).join("tests/golden");
        copy_all(&root.join(&goldens), &out.join(&goldens))?;
    }
    fs::write(out.join("build.txt"), about(root))?;
    Ok(())
}

/// The libraries that the program names, but for the system's.
fn libraries(binary: &Path) -> Result<Vec<String>> {
    let said = shell::capture(Command::new("readelf").arg("-d").arg(binary))
        .context("`readelf` comes with binutils")?;
    let named = said.lines().filter(|line| line.contains("(NEEDED)"));
    let named = named.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned()));
    let ours = named.filter(|name| !OF_THE_SYSTEM.iter().any(|system| name.starts_with(system)));
    let found: Vec<String> = ours.collect();
    ensure!(!found.is_empty(), "{} names no library of CUDA: it was built without", binary.display());
    Ok(found)
}

/// Which sources these are.
fn about(root: &Path) -> String {
    let git = |arguments: &[&str]| {
        shell::capture(Command::new("git").args(arguments).current_dir(root)).unwrap_or_default()
    };
    let changed =
        if git(&["status", "--short"]).is_empty() { "" } else { ", and changes that are not committed" };
    let cap =
        std::env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| "that of this machine's card, else 90".into());
    format!("commit {}{changed}\nCUDA_COMPUTE_CAP {cap}\n", git(&["rev-parse", "HEAD"]).trim())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {}", from.display()))
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_all(&path, &to.join(name))?;
        } else {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

/// Whether nothing is lost with what lies at `out`: there is nothing, or what an earlier run has packed, which sources never
/// have.
fn may_replace(out: &Path) -> bool {
    !out.exists() || is_empty(out) || PACKED.iter().all(|name| out.join(name).is_file())
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        bytes += if path.is_dir() { size(&path)? } else { fs::metadata(&path)?.len() };
    }
    Ok(bytes)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_packed_is_there() {
        let root = shell::root().unwrap();
        for file in SCRIPTS.into_iter().chain([RUNNER]) {
            assert!(root.join(file).is_file(), "{file}");
        }
        for network in NETWORKS {
            let goldens = root.join("models").join(network).join("tests/golden");
            assert!(size(&goldens).unwrap() > 0, "{network}");
        }
    }

    #[test]
    fn only_what_an_earlier_run_has_packed_is_replaced() {
        let root = shell::root().unwrap();
        assert!(!may_replace(&root) && !may_replace(&root.join("tests/gpu")), "sources");
        let folder = std::env::temp_dir().join(format!("cuda-check-{}", std::process::id()));
        assert!(may_replace(&folder), "there is none");
        fs::create_dir_all(&folder).unwrap();
        let empty = may_replace(&folder);
        let verdicts = ["run.sh", PACKED[0], PACKED[1]].map(|name| {
            fs::write(folder.join(name), "").unwrap();
            may_replace(&folder)
        });
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((empty, verdicts), (true, [false, false, true]));
    }

    #[test]
    fn flags_are_read_and_mistakes_named() {
        let root = Path::new("root");
        let options = Options::parse(root, &["--cudnn", "--out", "there"]).unwrap();
        assert!(options.cudnn && options.out == Path::new("there"));
        for flags in [&["--out"][..], &["--all"]] {
            assert!(Options::parse(root, flags).is_err(), "{flags:?}");
        }
    }
}
