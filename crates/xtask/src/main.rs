//! Project chores, started as `cargo xtask <command>`. Builds in seconds and needs no system package.
//!
//! | module | holds |
//! |---|---|
//! | [`setup`] | the system packages that the build needs: found missing, named, installed |
//! | [`demo`] | the release build, and predictions of the sample clips beside their labels |
//! | [`suite`] | everything that has to pass before a change is taken |
//! | [`cuda`] | CUDA without a card at hand |
//! | [`tidy`] | rules of the tree that no compiler checks |
//! | [`replica`] | the generated corpus, and the networks of the embedded bundle |
//! | [`goldens`] | reference tensors made anew by PyTorch |
//! | [`parity`] | every network at full size beside PyTorch: outputs, time, memory |
//! | [`python`] | the Python environment of the last three |
//! | [`shell`] | commands, echoed and run at the project's root |
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the terminal: printing is its work"
)]

mod cuda;
mod demo;
mod goldens;
mod parity;
mod python;
mod replica;
mod setup;
mod shell;
mod suite;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask <command>

  setup            install the system packages that are missing (Debian, Ubuntu), or say what to install
  demo             set up, build for release, predict the sample clips with and without their words, and show that beside
                   their labels; the page about them is target/demo/report.html
  test             set up, then format, lints, tidy, build, tests, docs and an end-to-end run
  tidy             check crate edges, file sizes, lints, networks and the book
  goldens          make the reference tensors anew with PyTorch, in a Python environment of their own

  replica ...      a corpus of drawn faces that speak, in the raw layout of CMU-MOSEI: --clips N --seed S --out DIR [--script]
  tiny NETWORK ... trains wavlm, llama, slam or manet of the embedded bundle, draws its whisper, or puts the `bundle`
                   together: the script models/tiny/train/NETWORK.py, which takes what follows (--help), in the Python
                   environment of goldens

  check-parity     every network at full size, with drawn weights, against PyTorch: relative errors of all outputs
      --network NAME    only this one: wavlm, manet, llama, slam, generate, engine (many searches at once) or sdumc; may
                        be given again
      --dtype TYPE      f16 or bf16: how far affekt, and PyTorch in the same type, are from PyTorch in f32
      --threads N       of both programs; by default as many as there are cores
  bench-parity     WavLM, MANet, Llama, its beam search and many of them at once in turn with PyTorch: ratios of time
                   and peak memory, their bounds, and the errors of the outputs. Wants a machine that does nothing else
      --network, --threads  as above
      --rounds N        how often each program is started [default: 3; of the engine, 1]
      --repeat N        measured passes of each start, after one that is not [default: 3]

  full-size        `affekt predict` of a clip of 8 s with the whole system at its published size, drawn weights, a 7B
                   language model in Q4_K_M's formats: time by stage and peak memory. Wants 5 GB of disk
      --max-new-tokens N  limit of the generation, which such weights hardly ever end before it [default: 200]
      --threads N       as above
      --keep            leave the bundle in target/full-size

  cuda-check       a release build with CUDA, packed with reference tensors and the PyTorch peer for a machine with a GPU:
                   there `./run.sh all` checks and measures everything
      --out DIR         where [default: target/cuda-check]
      --cudnn           with cuDNN
  cuda-toolkit     a CUDA tool kit from PyPI for such builds, in target/cuda (1.5 GB); no card and no driver is needed
      --cudnn           cuDNN too

  cuda-emulate -- ARGS...    `affekt ARGS` of a CUDA build, on the CPU: libraries built from tests/cuda stand in for the
                   driver, and run every kernel. It shows results, launches and memory; no speed and no races
      --test -- FILTER...  ... the whole-command tests with it, in place of a command
      --media              ... with the default features, which need FFmpeg

  All build `affekt` for release first; AFFEKT_BINARY names one to use instead. PyTorch and transformers go to
  target/goldens-venv, once; AFFEKT_PYTHON names a Python that has them. The weights (2 GB) go to target/parity.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    let root = shell::root()?;
    match *arguments {
        ["setup"] => setup::run(&root, setup::For::Tests),
        ["demo"] => demo::run(&root),
        ["test"] => suite::run(&root),
        ["tidy"] => tidy::run(&root),
        ["goldens"] => goldens::run(&root),
        ["replica", ref flags @ ..] => replica::corpus(&root, flags),
        ["tiny", ref flags @ ..] => replica::tiny(&root, flags),
        ["check-parity", ref flags @ ..] => parity::check(&root, flags),
        ["bench-parity", ref flags @ ..] => parity::bench(&root, flags),
        ["cuda-check", ref flags @ ..] => cuda::check::run(&root, flags),
        ["cuda-toolkit", ref flags @ ..] => cuda::wheels::run(&root, flags),
        ["cuda-emulate", ref flags @ ..] => cuda::emulate::run(&root, flags),
        ["full-size", ref flags @ ..] => parity::full_size(&root, flags),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("`{}` is no command of xtask\n\n{USAGE}", arguments.join(" ")),
    }
}
