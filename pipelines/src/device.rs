//! Where networks run.

use candle_core::{Device, DeviceLocation};

use crate::Error;

/// The device named `auto`, `cpu`, `cuda` or `cuda:INDEX`. `auto` is the first CUDA device of a program built with
/// CUDA on a machine that has one, else the CPU.
pub fn named(name: &str) -> Result<Device, Error> {
    let failed = |reason: String| Error::Device { name: name.into(), reason };
    match name {
        "cpu" => return Ok(Device::Cpu),
        "auto" => return Ok(Device::cuda_if_available(0).unwrap_or(Device::Cpu)),
        _ => {}
    }
    let index = match name.strip_prefix("cuda") {
        Some("") => 0,
        Some(index) => index
            .strip_prefix(':')
            .and_then(|index| index.parse().ok())
            .ok_or_else(|| failed("it is not written `cuda` or `cuda:INDEX`".into()))?,
        None => return Err(failed("there is no such device".into())),
    };
    if !candle_core::utils::cuda_is_available() {
        return Err(failed("this affekt is built without CUDA".into()));
    }
    Device::new_cuda(index).map_err(|error| failed(error.to_string()))
}

/// What a device is called: `cpu`, `cuda:0`.
pub fn name(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".into(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_devices_are_refused_by_name() {
        assert_eq!(name(&named("cpu").unwrap()), "cpu");
        for name in ["gpu", "cuda:", "cuda:x", "CPU", ""] {
            assert!(named(name).unwrap_err().to_string().contains(&format!("{name:?}")), "{name}");
        }
    }
}
