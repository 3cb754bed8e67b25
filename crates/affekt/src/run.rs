//! One network on tensors: `affekt run`.

mod generate;
mod job;
mod llama;
mod manet;
mod sdumc;
mod slam;
mod wavlm;

pub use job::{Job, Outputs};

use affekt_pipelines::Error;

use crate::cli::{self, Network};

/// A network that is loaded and has its input: each call is one forward pass.
pub type Forward = Box<dyn Fn() -> Result<Outputs, Error>>;

/// Loads the network that the flags name, and its input.
pub fn prepare(flags: &cli::Run) -> Result<Forward, Error> {
    let job = Job::open(flags)?;
    match flags.network {
        Network::Wavlm => wavlm::prepare(&job),
        Network::Manet => manet::prepare(&job),
        Network::Llama => llama::prepare(&job),
        Network::Slam => slam::prepare(&job),
        Network::Generate => generate::prepare(&job),
        Network::Sdumc => sdumc::prepare(&job),
    }
}
