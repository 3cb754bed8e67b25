use std::fs;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use affekt_train::Key;
use candle_core::Device;

use super::super::{Batching, Error, Rules, feed};
use super::{Place, audio};
use crate::dataset::Split;

#[test]
fn batches_come_in_the_order_of_the_plan() {
    let corpus = Place::usual().open(&Rules::default()).unwrap();
    let plan = Batching { size: 2, pool: 2 }.epoch(corpus.split(Split::Train), Some(Key::new(1)));
    for ahead in [0, 1, 4] {
        let mut seen = Vec::new();
        let fed = feed(&corpus, Split::Train, &plan, &Device::Cpu, ahead, |at, batch| {
            assert_eq!(at, seen.len());
            seen.push(batch.clips);
            Ok::<_, Error>(ControlFlow::Continue(()))
        });
        let samples = corpus.split(Split::Train);
        let wanted =
            plan.iter().map(|batch| batch.iter().map(|&at| samples[at].id.clone()).collect::<Vec<_>>());
        assert_eq!(seen, wanted.collect::<Vec<_>>());
        assert_eq!(fed.unwrap().batches, 2);
    }
}

#[test]
fn it_ends_where_the_one_who_is_fed_says_so() {
    let corpus = Place::usual().open(&Rules::default()).unwrap();
    let plan = vec![vec![0]; 1000];
    let fed = feed(&corpus, Split::Train, &plan, &Device::Cpu, 2, |at, _| {
        Ok::<_, Error>(if at == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    assert_eq!(fed.unwrap().batches, 5);
    let error =
        feed(&corpus, Split::Train, &plan, &Device::Cpu, 2, |_, _| Err(Error::Loader("enough".into())));
    assert!(error.unwrap_err().to_string().contains("enough"));
    let panicked = std::panic::catch_unwind(|| {
        feed(&corpus, Split::Train, &plan, &Device::Cpu, 2, |_, _| -> Result<_, Error> { panic!("fed up") })
    });
    assert!(panicked.is_err());
}

#[test]
fn errors_and_panics_of_the_thread_come_through() {
    let place = Place::usual();
    for entry in fs::read_dir(place.cache().join(audio().folder())).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let end = bytes.len() - 2;
        bytes[end..].copy_from_slice(&[0x00, 0x7c]);
        fs::write(&path, bytes).unwrap();
    }
    let corpus = place.open(&Rules::default()).unwrap();
    let seen = AtomicUsize::new(0);
    let counted = |plan: &[Vec<usize>]| {
        feed(&corpus, Split::Train, plan, &Device::Cpu, 1, |_, _| {
            seen.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>(ControlFlow::Continue(()))
        })
    };
    let error = counted(&[vec![0], vec![0, 1], vec![0]]).unwrap_err();
    assert!(matches!(&error, Error::NotFinite { clip, .. } if clip.as_str() == "a_1"), "{error}");
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    // A plan of another corpus: a fault of ours, which is told all the same.
    let error = counted(&[vec![0], vec![99]]).unwrap_err();
    assert!(matches!(&error, Error::Loader(said) if said.contains("99")), "{error}");
}

#[test]
fn who_is_slower_than_the_thread_waits_for_the_first_batch_only() {
    let corpus = Place::usual().open(&Rules::default()).unwrap();
    let plan = vec![vec![0, 1, 2]; 10];
    let work = Duration::from_millis(20);
    let fed = feed(&corpus, Split::Train, &plan, &Device::Cpu, 2, |_, _| {
        std::thread::sleep(work);
        Ok::<_, Error>(ControlFlow::Continue(()))
    });
    let waited = fed.unwrap().waited;
    assert!(waited < 5.0 * work.as_secs_f64(), "{waited}");
}
