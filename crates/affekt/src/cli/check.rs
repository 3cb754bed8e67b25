//! Flags of `check`.

use std::path::PathBuf;

use affekt_pipelines::check::Part;
use clap::Args;

use super::Dtype;

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The folder with NETWORK/tests/golden in it.
    #[arg(long, value_name = "DIR", default_value = "models")]
    pub goldens: PathBuf,
    /// Where networks run: auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Numbers inside the networks.
    #[arg(long, value_name = "TYPE,..", value_delimiter = ',', default_values = ["f32", "f16", "bf16"])]
    pub dtype: Vec<Dtype>,
    /// Only these parts, of wavlm, manet, llama, generate, sdumc, train, whisper, wide, faces and gates.
    #[arg(long, value_name = "PART,..", value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Write what --json prints to this file, whatever is printed.
    #[arg(long, value_name = "FILE.json")]
    pub save: Option<PathBuf>,
}
