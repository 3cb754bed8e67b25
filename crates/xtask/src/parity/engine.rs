//! Many beam searches at once beside transformers' `generate`: rates, memory, and which limit of the machine holds.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::bench::{MEMORY_BOUND, median};
use super::cases::{self, Case};
use super::check::holds;
use super::options::Options;
use super::programs::{Measured, Probe, Programs, Search, publish};
use super::table;

/// How many clips a second affekt makes for each of PyTorch's one at a time, at least, with so many in flight.
const BOUNDS: [(usize, f64); 2] = [(1, 1.0), (16, 3.0)];

/// `cargo xtask bench-parity --network engine`.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let searches = cases::searches();
    let (flop, products) = cases::products();
    let of_all: Vec<&Case> = searches.iter().map(|(_, case)| case).chain([&products]).collect();
    let programs = Programs::prepare(root, options, &of_all)?;
    let machine = machine(&programs, &products, flop)?;
    let model = Model::of(&programs.json("llama/config.json")?).context("llama/config.json lacks a size")?;
    let mut taken: Vec<Taken> = searches.iter().map(|(at_once, _)| Taken::new(*at_once)).collect();
    for round in 0..options.rounds.unwrap_or(1) {
        for (taken, (_, case)) in taken.iter_mut().zip(&searches) {
            println!("{}", case.name);
            taken.round(&programs, case, round)?;
        }
    }
    let alone = median(&taken[0].torch);
    let (mut rates, mut limits, mut missed) = (Vec::new(), Vec::new(), 0);
    for taken in &taken {
        let search = taken.search.context("affekt says nothing of its search")?;
        let faults = taken.faults(alone);
        missed += usize::from(!faults.is_empty());
        rates.push(taken.rates(&search, alone, &faults));
        limits.push(limit(&model, &search, &machine, taken.at_once, median(&taken.affekt)));
    }
    let head = [
        "at once",
        "affekt, clips/s",
        "tokens/s",
        "torch, clips/s",
        "tokens/s",
        "ratio",
        "ratio to torch's 1",
        "affekt, MiB",
        "torch, MiB",
        "torch's tokens",
        "verdict",
    ];
    let of_limits = [
        "in flight",
        "mean",
        "rows a pass",
        "cache, MiB",
        "weights, GB/s",
        "of reading",
        "products, GFLOP/s",
        "of products",
        "bound by",
    ];
    let text = format!(
        "{} threads; 32 prompts of 60 to 140 positions, 4 beams, up to 40 new tokens. This machine reads {:.1} GB/s and \
         multiplies {:.0} GFLOP/s in f32 (the best of PyTorch and affekt).\n\n{}\n{}",
        options.threads,
        machine.read,
        machine.products,
        table::render(&head, &rates),
        table::render(&of_limits, &limits),
    );
    publish(root, "engine.md", &text)?;
    if missed > 0 {
        bail!("{missed} of {} searches miss a bound", taken.len());
    }
    Ok(())
}

/// What the machine can do: the better of both programs.
fn machine(programs: &Programs, products: &Case, flop: f64) -> Result<Probe> {
    println!("{}", products.name);
    let probe = programs.probe()?;
    let ours = programs.affekt(products, "f32", 8, &programs.output("affekt"))?;
    let fastest = ours.seconds.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Probe { products: probe.products.max(flop / fastest / 1e9), ..probe })
}

/// Parameters that are multiplied with every row.
#[derive(Debug, PartialEq)]
struct Model {
    /// With every row.
    layers: f64,
    /// With rows that are scored.
    head: f64,
}

impl Model {
    fn of(config: &Value) -> Option<Self> {
        let size = |name: &str| config[name].as_f64();
        let (width, heads) = (size("hidden_size")?, size("num_attention_heads")?);
        let kv_width = width / heads * size("num_key_value_heads").unwrap_or(heads);
        let layer = 2.0 * width * (width + kv_width) + 3.0 * width * size("intermediate_size")?;
        Some(Self { layers: layer * size("num_hidden_layers")?, head: width * size("vocab_size")? })
    }

    /// Bytes of weights that the passes of a search read.
    fn bytes(&self, search: &Search) -> f64 {
        4.0 * (self.layers + self.head) * search.passes
    }

    /// Floating-point operations of its products. Of a prompt only the last row is scored.
    fn flop(&self, search: &Search) -> f64 {
        let (rows, scored) = (search.beam_rows + search.prompt_rows, search.beam_rows + search.clips);
        2.0 * (self.layers * rows + self.head * scored)
    }
}

/// What both programs took with so many clips at once.
#[derive(Debug)]
struct Taken {
    at_once: usize,
    affekt: Vec<f64>,
    torch: Vec<f64>,
    /// Peaks, in MiB.
    memory: (f64, f64),
    search: Option<Search>,
    /// Whether affekt's tokens are those of PyTorch one at a time.
    right: bool,
    /// Whether PyTorch's are.
    torch_alike: bool,
}

impl Taken {
    fn new(at_once: usize) -> Self {
        let (affekt, torch) = (Vec::new(), Vec::new());
        Self { at_once, affekt, torch, memory: (0.0, 0.0), search: None, right: true, torch_alike: true }
    }

    /// Starts both programs. PyTorch one at a time is the reference for everything that follows.
    fn round(&mut self, programs: &Programs, case: &Case, round: usize) -> Result<()> {
        let [reference, got] = ["engine-torch-1", "affekt"].map(|name| programs.output(name));
        let torch_output = programs.output(&format!("engine-torch-{}", self.at_once));
        let torch = programs.torch(case, "f32", 1, &torch_output)?;
        // The first pass of a process warms up; PyTorch has its own short one.
        let affekt = programs.affekt(case, "f32", 2, &got)?;
        self.torch.extend(&torch.seconds);
        self.affekt.extend(&affekt.seconds[1..]);
        self.note(&affekt, &torch);
        self.right &= programs.compare(&reference, &got)?.iter().all(holds);
        if round == 0 {
            self.torch_alike = programs.compare(&reference, &torch_output)?.iter().all(holds);
        }
        Ok(())
    }

    fn note(&mut self, affekt: &Measured, torch: &Measured) {
        self.memory = (self.memory.0.max(affekt.memory), self.memory.1.max(torch.memory));
        self.search = affekt.search;
    }

    /// How often affekt is done while PyTorch is done once, which takes `torch` seconds.
    fn ratio(&self, torch: f64) -> f64 {
        torch / median(&self.affekt)
    }

    fn faults(&self, alone: f64) -> Vec<&'static str> {
        let too_slow = |(at_once, bound)| self.at_once == at_once && self.ratio(alone) < bound;
        let faults = [
            (BOUNDS.into_iter().any(too_slow), "TOO SLOW"),
            (self.memory.0 > MEMORY_BOUND * self.memory.1, "TOO LARGE"),
            (!self.right, "WRONG"),
        ];
        faults.into_iter().filter_map(|(at_fault, fault)| at_fault.then_some(fault)).collect()
    }

    fn rates(&self, search: &Search, alone: f64, faults: &[&str]) -> Vec<String> {
        let (affekt, torch) = (median(&self.affekt), median(&self.torch));
        vec![
            self.at_once.to_string(),
            format!("{:.2}", search.clips / affekt),
            format!("{:.0}", search.tokens / affekt),
            format!("{:.2}", search.clips / torch),
            format!("{:.0}", search.tokens / torch),
            format!("{:.1}", self.ratio(torch)),
            format!("{:.1}", self.ratio(alone)),
            format!("{:.0}", self.memory.0),
            format!("{:.0}", self.memory.1),
            if self.torch_alike { "as one at a time" } else { "others" }.to_owned(),
            if faults.is_empty() { "ok".to_owned() } else { faults.join(", ") },
        ]
    }
}

/// How near a search that took so many seconds is to what the machine can do.
fn limit(model: &Model, search: &Search, machine: &Probe, at_once: usize, seconds: f64) -> Vec<String> {
    let (read, multiplied) = (model.bytes(search) / seconds / 1e9, model.flop(search) / seconds / 1e9);
    let (of_reading, of_products) = (read / machine.read, multiplied / machine.products);
    vec![
        at_once.to_string(),
        format!("{:.1}", search.in_flight),
        format!("{:.1}", (search.beam_rows + search.prompt_rows) / search.passes),
        format!("{:.0}", search.cache_bytes / f64::from(1 << 20)),
        format!("{read:.1}"),
        format!("{:.0} %", 100.0 * of_reading),
        format!("{multiplied:.0}"),
        format!("{:.0} %", 100.0 * of_products),
        if of_reading > of_products { "reading weights" } else { "arithmetic" }.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn search() -> Search {
        Search {
            clips: 2.0,
            tokens: 9.0,
            passes: 5.0,
            beam_rows: 8.0,
            prompt_rows: 20.0,
            in_flight: 1.5,
            cache_bytes: 1e6,
        }
    }

    #[test]
    fn weights_and_operations_are_counted() {
        let config = json!({"hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2,
            "intermediate_size": 10, "num_hidden_layers": 3, "vocab_size": 7});
        let model = Model::of(&config).unwrap();
        // Queries and outputs 8 by 8, keys and values 8 by 4, three of 8 by 10.
        assert_eq!(model, Model { layers: 3.0 * (128.0 + 64.0 + 240.0), head: 56.0 });
        assert_eq!(model.bytes(&search()), 4.0 * (1296.0 + 56.0) * 5.0);
        assert_eq!(model.flop(&search()), 2.0 * (1296.0 * 28.0 + 56.0 * 10.0));
        assert!(Model::of(&json!({"hidden_size": 8})).is_none());
    }

    #[test]
    fn the_nearer_limit_holds() {
        let model = Model { layers: 1e9, head: 0.0 };
        let bound = |read, products| {
            limit(&model, &search(), &Probe { read, products }, 1, 1.0).last().cloned().unwrap()
        };
        assert_eq!(bound(21.0, 1000.0), "reading weights");
        assert_eq!(bound(100.0, 60.0), "arithmetic");
    }

    #[test]
    fn every_missed_bound_is_named() {
        let taken = |at_once, affekt, memory, right| Taken {
            affekt: vec![affekt],
            torch: vec![9.0],
            memory: (memory, 100.0),
            right,
            ..Taken::new(at_once)
        };
        assert!(taken(16, 3.0, 100.0, true).faults(9.0).is_empty());
        assert!(taken(4, 8.0, 100.0, true).faults(9.0).is_empty(), "no bound for four");
        assert_eq!(taken(16, 3.1, 101.0, false).faults(9.0), ["TOO SLOW", "TOO LARGE", "WRONG"]);
        assert_eq!(taken(1, 9.1, 1.0, true).faults(9.0), ["TOO SLOW"]);
    }
}
