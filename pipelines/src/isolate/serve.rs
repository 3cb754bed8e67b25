//! The side of the worker.

use std::io::{Read, Result, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;

use crossbeam_channel::{Sender, bounded};

use super::protocol::{self, Answer, Bulk, Request};
use crate::cut::{Cutting, Found, Sign};

/// Answers requests from `input` on `output`, one after the other; the process ends with `input`, in the middle of a request
/// too, since nobody is there to hear the answer. `answer` may say more than one thing; what it returns is the last.
///
/// # Errors
/// Those of `output`.
pub fn serve(
    input: impl Read + Send + 'static,
    mut output: impl Write,
    mut answer: impl FnMut(&Request, &mut Speaker<'_>) -> Answer,
) -> Result<()> {
    protocol::write(&mut output, 0, &Answer::ready(), &Bulk::default())?;
    let (sender, requests) = bounded(1);
    thread::spawn(move || listen(input, &sender));
    requests.iter().try_for_each(|(number, request)| {
        let mut speaker = Speaker { number, output: &mut output, said: Ok(()) };
        let last = answer(&request, &mut speaker);
        speaker.said?;
        protocol::write(&mut output, number, &last, &Bulk::default())
    })
}

/// Says what is to be said before the last answer to a request.
pub struct Speaker<'o> {
    number: u64,
    output: &'o mut dyn Write,
    said: Result<()>,
}

impl Speaker<'_> {
    /// Says one thing, and what follows it; to break off is the answer where nobody hears.
    pub fn say(&mut self, answer: &Answer, bulk: &Bulk) -> ControlFlow<()> {
        if self.said.is_ok() {
            self.said = protocol::write(&mut self.output, self.number, answer, bulk);
        }
        if self.said.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Passes requests on. A thread of its own, so that the end is heard while a decoder hangs.
fn listen(mut input: impl Read, sender: &Sender<(u64, Request)>) {
    let code = loop {
        match protocol::read(&mut input) {
            Ok(Some((number, request, _))) => {
                // Otherwise `serve` has failed, and says so.
                let Ok(()) = sender.send((number, request)) else { return };
            }
            Ok(None) => break 0,
            Err(_) => break 1,
        }
    };
    std::process::exit(code);
}

/// What a worker keeps from request to request.
pub struct Work {
    cutting: Cutting,
}

impl Default for Work {
    /// For one core: there is a worker for each.
    fn default() -> Self {
        Self { cutting: Cutting::with_threads(1) }
    }
}

impl Work {
    /// Does what is asked.
    pub fn answer(&mut self, request: &Request, speaker: &mut Speaker<'_>) -> Answer {
        match request {
            Request::Probe { path } => {
                Answer::duration(affekt_media::probe(Path::new(path)).map(|info| info.duration))
            }
            Request::Cut(order) => Answer::cost(self.cutting.cut(order, &mut |sign| {
                let (answer, bulk) = message(sign);
                speaker.say(&answer, &bulk)
            })),
        }
    }
}

fn message(sign: Sign) -> (Answer, Bulk) {
    let answer = match sign {
        Sign::Alive { frames } => Answer::Advanced { frames },
        Sign::Found(Found::Opened { digest }) => Answer::Opened { digest: digest.to_string() },
        Sign::Found(Found::Clip(Ok(cut))) => return Answer::clip(cut),
        Sign::Found(Found::Clip(Err(failure))) => Answer::Lost(failure),
    };
    (answer, Bulk::default())
}
