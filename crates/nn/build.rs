//! Compiles the kernels of `cuda/`: with the feature `cuda` by nvcc to PTX, with the feature `emulator` as C++.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=cuda");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    if env::var_os("CARGO_FEATURE_CUDA").is_some() {
        compile_for_cards(&out);
    }
    #[cfg(feature = "emulator")]
    emulator::compile(&out);
}

/// The kernels' files, in order of their names.
fn sources() -> Vec<PathBuf> {
    let entries = fs::read_dir("cuda").expect("crates/nn/cuda lies beside its build script");
    let mut sources: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "cu"));
    sources.sort();
    sources
}

fn stem(source: &Path) -> &str {
    source.file_stem().and_then(|stem| stem.to_str()).expect("kernels have plain names")
}

/// PTX of every file, and a table of it.
fn compile_for_cards(out: &Path) {
    for variable in ["NVCC", "CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_COMPUTE_CAP"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let nvcc = nvcc();
    let architecture = format!("--gpu-architecture=compute_{}", compute_capability());
    let mut table = String::from("/// PTX by the name of its file.\nconst PTX: &[(&str, &str)] = &[\n");
    for source in sources() {
        let ptx = out.join(format!("{}.ptx", stem(&source)));
        let mut command = Command::new(&nvcc);
        command.args(["--ptx", "-O3", "-std=c++17", &architecture, "-o"]).arg(&ptx).arg(&source);
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => panic!("nvcc could not compile crates/nn/{} ({status})", source.display()),
            Err(error) => panic!(
                "the feature `cuda` needs nvcc, and {} does not start ({error}): install the CUDA tool kit and put \
                 its bin folder on PATH, or set CUDA_HOME or NVCC",
                nvcc.display()
            ),
        }
        table += &format!("    ({:?}, include_str!({ptx:?})),\n", stem(&source));
    }
    fs::write(out.join("ptx.rs"), table + "];\n").expect("OUT_DIR can be written");
}

/// The compiler that NVCC names, that of the tool kit that CUDA_HOME, CUDA_PATH or CUDA_ROOT names, or the one on PATH.
fn nvcc() -> PathBuf {
    if let Some(nvcc) = env::var_os("NVCC") {
        return nvcc.into();
    }
    let kits = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"].into_iter().filter_map(env::var_os);
    let found = kits.map(|kit| Path::new(&kit).join("bin/nvcc")).find(|nvcc| nvcc.exists());
    found.unwrap_or_else(|| "nvcc".into())
}

/// What CUDA_COMPUTE_CAP says (90 or 9.0), else the first card's. Newer cards run what is built for older ones.
fn compute_capability() -> String {
    let digits = |text: &str| text.trim().replace('.', "");
    if let Ok(set) = env::var("CUDA_COMPUTE_CAP") {
        return digits(&set);
    }
    let mut command = Command::new("nvidia-smi");
    let output = command.args(["--query-gpu=compute_cap", "--format=csv,noheader"]).output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    match text.lines().next().map(digits) {
        Some(first) if !first.is_empty() => first,
        _ => panic!(
            "no card found to build for (nvidia-smi gave none): set CUDA_COMPUTE_CAP, such as 80 (A100), 89 (L4, RTX \
             4090) or 90 (H100, H200)"
        ),
    }
}

#[cfg(feature = "emulator")]
mod emulator {
    use std::fs;
    use std::path::Path;

    /// All kernels and what runs them in one library of C++.
    pub fn compile(out: &Path) {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").opt_level(2).define("AFFEKT_EMULATOR", None).include("cuda");
        build.flag("-fno-strict-aliasing").warnings(false);
        build.file("cuda/emulator/cuda.cpp");
        for source in super::sources() {
            // Each in a namespace of its own: the linker would take functions of one name for one, whatever they do.
            let path = fs::canonicalize(&source).expect("it was listed");
            let unit = out.join(format!("{}.cpp", super::stem(&source)));
            let text = format!("#include \"emulator/cuda.hpp\"\nnamespace {{\n#include {path:?}\n}}\n");
            fs::write(&unit, text).expect("OUT_DIR can be written");
            build.file(unit);
        }
        // Kernels are found through constructors that nothing refers to.
        build.link_lib_modifier("+whole-archive").compile("affekt_emulated_kernels");
    }
}
