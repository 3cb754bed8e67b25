//! Readers against damaged files: a short run with every `cargo test`, a longer one on demand.

use std::time::{Duration, Instant};

use arbtest::arbitrary::{Result, Unstructured};

/// How long a target runs where `ARBTEST_BUDGET_MS` says nothing.
const SHORT_RUN: Duration = Duration::from_millis(1500);

/// No damaged file of a few kilobytes may take longer, on a busy machine and without optimisation.
const LONGEST: Duration = Duration::from_secs(5);

/// Nor more memory, in megabytes, for the whole process.
const LARGEST: usize = 512;

/// What readers of text stumble over: separators, numbers that are none or too large, halves of line ends and of characters.
#[rustfmt::skip]
const AWKWARD: [&[u8]; 24] = [
    b"\n", b"\r", b"\n\n", b"\t", b",", b"\"", b"{", b"\\u", b"___", b" --> ", b"<", b"&#x110000;", b"\0", b"\xc3",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x80\xa8", b"../", b"nan", b"-inf", b"1e999", b"-0", b"99:99:99,999",
    b"18446744073709551616",
];

/// Feeds `read` the files of `corpus` with random damage. It returns or is wrong: a panic, a file over which it takes
/// seconds and memory out of proportion fail the test.
///
/// `ARBTEST_BUDGET_MS=600000` runs for ten minutes; `ARBTEST_SEED=0x...`, which a failure prints, repeats one case.
pub fn damaged(corpus: &[Vec<u8>], mut read: impl FnMut(&[u8])) {
    assert!(!corpus.is_empty(), "nothing to damage");
    for sound in corpus {
        read(sound);
    }
    let run = arbtest::arbtest(|random| {
        let bytes = damage(corpus, random)?;
        let start = Instant::now();
        read(&bytes);
        assert!(start.elapsed() < LONGEST, "{} bytes took {:?}", bytes.len(), start.elapsed());
        Ok(())
    });
    let run = run.size_max(4096);
    if std::env::var_os("ARBTEST_BUDGET_MS").is_some() {
        run.run();
    } else {
        run.budget(SHORT_RUN).run();
    }
    if let Some(peak) = peak_megabytes() {
        assert!(peak < LARGEST, "damaged files took {peak} MB");
    }
}

/// A file of `corpus` after one to four kinds of damage.
pub fn damage(corpus: &[Vec<u8>], random: &mut Unstructured) -> Result<Vec<u8>> {
    let mut bytes = random.choose(corpus)?.clone();
    for _ in 0..random.int_in_range(1..=4)? {
        let at = random.int_in_range(0..=bytes.len())?;
        let length = random.int_in_range(0..=16usize)?.min(bytes.len() - at);
        let range = at..at + length;
        match random.int_in_range(0..=8)? {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(range)),
            2 => drop(bytes.splice(at..at, random.arbitrary::<[u8; 4]>()?)),
            3 => bytes[range].iter_mut().for_each(|byte| *byte ^= 1 << (at % 8)),
            // Lengths, counts and offsets are where readers go wrong.
            4 => {
                let number = random.choose(&[0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX >> 1, u64::MAX])?;
                let width = random.choose(&[1, 2, 4, 8])?;
                let place = at..(at + width).min(bytes.len());
                let wide = number.to_le_bytes();
                bytes[place.clone()].copy_from_slice(&wide[..place.len()]);
            }
            5 => {
                let part = bytes[range].to_vec();
                let to = random.int_in_range(0..=bytes.len())?;
                drop(bytes.splice(to..to, part));
            }
            6 => drop(bytes.splice(at..at, random.choose(&AWKWARD)?.iter().copied())),
            7 => {
                bytes.truncate(at);
                bytes.extend(random.arbitrary::<Vec<u8>>()?);
            }
            _ => {
                let other = random.choose(corpus)?;
                let from = at.min(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    Ok(bytes)
}

fn peak_megabytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<usize>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_changes_files_of_any_size() {
        let corpus = [Vec::new(), vec![7], (0..200).collect::<Vec<u8>>()];
        let mut changed = 0;
        damaged(&corpus, |bytes| changed += usize::from(!corpus.iter().any(|sound| sound == bytes)));
        assert!(changed > 100);
    }
}
