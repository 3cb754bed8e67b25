//! The side of the worker.

use std::io::{Read, Result, Write};
use std::path::Path;
use std::thread;

use crossbeam_channel::{Sender, bounded};

use super::protocol::{self, Answer, Request};

/// Answers requests from `input` on `output`, one after the other; the process ends with `input`, in the middle of a request
/// too, since nobody is there to hear the answer.
///
/// # Errors
/// Those of `output`.
pub fn serve(
    input: impl Read + Send + 'static,
    mut output: impl Write,
    answer: impl Fn(&Request) -> Answer,
) -> Result<()> {
    protocol::write(&mut output, 0, &Answer::ready())?;
    let (sender, requests) = bounded(1);
    thread::spawn(move || listen(input, &sender));
    requests.iter().try_for_each(|(number, request)| protocol::write(&mut output, number, &answer(&request)))
}

/// Passes requests on. A thread of its own, so that the end is heard while a decoder hangs.
fn listen(mut input: impl Read, sender: &Sender<(u64, Request)>) {
    let code = loop {
        match protocol::read(&mut input) {
            Ok(Some(request)) => {
                // Otherwise `serve` has failed, and says so.
                let Ok(()) = sender.send(request) else { return };
            }
            Ok(None) => break 0,
            Err(_) => break 1,
        }
    };
    std::process::exit(code);
}

/// Does what is asked.
pub fn answer(request: &Request) -> Answer {
    match request {
        Request::Probe { path } => {
            Answer::duration(affekt_media::probe(Path::new(path)).map(|info| info.duration))
        }
    }
}
