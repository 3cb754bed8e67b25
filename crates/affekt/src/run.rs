//! One network on tensors: `affekt run`.

mod generate;
mod job;
mod llama;
mod manet;
mod sdumc;
mod sdumc_loss;
mod slam;
mod wavlm;

pub use generate::Search;
pub use job::{Job, Outputs};

use affekt_pipelines::Error;

use crate::cli::{self, Network};

/// A network that is loaded and has its input: each call is one forward pass.
pub type Forward = Box<dyn Fn() -> Result<Outputs, Error>>;

/// As [`Forward`], with what is to be told of the pass besides.
pub type Told = Box<dyn Fn() -> Result<(Outputs, Option<Search>), Error>>;

/// Loads the network that the flags name, and its input.
pub fn prepare(flags: &cli::Run) -> Result<Told, Error> {
    let job = Job::open(flags)?;
    let forward = match flags.network {
        Network::Wavlm => wavlm::prepare(&job),
        Network::Manet => manet::prepare(&job),
        Network::Llama => llama::prepare(&job),
        Network::Slam => slam::prepare(&job),
        Network::Generate => return generate::prepare(&job),
        Network::Sdumc => sdumc::prepare(&job),
        Network::SdumcLoss => sdumc_loss::prepare(&job),
    }?;
    Ok(Box::new(move || Ok((forward()?, None))))
}
