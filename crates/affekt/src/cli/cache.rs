//! Flags of `cache`.

use std::path::PathBuf;

use affekt_core::{Digest, FeatureKind, LayerRule};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

/// What `cache` does.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// What it holds: features, recipes, clips done, absent and failed, bytes.
    Ls {
        /// Folder of the cache.
        #[arg(long, value_name = "DIR")]
        cache: PathBuf,
    },
    /// Read every byte: checksums, shapes, finite numbers; and whether all clips of a list are there.
    Verify {
        /// Folder of the cache.
        #[arg(long, value_name = "DIR")]
        cache: PathBuf,
        /// Clips that should be there: an id a line, or a JSON object a line with a member id.
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
        /// Which features.
        #[command(flatten)]
        choice: Choice,
    },
    /// Features as .npy files, in the layout that the released Python code reads.
    Export {
        /// Folder of the cache.
        #[arg(long, value_name = "DIR")]
        cache: PathBuf,
        /// Where the files go: DIR/FEATURE/ID.npy. Nothing is overwritten; a second run goes on where the first stopped.
        #[arg(long, value_name = "DIR")]
        npy: PathBuf,
        /// Which features.
        #[command(flatten)]
        choice: Choice,
    },
    /// Features of another program, from .npy files: one a clip, or one of all clips with a table that names them.
    Import(Box<Import>),
    /// Remove superseded recipes and what dead writers left behind; nothing else.
    Gc {
        /// Folder of the cache.
        #[arg(long, value_name = "DIR")]
        cache: PathBuf,
        /// Say what would go, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which features a command takes; all by default.
#[derive(Debug, Args)]
pub struct Choice {
    /// Only this feature.
    #[arg(long, value_name = "FEATURE", value_parser = kind())]
    pub feature: Option<FeatureKind>,
    /// Only recipes whose digest begins so.
    #[arg(long, value_name = "DIGITS")]
    pub spec: Option<String>,
}

/// Flags of `cache import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Folder of the cache; made where it is missing.
    #[arg(long, value_name = "DIR")]
    pub cache: PathBuf,
    /// Where the files are: DIR/FEATURE/ID.npy, or DIR/ID.npy; with --index, one file of shape (clips, width) or (clips, rows,
    /// width).
    #[arg(long, value_name = "DIR|FILE")]
    pub npy: PathBuf,
    /// The clips of a file: TSV or CSV with a header line, a line a clip.
    #[arg(long, value_name = "FILE")]
    pub index: Option<PathBuf>,
    /// The index's column of ids [default: id].
    #[arg(long, value_name = "NAME", requires = "index")]
    pub id_column: Option<String>,
    /// Its column of places in the file, from 0 [default: row; without such a column, the order of the lines].
    #[arg(long, value_name = "NAME", requires = "index")]
    pub row_column: Option<String>,
    /// Its column that says how many of a clip's rows are its own, and not padding [default: all are].
    #[arg(long, value_name = "NAME", requires = "index")]
    pub length_column: Option<String>,
    /// Which feature they are.
    #[arg(long, value_name = "FEATURE", value_parser = kind())]
    pub feature: FeatureKind,
    /// The network that made them, by name.
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    pub encoder: String,
    /// SHA-256 of its weights; where it is not known, the digest of the files stands for it.
    #[arg(long, value_name = "SHA256")]
    pub weights: Option<Digest>,
    /// Which hidden states: one entry (-5) or a sum (-4..-1).
    #[arg(long, value_name = "RULE", allow_hyphen_values = true)]
    pub layers: Option<LayerRule>,
    /// What was done to the input, a step each time, in order.
    #[arg(long, value_name = "STEP")]
    pub preprocessing: Vec<String>,
    /// Numbers a row [default: those of the first file that can be read].
    #[arg(long, value_name = "N")]
    pub width: Option<usize>,
    /// How the numbers are kept: f32, f16 or bf16.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub dtype: String,
    /// What a row stands for [default: 20ms for audio and speech, frame for video, token for text and simulated; clip where an
    /// indexed file has one row a clip].
    #[arg(long, value_name = "NAME")]
    pub row: Option<String>,
}

fn kind() -> impl TypedValueParser<Value = FeatureKind> {
    let names = affekt_cache::folders::KINDS.map(FeatureKind::name);
    PossibleValuesParser::new(names)
        .map(|name| affekt_cache::folders::kind(&name).expect("the parser takes only names of features"))
}
