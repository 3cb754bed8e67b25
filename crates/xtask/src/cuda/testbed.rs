//! Libraries that stand in for the CUDA driver and NVIDIA's, built from `tests/cuda`, the kernels of `crates/nn/cuda` and
//! those of the crate candle-kernels, all compiled for the CPU.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::SystemTime;
use std::{env, fs, thread};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::toolkit;
use crate::shell;

/// What the driver's library is made of, beside kernels.
const DRIVER: [&str; 4] = ["driver", "launch", "log", "memory"];

/// The files of candle-kernels that are modules of their own. Those for mixtures of experts, which `affekt` has none of, are
/// linked into the program and are left out.
const CANDLE: [&str; 11] = [
    "affine",
    "binary",
    "cast",
    "conv",
    "fill",
    "indexing",
    "quantized",
    "reduce",
    "sort",
    "ternary",
    "unary",
];

/// NVIDIA's headers that candle's kernels name: one of ours stands in for all of them.
const HEADERS: [&str; 4] = ["cuda_fp16.h", "cuda_bf16.h", "cuda_fp8.h", "cuda/std/limits"];

/// NVIDIA's libraries: source, names by version of CUDA, and what they export. The names' versions are checked by the
/// loader.
const LIBRARIES: [(&str, &[&str], &str); 3] = [
    ("cublas", &["libcublas.so.12", "libcublas.so.13"], "cublas*;"),
    ("cudart", &["libcudart.so.12", "libcudart.so.13"], "cuda*; __cuda*;"),
    ("curand", &["libcurand.so.10"], "curand*;"),
];

/// What marks a kernel in preprocessed text: see `candle.hpp`.
const MARK: &str = "((flatten))";

/// Where things are.
struct Places {
    /// The sources of the test bed.
    sources: PathBuf,
    /// The kernels of affekt.
    ours: PathBuf,
    /// What is made.
    out: PathBuf,
}

/// A file to compile: its source, and what else must not be newer than the object.
struct Unit {
    source: PathBuf,
    /// A kernel file of candle: its names have to be found first.
    of_candle: bool,
}

/// Builds what has changed; gives the folder of the libraries.
pub fn build(root: &Path) -> Result<PathBuf> {
    let places = Places {
        sources: root.join("tests/cuda"),
        ours: root.join("crates/nn/cuda"),
        out: toolkit::target(root).join("testbed"),
    };
    fs::create_dir_all(places.out.join("include/cuda/std"))?;
    for header in HEADERS {
        write(&places.out.join("include").join(header), "#include \"candle.hpp\"\n")?;
    }
    let units = units(root, &places)?;
    let headers = newest(&[&places.sources, &places.ours, &places.ours.join("emulator")], &["hpp", "cuh"])?;
    let stale: VecDeque<&Unit> = units
        .iter()
        .filter(|unit| older(&places.object(unit), std::slice::from_ref(&unit.source), headers))
        .collect();
    let library = places.out.join("libcuda.so.1");
    let objects: Vec<PathBuf> = units.iter().map(|unit| places.object(unit)).collect();
    let changed = !stale.is_empty() || !library.exists();
    if !stale.is_empty() {
        println!("test bed: compiling {} files of kernels and of the driver", stale.len());
        all(stale, |unit| places.compile(unit))?;
    }
    if changed {
        let mut link = places.compiler();
        link.args(["-shared", "-Wl,-soname,libcuda.so.1", "-o"]).arg(&library).args(&objects);
        shell::capture(&mut link)?;
        // The name that linkers look for.
        fs::copy(&library, places.out.join("libcuda.so"))?;
    }
    for (source, names, exports) in LIBRARIES {
        let source = places.sources.join(format!("{source}.cpp"));
        for name in names {
            if changed || older(&places.out.join(name), std::slice::from_ref(&source), headers) {
                places.library(&source, name, exports)?;
            }
        }
    }
    Ok(places.out)
}

/// All files of the driver's library, those of kernels written.
fn units(root: &Path, places: &Places) -> Result<Vec<Unit>> {
    let plain = |source: PathBuf| Unit { source, of_candle: false };
    let mut units: Vec<Unit> =
        DRIVER.iter().map(|name| plain(places.sources.join(format!("{name}.cpp")))).collect();
    units.push(plain(places.ours.join("emulator/cuda.cpp")));
    for entry in fs::read_dir(&places.ours)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cu") {
            // A file of another name: `c++` knows no .cu.
            let unit = places.out.join(format!("ours_{}.cpp", stem(&path)));
            let text = format!("// {:?}\n#include {path:?}\n", modified(&path)?);
            write(&unit, &text)?;
            units.push(plain(unit));
        }
    }
    let candle = candle_kernels(root)?;
    let copies = places.out.join("candle");
    fs::create_dir_all(&copies)?;
    for entry in fs::read_dir(&candle)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cu" || extension == "cuh") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            write(&copies.join(path.file_name().unwrap_or_default()), &for_the_host(&text))?;
        }
    }
    for name in CANDLE {
        let source = places.out.join(format!("candle_{name}.cpp"));
        let text = format!(
            "#include \"candle.hpp\"\n#include <stdint.h>\n#include <cmath>\nnamespace candle_{name} {{\n\
             #include \"candle/{name}.cu\"\n}}\n#include \"candle_{name}.names\"\n"
        );
        write(&source, &text)?;
        units.push(Unit { source, of_candle: true });
    }
    Ok(units)
}

/// The sources of the crate candle-kernels, where cargo has them.
fn candle_kernels(root: &Path) -> Result<PathBuf> {
    let mut metadata = Command::new(shell::cargo());
    metadata.args(["metadata", "--format-version", "1", "--features", "affekt/cuda"]);
    metadata.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let listed: Value = serde_json::from_str(&shell::capture(metadata.current_dir(root))?)?;
    let packages = listed["packages"].as_array().context("cargo metadata lists no packages")?;
    let found = packages.iter().find(|package| package["name"] == "candle-kernels");
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    let manifest = manifest.context("the feature `cuda` has no dependency candle-kernels")?;
    Ok(Path::new(manifest).with_file_name("src"))
}

/// Names of C++, so that files and our kernels may use the same; shared memory of a size that the launch decides is the
/// emulator's.
fn for_the_host(text: &str) -> String {
    let line = |line: &str| {
        let shared = line.trim().strip_prefix("extern __shared__ ").and_then(|rest| rest.strip_suffix("[];"));
        let Some((kind, name)) = shared.and_then(|declared| declared.rsplit_once(' ')) else {
            return line.replace("extern \"C\"", "");
        };
        format!("{kind}* {name} = reinterpret_cast<{kind}*>(emulator::dynamic_shared);")
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

/// The kernels of preprocessed text, in order.
fn kernels(text: &str) -> Vec<&str> {
    let after = text.split(MARK).skip(1);
    after
        .filter_map(|rest| {
            let rest = rest.trim_start().strip_prefix("void")?.trim_start();
            let end = rest.find(|letter: char| letter != '_' && !letter.is_alphanumeric())?;
            rest[end..].trim_start().starts_with('(').then(|| &rest[..end])
        })
        .collect()
}

impl Places {
    fn object(&self, unit: &Unit) -> PathBuf {
        self.out.join(format!("{}.o", stem(&unit.source)))
    }

    /// The machine's C++ compiler with what all files are compiled with.
    fn compiler(&self) -> Command {
        let mut command = Command::new(env::var_os("CXX").unwrap_or_else(|| OsString::from("c++")));
        command.args([
            "-std=c++17",
            "-O2",
            "-fPIC",
            "-pthread",
            "-fvisibility=hidden",
            "-fno-strict-aliasing",
        ]);
        // The libraries are there when the program starts: variables of threads need no look-up.
        command.args(["-ftls-model=initial-exec", "-w", "-DAFFEKT_EMULATOR"]);
        if cfg!(target_arch = "x86_64") {
            command.arg("-march=native");
        }
        for folder in
            [&self.sources, &self.ours, &self.out, &self.out.join("include"), &self.out.join("candle")]
        {
            command.arg("-I").arg(folder);
        }
        command
    }

    fn compile(&self, unit: &Unit) -> Result<()> {
        if unit.of_candle {
            let name = stem(&unit.source);
            let names = self.out.join(format!("{name}.names"));
            fs::write(&names, "")?;
            let text = shell::capture(self.compiler().args(["-E", "-P"]).arg(&unit.source))?;
            let lines: String =
                kernels(&text).iter().map(|kernel| format!("CANDLE({name}, {kernel})\n")).collect();
            fs::write(&names, lines)?;
        }
        let object = self.object(unit);
        shell::capture(self.compiler().arg("-c").arg(&unit.source).arg("-o").arg(object)).map(|_| ())
    }

    fn library(&self, source: &Path, name: &str, exports: &str) -> Result<()> {
        let versions = self.out.join(format!("{name}.map"));
        write(&versions, &format!("{name} {{ global: {exports} local: *; }};\n"))?;
        let mut link = self.compiler();
        link.arg("-shared").arg(source).arg("-o").arg(self.out.join(name));
        link.arg(format!("-Wl,-soname,{name}")).arg(format!("-Wl,--version-script={}", versions.display()));
        link.arg("-L").arg(&self.out).arg("-lcuda");
        shell::capture(&mut link).map(|_| ())
    }
}

/// Does all of it on the machine's cores; the first error.
fn all<T: Sync>(waiting: VecDeque<&T>, work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().ok()?.pop_front();
    let until_none = || {
        while let Some(item) = next() {
            work(item)?;
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(until_none)).collect();
        let ended =
            started.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?);
        ended.collect::<Result<Vec<()>>>().map(|_| ())
    })
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Writes what is not there yet, so that the time of the file tells of a change.
fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn modified(path: &Path) -> Result<SystemTime> {
    let known = fs::metadata(path).and_then(|metadata| metadata.modified());
    known.with_context(|| format!("cannot read {}", path.display()))
}

/// When the last of the files with such extensions was changed.
fn newest(folders: &[&Path], extensions: &[&str]) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for folder in folders {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
            {
                newest = newest.max(modified(&path)?);
            }
        }
    }
    Ok(newest)
}

/// Whether a file is absent or older than what it is made of.
fn older(file: &Path, sources: &[PathBuf], headers: SystemTime) -> bool {
    let Ok(made) = modified(file) else { return true };
    made < headers || sources.iter().any(|source| modified(source).is_ok_and(|changed| made < changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_known_by_their_mark() {
        let text = "__attribute__((flatten)) void fill_f32( float *to) {} static void other(int) {}\n\
                    __attribute__((flatten))\nvoid sum_u8 (int) {}  __attribute__((flatten)) int no(int);";
        assert_eq!(kernels(text), ["fill_f32", "sum_u8"]);
    }

    #[test]
    fn names_and_shared_memory_become_the_hosts() {
        assert_eq!(for_the_host("extern \"C\" __global__ void f();"), " __global__ void f();\n");
        assert_eq!(
            for_the_host("    extern __shared__ int row[];"),
            "int* row = reinterpret_cast<int*>(emulator::dynamic_shared);\n"
        );
    }
}
