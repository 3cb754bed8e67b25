//! The system packages that the build needs: found missing, named, installed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// What the packages are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Building and running `affekt`.
    Build,
    /// Also its tests, which make clips with the `ffmpeg` program, let `espeak-ng` speak, and compile the kernels for cards
    /// as C++.
    Tests,
}

/// FFmpeg's development files, and what bindgen needs to read them.
const BUILD: [&str; 9] = [
    "libavcodec-dev",
    "libavfilter-dev",
    "libavformat-dev",
    "libavutil-dev",
    "libswresample-dev",
    "libswscale-dev",
    "libclang-dev",
    "clang",
    "pkg-config",
];

const TESTS: [&str; 3] = ["ffmpeg", "espeak-ng", "g++"];

/// Programs of them that the tests start, and what for.
const PROGRAMS: [(&str, &str, &str); 2] =
    [("ffmpeg", "-version", "make clips"), ("espeak-ng", "--version", "speak")];

/// The same libraries by the names that pkg-config knows.
const LIBRARIES: [&str; 6] =
    ["libavcodec", "libavfilter", "libavformat", "libavutil", "libswresample", "libswscale"];

const ELSEWHERE: &str = "\
FFmpeg's development files, libclang and pkg-config are needed. Install them, then run this again:
  Fedora   sudo dnf install ffmpeg-free ffmpeg-free-devel clang clang-devel pkgconf-pkg-config
  Arch     sudo pacman -S ffmpeg clang pkgconf
  macOS    brew install ffmpeg llvm pkgconf
The tests want espeak-ng as well, which is a package of that name everywhere.
Without them `cargo build -p affekt --no-default-features` still builds all that needs no media file.";

/// Makes sure that the packages are there.
pub fn run(root: &Path, purpose: For) -> Result<()> {
    if is_debian(&os_release()) { debian(root, purpose) } else { elsewhere(purpose) }
}

fn debian(root: &Path, purpose: For) -> Result<()> {
    let wanted: Vec<&str> = match purpose {
        For::Build => BUILD.to_vec(),
        For::Tests => [&BUILD[..], &TESTS].concat(),
    };
    // dpkg-query fails as soon as one name is unknown, and still lists the others.
    let listed = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(&wanted)
        .output()
        .context("cannot start dpkg-query")?;
    let missing = missing(&wanted, &String::from_utf8_lossy(&listed.stdout));
    if missing.is_empty() {
        println!("system packages: all {} are installed", wanted.len());
        return Ok(());
    }
    println!("system packages missing: {}", missing.join(" "));
    let mut update = as_root()?;
    shell::run(update.args(["apt-get", "update"]).current_dir(root))?;
    let mut install = as_root()?;
    install.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends"]);
    shell::run(install.args(&missing).current_dir(root))
}

/// `env`, through sudo where this user is not root. Through `env`, because sudo clears the environment.
fn as_root() -> Result<Command> {
    let user = shell::capture(Command::new("id").arg("-u"))?;
    if user.trim() == "0" {
        return Ok(Command::new("env"));
    }
    if !shell::succeeds(Command::new("sudo").arg("--version")) {
        bail!(
            "installing packages needs root, and there is no sudo: install the packages named above as root"
        );
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("env");
    Ok(sudo)
}

fn elsewhere(purpose: For) -> Result<()> {
    if !shell::succeeds(Command::new("pkg-config").arg("--exists").args(LIBRARIES)) {
        bail!("{ELSEWHERE}");
    }
    for (program, version, does) in PROGRAMS {
        if purpose == For::Tests && !shell::succeeds(Command::new(program).arg(version)) {
            bail!("the tests {does} with the `{program}` program, which is not on the PATH\n{ELSEWHERE}");
        }
    }
    println!("system packages: pkg-config finds all of {}", LIBRARIES.join(" "));
    Ok(())
}

fn os_release() -> String {
    let read = |path| std::fs::read_to_string(path);
    read("/etc/os-release").or_else(|_| read("/usr/lib/os-release")).unwrap_or_default()
}

/// Whether `ID` or `ID_LIKE` of an os-release file names Debian or Ubuntu.
fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| matches!(*key, "ID" | "ID_LIKE"))
        .flat_map(|(_, value)| value.trim_matches('"').split_whitespace())
        .any(|id| matches!(id, "debian" | "ubuntu"))
}

/// The names of `wanted` that no line of `listed` (`name status`) shows as installed.
fn missing<'a>(wanted: &[&'a str], listed: &str) -> Vec<&'a str> {
    let installed = |name: &str| listed.lines().any(|line| line.split_once(' ') == Some((name, "installed")));
    wanted.iter().copied().filter(|name| !installed(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_what_descends_from_it_are_known() {
        assert!(is_debian("NAME=x\nID=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nPRETTY_NAME=\"not debian\"\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn only_installed_counts() {
        let listed = "clang installed\nlibclang-dev config-files\n";
        assert_eq!(missing(&["clang", "libclang-dev", "ffmpeg"], listed), ["libclang-dev", "ffmpeg"]);
    }
}
