//! Flags of commands that take released weights of the fusion model.

use affekt_pipelines::{Error, networks::fusion};
use clap::Args;

/// How released weights are to be read: they come without a word about it.
#[derive(Debug, Args)]
pub struct Reading {
    /// Of released weights: follow the paper or the released code: paper or release [default: release].
    #[arg(long, value_name = "NAME")]
    compat: Option<String>,
    /// Of released weights: missing-information autoencoders: on or off [default: on where the weights have them].
    #[arg(long, value_name = "on|off")]
    mia: Option<String>,
    /// Of released weights: what the autoencoders add their output to: text or transition [default: text].
    #[arg(long, value_name = "NAME")]
    mia_residual: Option<String>,
}

impl Reading {
    /// The flags as settings.
    pub fn parse(&self) -> Result<fusion::Reading, Error> {
        Ok(fusion::Reading {
            compat: self.compat.as_deref().map(str::parse).transpose()?,
            mia: self.mia.as_deref().map(str::parse).transpose()?,
            mia_residual: self.mia_residual.as_deref().map(str::parse).transpose()?,
        })
    }
}
