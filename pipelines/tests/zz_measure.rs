//! temporary
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "temporary")]
use affekt_core::{FeatureKind, SampleRate, Waveform};
use affekt_pipelines::networks::Encoders;
use affekt_testkit::{noise, relative_error};
use affekt_weights::Bundle;
use candle_core::{Device, Tensor};
use std::path::Path;
use std::time::Instant;

fn bits(t: &Tensor) -> Vec<u32> {
    t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}
#[test]
#[ignore]
fn measure() {
    let folder = std::env::var("BUNDLE").unwrap();
    let e = Encoders::load(
        &Bundle::open(Path::new(&folder)).unwrap(),
        &[FeatureKind::Audio, FeatureKind::Speech],
        &Device::Cpu,
    )
    .unwrap()
    .voice
    .unwrap();
    let lengths: Vec<usize> =
        [4.0, 5.03, 6.21, 7.37, 8.5, 9.77, 10.9, 12.0].iter().map(|s: &f64| (s * 16e3) as usize).collect();
    let clips: Vec<Waveform> = lengths
        .iter()
        .map(|&n| Waveform { samples: noise(0.01, 0.1, n).to_vec1().unwrap(), rate: SampleRate::SPEECH })
        .collect();
    let refs: Vec<&Waveform> = clips.iter().collect();
    let what = std::env::var("WHAT").unwrap();
    if what == "bits" {
        let singles: Vec<_> = refs.iter().map(|c| e.encode(c).unwrap().unwrap()).collect();
        for size in [1usize, 2, 3, 8] {
            let mut equal = 0;
            let mut total = 0;
            let mut worst = 0f64;
            let mut rows_equal = 0;
            let mut rows = 0;
            for (chunk, alone) in refs.chunks(size).zip(singles.chunks(size)) {
                for (b, s) in e.encode_batch(chunk).unwrap().into_iter().zip(alone) {
                    let b = b.unwrap();
                    for (x, y) in [(&b.audio, &s.audio), (&b.speech, &s.speech)] {
                        total += 1;
                        if bits(x) == bits(y) {
                            equal += 1;
                        }
                        worst = worst.max(relative_error(x, y));
                        for r in 0..x.dim(0).unwrap() {
                            rows += 1;
                            if bits(&x.get(r).unwrap()) == bits(&y.get(r).unwrap()) {
                                rows_equal += 1;
                            }
                        }
                    }
                }
            }
            println!(
                "batch {size}: {equal}/{total} tensors bitwise equal, rows {rows_equal}/{rows}, worst relative error {worst:e}"
            );
        }
        // equal lengths
        let same: Vec<Waveform> = (0..4)
            .map(|_| Waveform {
                samples: noise(0.01, 0.1, 80_000).to_vec1().unwrap(),
                rate: SampleRate::SPEECH,
            })
            .collect();
        let refs: Vec<&Waveform> = same.iter().collect();
        let b = e.encode_batch(&refs).unwrap();
        let eq = b
            .into_iter()
            .zip(&refs)
            .filter(|(b, c)| bits(&b.as_ref().unwrap().speech) == bits(&e.encode(c).unwrap().unwrap().speech))
            .count();
        println!("equal lengths: {eq}/4");
    } else if what == "sweep" {
        let clip = |t: usize| Waveform { samples: noise(0.01, 0.1, t * 320 + 80).to_vec1().unwrap(), rate: SampleRate::SPEECH };
        let long = clip(700);
        let ts: Vec<usize> = std::env::var("TS").unwrap().split(' ').map(|t| t.parse().unwrap()).collect();
        let (mut same, mut other) = (vec![], vec![]);
        for t in ts {
            let c = clip(t);
            assert_eq!(e.frames(c.samples.len()), t);
            let a = e.encode(&c).unwrap().unwrap();
            let b = e.encode_batch(&[&c, &long]).unwrap().remove(0).unwrap();
            if bits(&a.speech) == bits(&b.speech) && bits(&a.audio) == bits(&b.audio) { same.push(t) } else { other.push((t, (relative_error(&b.speech, &a.speech) * 1e8).round() / 1e8)) }
        }
        println!("same: {same:?}\nother: {other:?}");
    } else {
        let reps: usize = std::env::var("REPS").unwrap().parse().unwrap();
        let waste = 8.0 * 12.0 / (lengths.iter().sum::<usize>() as f64 / 16e3) - 1.0;
        println!("padding {:.1}% over true", waste * 100.0);
        let run = |f: &dyn Fn()| {
            f();
            let mut t: Vec<f64> = (0..reps)
                .map(|_| {
                    let s = Instant::now();
                    f();
                    s.elapsed().as_secs_f64()
                })
                .collect();
            t.sort_by(f64::total_cmp);
            (t[0], t[reps / 2])
        };
        for (name, size) in [("1", 1usize), ("2", 2), ("4", 4), ("8", 8)] {
            let (min, med) = run(&|| {
                for c in refs.chunks(size) {
                    e.encode_batch(c).unwrap();
                }
            });
            println!("batches of {name}: min {:.3} s, median {:.3} s", min, med);
        }
        let same: Vec<Waveform> = (0..8)
            .map(|_| Waveform {
                samples: noise(0.01, 0.1, 128_000).to_vec1().unwrap(),
                rate: SampleRate::SPEECH,
            })
            .collect();
        let refs: Vec<&Waveform> = same.iter().collect();
        for size in [1usize, 2, 4, 8] {
            let (min, med) = run(&|| {
                for c in refs.chunks(size) {
                    e.encode_batch(c).unwrap();
                }
            });
            println!("equal 8 s, batches of {size}: min {min:.3} s, median {med:.3} s");
        }
    }
}
