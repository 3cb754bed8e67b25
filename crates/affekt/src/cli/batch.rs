//! Flags that several commands share which work through many clips.

use std::fmt;
use std::str::FromStr;

use affekt_pipelines::batch::Allowance;
use candle_core::Device;
use clap::{Args, ValueEnum};

/// Storage types.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Store {
    /// 32 bits: as computed.
    F32,
    /// 16 bits, 10 of mantissa: half the disk, three to four digits.
    F16,
    /// 16 bits, 7 of mantissa: two to three digits, the range of f32.
    Bf16,
}

impl Store {
    /// Its name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

/// What text generation may take.
#[derive(Clone, Copy, Debug, Args)]
pub struct Generating {
    /// Most clips whose text is simulated at a time, on each device; what comes out is the same [default: 16 on a CPU, 128 on
    /// a card].
    #[arg(long, value_name = "CLIPS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub in_flight: Option<u16>,
    /// Most memory for the keys and values of clips whose text is simulated, on each device; it bounds how many are in
    /// flight [default: 4GiB on a CPU; on a card 30% of what is free beside the networks, at least 4GiB where there is room].
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub kv_memory: Option<usize>,
}

impl Generating {
    /// The same with what suits `devices` for what is not said.
    pub fn allowance(self, devices: &[Device]) -> Allowance {
        let clips = self.in_flight.map(usize::from);
        Allowance { bytes: self.kv_memory, clips, ..Allowance::default() }.known(devices)
    }
}

/// One of several shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which, from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Share {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some(Self { index: index.parse().ok()?, count: count.parse().ok()? }));
        match numbers {
            Some(share) if share.index < share.count => Ok(share),
            Some(Self { count, .. }) => {
                Err(format!("the shards of {count} are numbered from 0: name I/{count} with I below {count}"))
            }
            None => Err("write I/N, such as 0/4 for the first of four".into()),
        }
    }
}

/// Percent, 0 to 100.
pub fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("give percent, 0 to 100".into()),
    }
}

/// Bytes, such as 4GiB, 512MB or 1000000.
pub fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.find(|sign: char| !(sign.is_ascii_digit() || sign == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err("give a size, such as 4GiB or 512MB".into()),
    };
    let bytes = number.parse::<f64>().ok().map(|number| number * unit);
    match bytes.filter(|bytes| (1.0..=1e18).contains(bytes)) {
        Some(bytes) => Ok(bytes as usize),
        None => Err("give a size above 0, such as 4GiB or 512MB".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_numbered_from_0() {
        assert_eq!("3/4".parse(), Ok(Share { index: 3, count: 4 }));
        for bad in ["4/4", "0/0", "1", "-1/2", "a/b", ""] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn percent_are_0_to_100() {
        assert_eq!((percent("5"), percent("12.5%")), (Ok(5.0), Ok(12.5)));
        assert!(percent("101").is_err() && percent("-1").is_err() && percent("nan").is_err());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            (bytes("4GiB"), bytes("512 MB"), bytes("1.5g")),
            (Ok(4 << 30), Ok(512_000_000), Ok(1_500_000_000))
        );
        assert_eq!(bytes("4096"), Ok(4096));
        for bad in ["", "4 apples", "-1GB", "0", "nanMB", "1e40"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
