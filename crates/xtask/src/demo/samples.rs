//! The clips that come with the embedded bundle: `NAME.mp4`, its words in `NAME.txt`, its label in `NAME.label`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// A clip whose valence is known.
#[derive(Debug, PartialEq)]
pub struct Sample {
    /// Name of its files, without their endings.
    pub name: String,
    /// What is said in it.
    pub words: String,
    /// Its valence, -3 to 3.
    pub label: f64,
}

/// The samples in `folder`, in the order of their names.
pub fn read(folder: &Path) -> Result<Vec<Sample>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no samples in {}", folder.display()))?;
    let mut clips: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    clips.retain(|path| path.extension().is_some_and(|ending| ending == "mp4"));
    clips.sort();
    if clips.is_empty() {
        bail!("{} has no samples (NAME.mp4, NAME.txt, NAME.label)", folder.display());
    }
    clips.iter().map(|clip| sample(clip)).collect()
}

fn sample(clip: &Path) -> Result<Sample> {
    let beside = |ending: &str| {
        let path = clip.with_extension(ending);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        anyhow::Ok(text.trim().to_owned())
    };
    let label = beside("label")?;
    let number: Option<f64> = label.parse().ok().filter(|label| (-3.0..=3.0).contains(label));
    let name = clip.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let Some(number) = number else {
        bail!("{}: {label:?} is no label from -3 to 3", clip.with_extension("label").display());
    };
    let words = beside("txt")?;
    ensure!(!words.is_empty(), "{} has no words", clip.with_extension("txt").display());
    Ok(Sample { name, words, label: number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny")
    }

    /// A folder of its own for a test.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("affekt-xtask-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_sample_is_a_clip_with_words_and_a_label() {
        let folder = folder("samples");
        let error = read(&folder).unwrap_err().to_string();
        assert!(error.contains("has no samples"), "{error}");
        for name in ["b", "a"] {
            fs::copy(tiny().join("sample.mp4"), folder.join(format!("{name}.mp4"))).unwrap();
            fs::copy(tiny().join("sample.txt"), folder.join(format!("{name}.txt"))).unwrap();
            fs::write(folder.join(format!("{name}.label")), "-1.25\n").unwrap();
        }
        let words = fs::read_to_string(tiny().join("sample.txt")).unwrap();
        let sample = |name: &str| Sample { name: name.into(), words: words.trim().into(), label: -1.25 };
        assert_eq!(read(&folder).unwrap(), [sample("a"), sample("b")]);
        for label in ["", "good", "NaN", "3.5"] {
            fs::write(folder.join("b.label"), label).unwrap();
            let error = read(&folder).unwrap_err().to_string();
            assert!(error.contains("b.label") && error.contains("is no label"), "{error}");
        }
        fs::remove_file(folder.join("a.txt")).unwrap();
        assert!(read(&folder).unwrap_err().to_string().contains("a.txt"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn three_samples_ship_and_none_is_large() {
        let folder = tiny().join("samples");
        let samples = read(&folder).unwrap();
        assert_eq!(samples.len(), 3);
        for Sample { name, .. } in samples {
            let bytes = fs::metadata(folder.join(format!("{name}.mp4"))).unwrap().len();
            assert!(bytes < 300_000, "{name}.mp4 has {bytes} bytes");
        }
    }
}
