#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use std::ops::ControlFlow;
use std::time::Instant;
use affekt_core::Span;
use affekt_pipelines::cut::*;
use affekt_pipelines::isolate::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "worker" {
        let mut work = Work::default();
        let _ = serve(std::io::stdin(), std::io::stdout(), |r, s| work.answer(r, s));
        return;
    }
    let count: usize = args[2].parse().unwrap();
    let each = 6.0;
    let spans: Vec<Span> = (0..count).map(|n| Span::new(Some(n as f64 * each), Some((n + 1) as f64 * each)).unwrap()).collect();
    let order = Order { media: args[1].clone().into(), spans, sound: true, faces: Some(Detector::RustFace) };
    let show = |name: &str, start: Instant, bytes: usize, cost: Cost| {
        println!("{name}: wall {:.2} s, {cost:?}, {} MB, {:.2}x real time", start.elapsed().as_secs_f64(), bytes / 1_000_000, count as f64 * each / start.elapsed().as_secs_f64());
    };
    let size = |found: &Found| match found {
        Found::Clip(Ok(cut)) => {
            let s = if let Part::There(w) = &cut.sound { 4 * w.samples.len() } else { 0 };
            s + if let Part::There(p) = &cut.picture { p.crops.iter().flatten().map(|c| c.data.len()).sum() } else { 0 }
        }
        other => { if !matches!(other, Found::Opened{..}) { println!("{other:?}"); } 0 }
    };
    let which = args.get(3).map_or("both", |w| w.as_str());
    if which != "worker" {
        let (mut bytes, start) = (0, Instant::now());
        let threads = if which == "one" { 1 } else { 2 };
        let cost = Cutting::with_threads(threads).cut(&order, &mut |sign| { if let Sign::Found(f) = sign { bytes += size(&f); } ControlFlow::Continue(()) }).unwrap();
        show("in process", start, bytes, cost);
    }
    if which == "worker" || which == "both" {
        let pool = Pool::start(Program { path: std::env::current_exe().unwrap(), arguments: vec!["worker".into()] }, Settings { workers: 1, ..Settings::default() }).unwrap();
        let (mut bytes, start) = (0, Instant::now());
        let cost = pool.cut(&order, |f| { bytes += size(&f); ControlFlow::Continue(()) }).unwrap();
        show("one worker", start, bytes, cost);
    }
}
