//! What is run, and the bounds.

/// Relative error of an output in f32 that is never exceeded.
pub const ERROR_BOUND: f64 = 1e-3;
/// What is aimed at.
pub const ERROR_AIM: f64 = 1e-4;

/// A training step, which is timed and not compared: what dropout drops is drawn.
pub const STEP: &str = "sdumc-step";

/// The networks as `affekt run` calls them; the engine, which is `generate` with many prompts; and the training step.
pub const NETWORKS: [&str; 8] = ["wavlm", "manet", "llama", "slam", "generate", "engine", "sdumc", STEP];

/// One run of one network; both programs get the same.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is, for people.
    pub name: String,
    pub network: &'static str,
    /// What the programs call it.
    pub names: Names,
    /// Folder or file of the weights, under the folder of all of them.
    pub weights: &'static str,
    /// File of the input tensors, there too.
    pub input: &'static str,
    /// A configuration other than the one beside the weights, there too.
    pub config: Option<&'static str>,
    pub flags: Vec<&'static str>,
    /// Whether it tells what half precision costs.
    pub in_halves: bool,
}

/// A network as the two programs know it.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub affekt: &'static str,
    pub torch: &'static str,
}

/// A case that is timed.
pub struct Timed {
    pub case: Case,
    /// Largest ratio of affekt's time to PyTorch's.
    pub bound: f64,
}

fn case(name: &str, network: &'static str, weights: &'static str, input: &'static str) -> Case {
    let names = Names { affekt: network, torch: network };
    let (name, config, flags) = (name.to_owned(), None, Vec::new());
    Case { name, network, names, weights, input, config, flags, in_halves: false }
}

impl Case {
    fn flags(mut self, flags: &[&'static str]) -> Self {
        self.flags.extend(flags);
        self
    }

    fn config(mut self, config: Option<&'static str>) -> Self {
        self.config = config;
        self
    }

    /// As a case of the engine.
    fn engine(self) -> Self {
        Self { network: "engine", ..self }
    }

    fn in_halves(mut self) -> Self {
        self.in_halves = true;
        self
    }
}

/// The cases of `bench-parity`.
pub fn timed() -> Vec<Timed> {
    let search = ["--beams", "4", "--max-new-tokens", "48"];
    let search = case("4 beams, prompt of 118, 48 tokens", "generate", "llama", "llama/prompt.safetensors")
        .flags(&search)
        .config(Some("llama/endless.json"));
    vec![
        Timed { case: case("WavLM-Large, 8 s", "wavlm", "wavlm", "wavlm/clip.safetensors"), bound: 1.0 },
        Timed { case: case("MANet, 8 faces", "manet", "manet", "manet/images8.safetensors"), bound: 1.15 },
        Timed {
            case: case("Llama 100M, 128 positions", "llama", "llama", "llama/prefill.safetensors"),
            bound: 1.0,
        },
        Timed { case: search, bound: 1.0 },
    ]
}

/// The searches of `bench-parity --network engine`: 32 prompts of 60 to 140 positions, so many at once. PyTorch does them in
/// batches.
pub fn searches() -> [(usize, Case); 3] {
    [(1, "1"), (4, "4"), (16, "16")].map(|(at_once, flag)| {
        let flags = ["--beams", "4", "--max-new-tokens", "40", "--in-flight", flag];
        let name = format!("32 prompts, {flag} at once");
        let case = case(&name, "generate", "llama", "llama/engine.safetensors").flags(&flags).engine();
        (at_once, Case { names: Names { torch: "engine", ..case.names }, ..case })
    })
}

/// A large product in f32 and little else, for the rate that this machine reaches, and its floating-point operations.
pub fn products() -> (f64, Case) {
    let parameters = f64::from(5 * 1024 * 2048 + 2048 * 4096);
    (
        2.0 * 2000.0 * parameters,
        case("2000 rows through the projector", "slam", "slam/model.pt", "slam/long.safetensors"),
    )
}

/// The cases of `check-parity`.
pub fn checked() -> Vec<Case> {
    let upstream = ["--variant", "upstream"];
    let mut cases = vec![
        case("WavLM-Large, 8 s", "wavlm", "wavlm", "wavlm/clip.safetensors").in_halves(),
        case("WavLM-Large, padded batch", "wavlm", "wavlm", "wavlm/batch.safetensors"),
        case("MANet, sdumc", "manet", "manet", "manet/images2.safetensors").in_halves(),
        case("MANet, upstream", "manet", "manet/model_best.pth", "manet/images2.safetensors")
            .flags(&upstream),
        case("Llama 100M, 128 positions", "llama", "llama", "llama/prefill.safetensors").in_halves(),
        case("Llama 100M, padded right", "llama", "llama", "llama/right.safetensors"),
        case("Llama 100M, padded left", "llama", "llama", "llama/left.safetensors"),
        case("SLAM projector", "slam", "slam/model.pt", "slam/features.safetensors").in_halves(),
    ];
    for (name, scorer, beams, limit) in [
        ("4 beams", "hf5", "4", "40"),
        ("4 beams, one token", "hf5", "4", "1"),
        ("2 beams", "hf5", "2", "24"),
        ("4 beams, older scorer", "hf4", "4", "16"),
    ] {
        let flags = ["--beams", beams, "--max-new-tokens", limit, "--scorer", scorer];
        cases.push(case(name, "generate", "llama", "llama/prompts.safetensors").flags(&flags));
    }
    let flags = ["--beams", "4", "--max-new-tokens", "24", "--in-flight", "4"];
    let ragged = case("9 ragged prompts, 4 in flight", "generate", "llama", "llama/ragged.safetensors");
    cases.push(ragged.flags(&flags).engine());
    cases.extend(fusion());
    cases
}

/// SDUMC in every setting, both flows.
fn fusion() -> impl Iterator<Item = Case> {
    let imaginations = [
        ("MIA off", "off", "sdumc/residual-ae.pt", None),
        ("residual to text", "on", "sdumc/residual-ae.pt", None),
        ("residual to transition", "on", "sdumc/residual-ae.pt", Some("sdumc/transition.json")),
        ("equations 5 and 6", "on", "sdumc/equation.pt", Some("sdumc/equation.json")),
    ];
    let settings = ["paper", "release"]
        .into_iter()
        .flat_map(move |compat| imaginations.map(|imagination| (compat, imagination)));
    let both = settings.flat_map(|setting| {
        [("with text", &[][..]), ("without", &["--missing"])].map(|flow| (setting, flow))
    });
    both.map(|((compat, (imagination, mia, weights, config)), (flow, missing))| {
        let name = format!("SDUMC {compat}, {imagination}, {flow}");
        let made = case(&name, "sdumc", weights, "sdumc/batch.safetensors").config(config);
        let made = made.flags(&["--compat", compat, "--mia", mia]).flags(missing);
        if imagination == "residual to text" { made.in_halves() } else { made }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_checked_and_no_two_cases_are_one() {
        let cases = checked();
        for network in NETWORKS.into_iter().filter(|&network| network != STEP) {
            assert!(cases.iter().any(|case| case.network == network), "{network}");
        }
        assert!(
            cases
                .iter()
                .chain(timed().iter().map(|timed| &timed.case))
                .chain(searches().iter().map(|(_, case)| case))
                .all(|case| NETWORKS.contains(&case.network))
        );
        let mut runs: Vec<String> =
            cases.iter().map(|case| format!("{:?}", Case { name: String::new(), ..case.clone() })).collect();
        runs.sort();
        runs.dedup();
        assert_eq!(runs.len(), cases.len());
        assert_eq!(cases.iter().filter(|case| case.network == "sdumc").count(), 16);
    }
}
