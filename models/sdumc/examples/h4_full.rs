#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "temporary")]
use std::path::Path;
use affekt_sdumc::*;
use affekt_weights::Checkpoint;
use affekt_weights::tensors::TensorFile;
use candle_core::{DType, Device};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let ck = Checkpoint::open(Path::new(&args[1])).unwrap();
    let mut raw = RawConfig::default().infer(&ck);
    raw.compat = args[2].parse().unwrap();
    raw.mia = Some(args[3].parse().unwrap());
    let cfg = raw.resolve().unwrap();
    let net = Differentiable::load(&ck, &cfg, &Device::Cpu).unwrap();
    let f = TensorFile::open(Path::new("/tmp/h4/in.safetensors"), &Device::Cpu).unwrap();
    let seq = |n: &str| { let r = f.floats(n, 3, DType::F32).unwrap(); let (b, t, _) = r.dims3().unwrap();
        Sequence::padded(r, &f.lengths(&format!("lengths.{n}"), b, t).unwrap().unwrap()).unwrap() };
    let clips = Clips { audio: seq("audio"), text: seq("text"), simulated: seq("simulated"), video: seq("video") };
    let labels = f.floats("labels", 1, DType::F32).unwrap();
    for _ in 0..2 {
        let t = std::time::Instant::now();
        let (l, g) = net.losses(&clips, &labels, &LossWeights::of(cfg.compat)).unwrap();
        println!("{:?}", t.elapsed());
        let mut out: std::collections::HashMap<String, _> = g.into_iter().map(|(n, t)| (format!("grad.{n}"), t)).collect();
        out.insert("loss".into(), l.total.detach());
        for (n, t) in Losses::TERMS.iter().zip(l.terms()) { out.insert((*n).into(), t.detach()); }
        candle_core::safetensors::save(&out, "/tmp/h4/out.safetensors").unwrap();
    }
}
