use affekt_core::*;
use affekt_media::*;
use std::ops::ControlFlow;
fn main() {
    let mut args = std::env::args().skip(1).peekable();
    let mut span = Span::ALL;
    let mut want = Want::ALL;
    if let Some(a) = args.peek() {
        if a.contains("..") {
            let (s, e) = a.split_once("..").unwrap();
            span = Span::new(s.parse().ok(), e.parse().ok()).unwrap();
            args.next();
        }
    }
    if args.peek().is_some_and(|a| a == "-a") {
        want = Want::AUDIO;
        args.next();
    }
    if args.peek().is_some_and(|a| a == "-v") {
        want = Want::VIDEO;
        args.next();
    }
    for path in args {
        let t = std::time::Instant::now();
        let (mut first, mut last, mut size) = (None, 0.0, (0, 0));
        let r = decode(&path, span, want, |f| {
            first.get_or_insert(f.time.0);
            last = f.time.0;
            size = (f.image.width, f.image.height);
            if let Ok(d) = std::env::var("DUMP") {
                let mut o = format!("P6 {} {} 255\n", f.image.width, f.image.height).into_bytes();
                o.extend(&f.image.data);
                std::fs::write(format!("{d}/{:04}.ppm", f.index), o).unwrap();
            }
            ControlFlow::Continue(())
        });
        let dt = t.elapsed().as_secs_f64();
        match r {
            Ok(d) => {
                println!(
                    "{path}\n   {:?}\n   span {:.4}..{:.4} wave {:?} peak {:?} frames {} {first:?}..{last:.4} {size:?} warn {:?} in {dt:.3}s",
                    d.info,
                    d.span.start.0,
                    d.span.end.map_or(-1.0, |e| e.0),
                    d.waveform.as_ref().map(|w| w.samples.len()),
                    d.waveform.as_ref().map(|w| w.peak()),
                    d.frames,
                    d.warnings.iter().map(|w| w.to_string()).collect::<Vec<_>>()
                );
                if let (Ok(p), Some(w)) = (std::env::var("WAV"), &d.waveform) {
                    let b: Vec<u8> = w.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
                    std::fs::write(p, b).unwrap();
                }
            }
            Err(e) => println!("{path}\n   ERR {e} | {:?} {:?} in {dt:.3}", e.kind(), e.hint()),
        }
    }
}
