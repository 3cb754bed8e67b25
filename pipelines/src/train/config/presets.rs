//! The configurations that come with affekt: those of `pipelines/train/configs`.

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        /// Their names.
        pub const NAMES: &[&str] = &[$($name),+];

        /// The text of the one called `name`.
        pub fn text(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../../train/configs/", $name, ".toml"))),)+
                _ => None,
            }
        }
    };
}

presets! {
    "paper",
    "release",
    "no-llmg",
    "no-mia-mkd",
    "no-mia",
    "no-mkd",
    "no-rs",
    "no-rnc",
    "mosi",
    "mosi-clean",
    "replica",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_preset() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("train/configs");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(text(&name).is_some(), "{name} is not among the presets");
        }
    }
}
