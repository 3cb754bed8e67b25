//! Bundles by name.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@import`] | [`import::import`]: published checkpoints into a bundle |
//! | [`mod@pull`] | [`pull::pull`]: files of a bundle from the hub |

pub mod import;
pub mod pull;

use std::path::{Path, PathBuf};

use affekt_weights::{Bundle, Error, bundle::EmbeddedFile};

/// Name of the bundle that is part of the program.
pub const TINY: &str = "tiny";

/// A file of the embedded bundle, under the path that `bundle.toml` calls it by.
macro_rules! tiny {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../models/tiny/", $path)).as_slice())),*]
    };
}

static TINY_FILES: &[EmbeddedFile] = tiny![
    "bundle.toml",
    "wavlm/config.json",
    "wavlm/model.safetensors",
    "manet/config.json",
    "manet/model.safetensors",
    "llama/config.json",
    "llama/model.safetensors",
    "llama/tokenizer.json",
    "slam/config.json",
    "slam/model.safetensors",
    "sdumc/config.json",
    "sdumc/model.safetensors",
    "whisper/config.json",
    "whisper/model.safetensors",
    "whisper/tokenizer.json",
];

/// A bundle of the published networks: its definition, and the configurations that are published nowhere.
macro_rules! published {
    ($name:literal) => {
        &[
            ("bundle.toml", include_bytes!(concat!("../../../models/bundles/", $name, "/bundle.toml"))),
            ("manet/config.json", include_bytes!("../../../models/bundles/configs/manet.json")),
            ("slam/config.json", include_bytes!("../../../models/bundles/configs/slam.json")),
            ("sdumc/config.json", include_bytes!("../../../models/bundles/configs/sdumc.json")),
        ]
    };
}

/// Bundles whose definition is part of the program, and whose files are not.
static DEFINED: [(&str, &[EmbeddedFile]); 2] = [
    ("wavlm-large-vicuna7b", published!("wavlm-large-vicuna7b")),
    ("wavlm-large-vicuna7b-q4", published!("wavlm-large-vicuna7b-q4")),
];

/// Names of the bundles that are known without a path.
pub fn known() -> impl Iterator<Item = &'static str> {
    std::iter::once(TINY).chain(DEFINED.iter().map(|(name, _)| *name))
}

/// Opens the bundle `name`: a known one, or the path of a folder with a `bundle.toml`.
pub fn open(name: &str) -> Result<Bundle, Error> {
    if name == TINY {
        return Bundle::embedded(TINY_FILES);
    }
    if let Some((name, files)) = DEFINED.iter().find(|(defined, _)| *defined == name) {
        return Bundle::built_in(files, home()?.join("bundles").join(name));
    }
    let folder = Path::new(name);
    if folder.is_dir() { Bundle::open(folder) } else { Err(Error::NoBundle { name: name.into() }) }
}

/// Where the files of known bundles are kept: `AFFEKT_HOME`, else `affekt` in the user's data folder.
pub fn home() -> Result<PathBuf, Error> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = || set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let default = || std::env::home_dir().map(|home| home.join(".local/share"));
    set("AFFEKT_HOME").or_else(|| Some(data().or_else(default)?.join("affekt"))).ok_or_else(|| Error::Write {
        path: "affekt".into(),
        reason: "there is no home folder to keep bundles in; set AFFEKT_HOME".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_pipelines::recipe::Recipes;
    use affekt_weights::bundle::Remedy;

    #[test]
    fn every_listed_file_is_embedded_and_right() {
        let bundle = open(TINY).unwrap();
        for path in bundle.manifest().files.keys() {
            bundle.file(path).unwrap();
        }
        assert_eq!(bundle.manifest().files.len() + 1, TINY_FILES.len());
        assert!(matches!(open("absent"), Err(Error::NoBundle { .. })));
    }

    #[test]
    fn definitions_are_consistent() {
        for (name, files) in DEFINED {
            let folder = tempfile::tempdir().unwrap();
            let bundle = Bundle::built_in(files, folder.path().into()).unwrap();
            assert_eq!(bundle.name(), name);
            Recipes::of(&bundle).unwrap();
            for (path, _) in files.iter().filter(|(path, _)| *path != "bundle.toml") {
                bundle.file(path).unwrap();
            }
            let missing = bundle.missing(bundle.manifest().networks.keys().map(String::as_str)).unwrap();
            assert_eq!(missing.len() + files.len() - 1, bundle.manifest().files.len(), "{missing:?}");
            assert!(missing.iter().all(|missing| missing.remedy != Remedy::Restore), "{missing:?}");
            let imports = missing.iter().filter(|missing| missing.remedy != Remedy::Pull);
            let targets: Vec<&str> = imports.map(|missing| missing.target.as_str()).collect();
            assert_eq!(targets, ["manet", "sdumc", "slam", "yunet"].map(|name| name), "{missing:?}");
        }
    }

    #[test]
    fn embedded_configurations_fit_the_published_networks() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = Bundle::built_in(DEFINED[0].1, folder.path().into()).unwrap();
        let slam: affekt_llama::slam::Config = bundle.config("slam").unwrap();
        assert_eq!(slam, affekt_llama::slam::Config::default());
        let manet = bundle.config::<affekt_manet::RawConfig>("manet").unwrap().resolve().unwrap();
        assert_eq!(manet, affekt_manet::RawConfig::default().resolve().unwrap());
        let sdumc = bundle.config::<affekt_sdumc::RawConfig>("sdumc").unwrap().resolve().unwrap();
        let paper = affekt_sdumc::Config::default();
        assert_eq!((sdumc.widths, sdumc.dim), (paper.widths, paper.dim));
        assert_eq!((sdumc.compat, sdumc.mia), (affekt_sdumc::Compat::Release, paper.mia));
    }
}
