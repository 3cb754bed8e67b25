//! The flags of the commands.

use anyhow::{Context, Result, bail, ensure};

use super::cases::NETWORKS;

/// What the commands take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Only these networks; all where there is none.
    pub networks: Vec<String>,
    /// Numbers inside affekt's networks.
    pub dtype: String,
    pub threads: usize,
    /// How often each program is started, where it is said.
    pub rounds: Option<usize>,
    pub repeat: usize,
    /// Of a generation.
    pub max_new_tokens: usize,
}

impl Options {
    /// Reads `flags`; those that are not in `known` are refused.
    pub fn parse(flags: &[&str], known: &[&str]) -> Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        let mut options = Self {
            networks: Vec::new(),
            dtype: "f32".to_owned(),
            threads: cores,
            rounds: None,
            repeat: 3,
            max_new_tokens: 200,
        };
        let mut rest = flags.iter();
        while let Some(&flag) = rest.next() {
            ensure!(
                known.contains(&flag),
                "`{flag}` is no flag of this command: it takes {}",
                known.join(", ")
            );
            let &value = rest.next().with_context(|| format!("{flag} wants a value"))?;
            options.set(flag, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, flag: &str, value: &str) -> Result<()> {
        let count = || match value.parse() {
            Ok(count) if count > 0 => Ok(count),
            _ => bail!("{flag} wants a number from 1, not `{value}`"),
        };
        match flag {
            "--threads" => self.threads = count()?,
            "--rounds" => self.rounds = Some(count()?),
            "--repeat" => self.repeat = count()?,
            "--max-new-tokens" => self.max_new_tokens = count()?,
            "--dtype" => {
                ensure!(
                    ["f32", "f16", "bf16"].contains(&value),
                    "--dtype is f32, f16 or bf16, not `{value}`"
                );
                value.clone_into(&mut self.dtype);
            }
            _ => {
                ensure!(
                    NETWORKS.contains(&value),
                    "--network is one of {}, not `{value}`",
                    NETWORKS.join(", ")
                );
                self.networks.push(value.to_owned());
            }
        }
        Ok(())
    }

    /// Whether the network is asked for.
    pub fn wants(&self, network: &str) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|wanted| wanted == network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_mistakes_named() {
        let known = ["--network", "--threads"];
        let options =
            Options::parse(&["--network", "wavlm", "--threads", "3", "--network", "slam"], &known).unwrap();
        assert_eq!(
            (options.networks.as_slice(), options.threads),
            (&["wavlm".to_owned(), "slam".to_owned()][..], 3)
        );
        for (flags, named) in [
            (&["--rounds", "1"][..], "--rounds"),
            (&["--threads"], "wants a value"),
            (&["--threads", "0"], "`0`"),
            (&["--network", "whisper"], "whisper"),
        ] {
            let error = Options::parse(flags, &known).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
