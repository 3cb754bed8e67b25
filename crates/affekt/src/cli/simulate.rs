//! Flags of `simulate`.

use std::path::PathBuf;

use affekt_core::LayerRule;
use affekt_pipelines::recipe::{Mode, Prompt, SimulatedRecipe};
use clap::{Args, ValueEnum};

use super::batch::{Generating, Share, Store, percent};

/// Flags of `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// Folder of the cache with the speech; the text goes there too. Running the same command again goes on where it ended.
    #[arg(long, value_name = "DIR")]
    pub cache: PathBuf,
    /// Only the clips of this dataset, with its transcripts: mosei (its raw folders), or a manifest with a JSON object a line.
    /// Clips without speech in the cache are heard first. Without it: all clips that have speech.
    #[arg(long, value_name = "mosei|FILE.jsonl")]
    pub dataset: Option<String>,
    /// Folder of the dataset; of a manifest's media, where they do not lie beside it.
    #[arg(long, value_name = "DIR", requires = "dataset")]
    pub root: Option<PathBuf>,
    /// Table of labels (CSV or TSV): only clips that it labels.
    #[arg(long, value_name = "FILE", requires = "dataset")]
    pub labels: Option<PathBuf>,
    /// Bundle of networks: a name of `affekt models ls`, or the path of a bundle folder.
    #[arg(long, value_name = "BUNDLE", default_value = "tiny")]
    pub models: String,
    /// Where networks run: auto (every card, else the CPU), cpu, cuda (the first card), cuda:INDEX, several as cuda:0,1, or
    /// cuda:all.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// What differs from the bundle's recipe.
    #[command(flatten)]
    pub recipe: Recipe,
    /// How the text's numbers are kept; part of its recipe [default: as the speech].
    #[arg(long, value_name = "TYPE")]
    pub store: Option<Store>,
    /// Which speech to take, where the cache keeps it in several types.
    #[arg(long, value_name = "TYPE")]
    pub speech: Option<Store>,
    /// What generation may take.
    #[command(flatten)]
    pub generating: Generating,
    /// Only this share of the clips: the first of four machines takes 0/4, the last 3/4.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Share>,
    /// Write the clips whose transcript and generated words disagree most, the worst first: .html, .tsv, .csv or .json.
    #[arg(long, value_name = "FILE")]
    pub agreement: Option<PathBuf>,
    /// End the run as soon as more than so many percent of its clips have failed.
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub max_failures: Option<f64>,
    /// Take up again the clips that failed in earlier runs.
    #[arg(long)]
    pub retry_failed: bool,
    /// Commit at least every so many clips: no more of them are lost with a crash.
    #[arg(long, value_name = "CLIPS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub commit_every: u32,
    /// Processes that decode clips without speech [default: one a core; a card has a core for itself].
    #[cfg(feature = "media")]
    #[arg(long, value_name = "N", requires = "dataset", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
}

/// How text is simulated; what is not said is as the bundle has it. Each is part of the feature's recipe.
#[derive(Debug, Args)]
pub struct Recipe {
    /// Whose hidden states: those of the best text, or those at beam 0 of every step, as in the released features.
    #[arg(long)]
    pub mode: Option<States>,
    /// Which hidden states, summed: -4, or -4..-1.
    #[arg(long, value_name = "RULE", allow_hyphen_values = true)]
    pub layers: Option<LayerRule>,
    /// What the language model is asked to do: sdumc, slam, or @FILE with the words.
    #[arg(long, value_name = "sdumc|slam|@FILE")]
    pub prompt: Option<String>,
    /// Beams of the search; 1 is greedy.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub beams: Option<u16>,
    /// Longest text, in tokens, its end among them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_new_tokens: Option<u32>,
    /// Bound the text of a clip by its length: 16 tokens and 8 for each second.
    #[arg(long)]
    pub robust: bool,
}

/// Whose hidden states make the text.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum States {
    /// Those along the winning text.
    Best,
    /// Those at beam slot 0, whichever text sits there.
    Beam0,
}

impl From<States> for Mode {
    fn from(states: States) -> Self {
        match states {
            States::Best => Self::Best,
            States::Beam0 => Self::Beam0,
        }
    }
}

impl Recipe {
    /// The prompt, where one is named.
    pub fn prompt(&self) -> Result<Option<Prompt>, affekt_pipelines::recipe::BadPrompt> {
        self.prompt.as_deref().map(Prompt::from_argument).transpose()
    }

    /// Changes the bundle's `recipe` by what is said, with `prompt` as [`Recipe::prompt`] gives it.
    pub fn change(&self, prompt: Option<Prompt>, recipe: &mut SimulatedRecipe) {
        let Self { mode, layers, beams, max_new_tokens, robust, .. } = *self;
        recipe.mode = mode.map_or(recipe.mode, Into::into);
        recipe.layers = layers.unwrap_or(recipe.layers);
        recipe.beams = beams.map_or(recipe.beams, usize::from);
        recipe.max_new_tokens = max_new_tokens.map_or(recipe.max_new_tokens, |most| most as usize);
        recipe.robust |= robust;
        if let Some(prompt) = prompt {
            recipe.prompt = prompt;
        }
    }
}
