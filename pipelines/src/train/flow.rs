//! A run from beginning to end.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use affekt_core::{Event, Reporter, Seconds};
use affekt_nn::threads::in_pool;
use affekt_report::training::{Chosen, Epoch, Evidence, Made, Outcome, Times, Training};
use affekt_train::{Adam, Batch, Key, Method, Parameters, Phase};
use candle_core::{Device, Tensor, Var};

use super::choice::Choice;
use super::data::feed;
use super::epoch::{Descent, Means};
use super::judge::Judge;
use super::plan::Plan;
use super::state::{Notes, State};
use super::tensorboard::{self, Board};
use super::{Error, checkpoint, folder};
use crate::dataset::Split;

/// Batches that are assembled in advance.
const AHEAD: usize = 2;

/// A run that can begin.
pub struct Request<'a> {
    /// What it shall learn, checked against its clips.
    pub plan: &'a Plan,
    /// Its folder.
    pub out: &'a Path,
    /// Where it runs.
    pub device: &'a Device,
    /// When it begins: RFC 3339, UTC.
    pub started: String,
    /// What makes the page, for its foot.
    pub made: Made,
    /// Whether TensorBoard event files are written, too.
    pub tensorboard: bool,
    /// Set to end it after the batch at hand; what is done stays.
    pub stop: &'a AtomicBool,
    /// Largest resident memory of this process so far in bytes, where the system tells.
    pub peak_memory: &'a dyn Fn() -> Option<u64>,
    /// Who hears of it.
    pub reporter: &'a dyn Reporter,
}

/// Trains, chooses, judges, and writes everything into the run's folder. A run that was interrupted goes on after its last
/// epoch that is done, on the CPU to the bit as if it had never been, on a card so far as cuBLAS repeats itself (the sums of
/// our kernels do); one that has ended is only read.
///
/// # Errors
/// Everything that can be known beforehand is known before the first batch; [`Error::Interrupted`] where `stop` was set.
pub fn train(request: &Request) -> Result<Training, Error> {
    let plan = request.plan;
    if let Some(finished) = folder::open(request.out, plan)? {
        return Ok(finished);
    }
    let state = State::new(request.out, plan.digest());
    let mut run = Run::new(request)?;
    run.restore(&state)?;
    while run.notes.phase < run.phases.len() {
        run.phase(&state)?;
    }
    let (training, evidence) = run.judged()?;
    let values = run.parameters.values()?.into_iter();
    let values = values.map(|(name, value)| Ok((name, value.to_device(&Device::Cpu)?)));
    let values = values.collect::<Result<_, candle_core::Error>>()?;
    checkpoint::save(&request.out.join(folder::CHECKPOINT), &plan.card(&training), &values)?;
    folder::report(request.out, &training, &evidence, &request.made)?;
    state.remove()?;
    Ok(training)
}

/// A run at work.
struct Run<'a> {
    request: &'a Request<'a>,
    began: Instant,
    key: Key,
    phases: Vec<Phase>,
    flows: &'static [&'static str],
    parameters: Parameters,
    vars: BTreeMap<String, Var>,
    method: Box<dyn Method>,
    /// Of the current phase.
    optimisers: Vec<Adam>,
    /// The parameters that the current phase would keep if it ended now.
    best: BTreeMap<String, Tensor>,
    choice: Choice,
    chosen: Option<Chosen>,
    notes: Notes,
}

impl<'a> Run<'a> {
    fn new(request: &'a Request<'a>) -> Result<Self, Error> {
        let plan = request.plan;
        let key = Key::new(plan.config.seed);
        let parameters = Parameters::drawn(key.with("parameters"));
        let method = plan.recipe.build(parameters.builder(request.device))?;
        let (vars, phases, flows) = (parameters.all(), plan.recipe.phases(), plan.recipe.flows());
        Ok(Self {
            request,
            began: Instant::now(),
            key,
            optimisers: optimisers(plan, phases.first()),
            choice: Choice::new(&plan.config.selection, flows)?,
            phases,
            flows,
            best: BTreeMap::new(),
            parameters,
            vars,
            method,
            chosen: None,
            notes: Notes::new(plan.digest(), request.started.clone()),
        })
    }

    /// Goes on where an interrupted run has ended.
    fn restore(&mut self, state: &State) -> Result<(), Error> {
        let Some(held) = state.read()? else { return Ok(()) };
        self.notes = held.notes.clone();
        self.optimisers = optimisers(self.request.plan, self.phases.get(self.notes.phase));
        self.best = held.restore(&self.parameters, &self.vars, &mut self.optimisers)?;
        for phase in self.phases.iter().take(self.notes.phase + 1) {
            self.choice = Choice::new(&self.request.plan.config.selection, self.flows)?;
            for (at, valid) in self.notes.seen(phase.name).enumerate() {
                self.choice.see(at + 1, valid);
            }
            self.chosen = self.choice.chosen(phase.name).or(self.chosen.take());
        }
        Ok(())
    }

    /// The rest of the current phase; the next one begins with its best parameters.
    fn phase(&mut self, state: &State) -> Result<(), Error> {
        let epochs = self.epochs();
        while self.notes.done < epochs && !self.notes.enough {
            self.epoch(state)?;
        }
        self.parameters.set(&self.best)?;
        self.notes.phase += 1;
        (self.notes.done, self.notes.enough) = (0, false);
        self.optimisers = optimisers(self.request.plan, self.phases.get(self.notes.phase));
        self.choice = Choice::new(&self.request.plan.config.selection, self.flows)?;
        self.save(state)
    }

    /// How many epochs the current phase has at most.
    fn epochs(&self) -> usize {
        let phase = &self.phases[self.notes.phase];
        phase.epochs.unwrap_or(self.request.plan.config.training.epochs)
    }

    fn epoch(&mut self, state: &State) -> Result<(), Error> {
        let began = Instant::now();
        let (means, mut seconds) = self.descend()?;
        let valid = self.valid()?;
        let (done, phase) = (self.notes.done + 1, self.phases[self.notes.phase].name);
        let seen = self.choice.see(done, &valid);
        if seen.keep {
            self.best = self.parameters.values()?;
            self.chosen = self.choice.chosen(phase);
        }
        seconds.total = began.elapsed().as_secs_f64();
        let config = &self.request.plan.config;
        let rate = config.optimiser.lr * config.schedule.at(self.notes.done);
        let losses = means.losses();
        let epochs = self.epochs();
        self.notes.epochs.push(Epoch {
            phase: phase.to_owned(),
            epoch: done,
            rate,
            losses: losses.clone(),
            gradient_norm: means.norm,
            valid: valid.clone(),
            seconds,
        });
        (self.notes.done, self.notes.enough) = (done, seen.enough);
        self.save(state)?;
        if self.request.tensorboard {
            Board::open(&self.request.out.join(tensorboard::FOLDER))?.follow(&self.notes.epochs)?;
        }
        self.request.reporter.report(&Event::Epoch {
            phase,
            epoch: done,
            epochs,
            losses,
            valid: valid.into_iter().map(|outcome| (outcome.flow, outcome.metrics.mae)).collect(),
            best: seen.keep,
            seconds: Seconds(seconds.total),
        });
        Ok(())
    }

    /// Learns from every clip once.
    fn descend(&mut self) -> Result<(Means, Times), Error> {
        let Request { plan, device, stop, reporter, .. } = *self.request;
        let (index, done) = (self.notes.phase, self.notes.done);
        let key = self.key.with("phase").at(index).with("epoch").at(done);
        let batches = plan.config.batching().epoch(plan.corpus.split(Split::Train), Some(key));
        let (steps, epochs) = (batches.len(), self.epochs());
        let mut descent = Descent {
            method: &*self.method,
            vars: &self.vars,
            index,
            phase: &self.phases[index],
            optimisers: &mut self.optimisers,
            clip: plan.config.training.clip,
            factor: plan.config.schedule.at(done),
            epoch: done + 1,
        };
        let (mut means, mut compute) = (Means::default(), 0.0);
        let phase = descent.phase.name;
        let fed = feed(&plan.corpus, Split::Train, &batches, device, AHEAD, |at, batch: Batch| {
            if stop.load(Ordering::Relaxed) {
                return Ok(ControlFlow::Break(()));
            }
            let began = Instant::now();
            let loss = in_pool(|| descent.batch(&batch, key.with("step").at(at), &mut means))?;
            compute += began.elapsed().as_secs_f64();
            let step = Event::Step { phase, epoch: done + 1, epochs, step: at + 1, steps, loss };
            reporter.report(&step);
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { epochs: self.notes.epochs.len() });
        }
        Ok((means, Times { total: 0.0, compute, waiting: fed.waited }))
    }

    fn valid(&self) -> Result<Vec<Outcome>, Error> {
        match self.request.plan.config.data.splits.contains(&Split::Valid) {
            true => self.judge(self.notes.phase).outcomes(Split::Valid),
            false => Ok(Vec::new()),
        }
    }

    fn judge(&self, phase: usize) -> Judge<'_> {
        let Request { plan, device, .. } = *self.request;
        let batch = plan.config.training.batch;
        Judge { method: &*self.method, phase, flows: self.flows, corpus: &plan.corpus, batch, device }
    }

    fn save(&mut self, state: &State) -> Result<(), Error> {
        self.notes.seconds += self.began.elapsed().as_secs_f64();
        self.began = Instant::now();
        state.save(&self.notes, &self.parameters, &self.best, &self.optimisers)
    }

    /// What the kept parameters reach.
    fn judged(&mut self) -> Result<(Training, Vec<Evidence>), Error> {
        let plan = self.request.plan;
        let judge = self.judge(self.phases.len() - 1);
        let (mut results, mut evidence) = (Vec::new(), Vec::new());
        for split in plan.judged() {
            let (outcomes, seen) = judge.evidence(split)?;
            results.extend(outcomes);
            evidence.push(seen);
        }
        let sum = |part: fn(&Times) -> f64| self.notes.epochs.iter().map(|epoch| part(&epoch.seconds)).sum();
        let training = Training {
            affekt: env!("CARGO_PKG_VERSION").into(),
            method: plan.config.method.clone(),
            name: plan.name.clone(),
            seed: plan.config.seed,
            started: self.notes.started.clone(),
            device: crate::device::name(self.request.device),
            config: plan.resolved(),
            data: plan.corpus.facts(),
            parameters: self.parameters.count(),
            flows: self.flows.iter().map(|flow| (*flow).to_owned()).collect(),
            epochs: self.notes.epochs.clone(),
            chosen: self.chosen.clone().expect("a run has an epoch"),
            results,
            seconds: Times {
                total: self.notes.seconds + self.began.elapsed().as_secs_f64(),
                compute: sum(|times| times.compute),
                waiting: sum(|times| times.waiting),
            },
            peak_memory_bytes: (self.request.peak_memory)(),
            warnings: plan.corpus.warnings().to_vec(),
        };
        Ok((training, evidence))
    }
}

/// One for each update of `phase`; none behind the last.
fn optimisers(plan: &Plan, phase: Option<&Phase>) -> Vec<Adam> {
    let updates = phase.map_or(0, |phase| phase.updates.len());
    (0..updates).map(|_| Adam::new(plan.config.optimiser)).collect()
}
