//! Where networks run.

use std::sync::atomic::{AtomicBool, Ordering};

use affekt_nn::device as cards;
use candle_core::utils::cuda_is_available;
use candle_core::{Device, DeviceLocation};

use crate::Error;

pub use affekt_nn::device::{Card, Memory};

/// A device by name: one of those that a list can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Cpu,
    Card(usize),
}

/// The device named `auto`, `cpu`, `cuda` or `cuda:INDEX`, for what runs on one. `auto` is the first card of a program built
/// with CUDA on a machine that has one, else the CPU; `cuda` is the first card.
///
/// # Errors
/// [`Error::Device`]: no such device, or a name of several.
pub fn named(name: &str) -> Result<Device, Error> {
    let failed = |reason: String| Error::Device { name: name.into(), reason };
    let count = cards::count();
    let places = match name {
        "auto" => vec![if count > 0 { Place::Card(0) } else { Place::Cpu }],
        _ => places(name, cuda_is_available().then_some(count)).map_err(failed)?,
    };
    match places.as_slice() {
        &[place] if name != ALL => open(place, name),
        _ => Err(failed("what is asked for runs on one device: name one, as cuda:0".into())),
    }
}

/// The devices of a list, for what runs on several: `auto` (every card that can be opened; the CPU where there is none), `cpu`, `cuda` (the first
/// card), `cuda:INDEX`, `cuda:0,1`, `cuda:all`.
///
/// # Errors
/// [`Error::Device`]: no such device, or of `auto` no card that can be opened on a machine that has some.
pub fn list(names: &str) -> Result<Vec<Device>, Error> {
    let failed = |reason: String| Error::Device { name: names.into(), reason };
    let count = cards::count();
    let places = match names {
        "auto" if count == 0 => vec![Place::Cpu],
        "auto" => return opened((0..count).map(|index| open(Place::Card(index), names))),
        _ => places(names, cuda_is_available().then_some(count)).map_err(failed)?,
    };
    places.into_iter().map(|place| open(place, names)).collect()
}

/// Those that can be opened; why the first cannot, where none can.
fn opened(devices: impl Iterator<Item = Result<Device, Error>>) -> Result<Vec<Device>, Error> {
    let (mut opened, mut refused) = (Vec::new(), None);
    for device in devices {
        match device {
            Ok(device) => opened.push(device),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    refused.filter(|_| opened.is_empty()).map_or(Ok(opened), Err)
}

const ALL: &str = "cuda:all";

/// What a list names, on a machine with `count` cards, which is `None` for a program that can use none; why it names nothing,
/// where that is so.
fn places(names: &str, count: Option<usize>) -> Result<Vec<Place>, String> {
    if names == "cpu" {
        return Ok(vec![Place::Cpu]);
    }
    let Some(list) = names.strip_prefix("cuda") else { return Err("there is no such device".into()) };
    let unwritten = || "it is not written `cuda`, `cuda:INDEX`, `cuda:0,1` or `cuda:all`".to_owned();
    let indices: Vec<usize> = match list.strip_prefix(':') {
        None if list.is_empty() => vec![0],
        None => return Err(unwritten()),
        Some("all") => (0..count.unwrap_or_default().max(1)).collect(),
        Some(list) => {
            let index = |item: &str| item.strip_prefix("cuda:").unwrap_or(item).parse().ok();
            list.split(',').map(index).collect::<Option<_>>().ok_or_else(unwritten)?
        }
    };
    let count = count.ok_or("this affekt is built without CUDA")?;
    for (at, index) in indices.iter().enumerate() {
        if indices[..at].contains(index) {
            return Err(format!("card {index} is named twice"));
        }
        in_range(*index, count)?;
    }
    Ok(indices.into_iter().map(Place::Card).collect())
}

fn in_range(index: usize, count: usize) -> Result<(), String> {
    match count {
        _ if index < count => Ok(()),
        0 => Err(format!("there is no card {index}: the driver shows none")),
        1 => Err(format!("there is no card {index}: this machine has one, cuda:0")),
        _ => Err(format!("there is no card {index}: this machine has {count}, cuda:0 to cuda:{}", count - 1)),
    }
}

fn open(place: Place, name: &str) -> Result<Device, Error> {
    let failed = |error: candle_core::Error| Error::Device { name: name.into(), reason: error.to_string() };
    match place {
        Place::Cpu => Ok(Device::Cpu),
        Place::Card(index) => cards::cuda(index).map_err(failed),
    }
}

/// What a device is called: `cpu`, `cuda:0`.
pub fn name(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".into(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

/// What several devices are called, as a list names them: `cpu`, `cuda:0,1`.
pub fn names(devices: &[Device]) -> String {
    let mut names = String::new();
    for device in devices {
        let name = name(device);
        match name.strip_prefix("cuda:").filter(|_| !names.is_empty()) {
            Some(index) => names.extend([",", index]),
            None if names.is_empty() => names = name,
            None => names.extend([",", &name]),
        }
    }
    names
}

/// What is known of every card, in the order of their indices; why it is not, where it cannot be opened.
pub fn known() -> Vec<Result<Card, Error>> {
    let card = |index| {
        let name = format!("cuda:{index}");
        let known = cards::cuda(index).and_then(|device| cards::card(&device));
        let failed = |reason: String| Error::Device { name: name.clone(), reason };
        known.map_err(|error| failed(error.to_string()))?.ok_or_else(|| failed("it is no card".into()))
    };
    (0..cards::count()).map(card).collect()
}

/// Whether products of f32 on cards may round their factors to TF32.
static TF32: AtomicBool = AtomicBool::new(false);

/// Lets products of f32 on cards round their factors to TF32 (10 bits of mantissa in place of 23), for this process: faster,
/// and in the third digit different. They do not, unless this is called.
pub fn allow_tf32() {
    TF32.store(true, Ordering::Relaxed);
    cards::allow_tf32(true);
}

/// Whether [`allow_tf32`] was called.
pub fn allows_tf32() -> bool {
    TF32.load(Ordering::Relaxed)
}

/// Processes that decode beside `devices`: one a core; a card needs one core for the thread that feeds it.
pub fn decoders(devices: &[Device]) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cards = devices.iter().filter(|device| !device.is_cpu()).count();
    cores.saturating_sub(cards).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_devices_are_refused_by_name() {
        assert_eq!(name(&named("cpu").unwrap()), "cpu");
        for wrong in ["gpu", "cuda:", "cuda:x", "cuda:0,", "cudax", "cpu,cpu", "CPU", ""] {
            for error in [named(wrong).unwrap_err(), list(wrong).unwrap_err()] {
                assert!(error.to_string().contains(&format!("{wrong:?}")), "{error}");
            }
        }
    }

    #[test]
    fn the_cpu_is_a_list_of_one() {
        assert_eq!(names(&list("cpu").unwrap()), "cpu");
        assert!(decoders(&[Device::Cpu]) >= 1);
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_cuda_lists_say_so() {
        assert_eq!(names(&list("auto").unwrap()), "cpu");
        for wanted in ["cuda", "cuda:0,1", "cuda:all"] {
            let error = list(wanted).unwrap_err().to_string();
            assert!(error.contains("without CUDA") && error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn lists_are_read() {
        let places = |names, count| places(names, Some(count));
        let cards = |indices: &[usize]| Ok(indices.iter().copied().map(Place::Card).collect::<Vec<_>>());
        assert_eq!(places("cuda", 2), cards(&[0]));
        assert_eq!(places("cuda:1", 2), cards(&[1]));
        assert_eq!(places("cuda:1,0", 2), cards(&[1, 0]));
        assert_eq!(places("cuda:0,cuda:1", 2), cards(&[0, 1]));
        assert_eq!(places("cuda:all", 3), cards(&[0, 1, 2]));
        assert!(places("cuda:0,0", 2).unwrap_err().contains("twice"));
        assert!(places("cuda:all", 0).unwrap_err().contains("none"));
    }

    #[test]
    fn an_index_beyond_the_cards_is_named_beside_their_number() {
        assert_eq!(in_range(1, 2), Ok(()));
        let error = in_range(3, 2).unwrap_err();
        assert!(error.contains("card 3") && error.contains("has 2"), "{error}");
        assert!(in_range(0, 0).unwrap_err().contains("shows none"));
        assert!(in_range(1, 1).unwrap_err().contains("has one"));
    }
}
