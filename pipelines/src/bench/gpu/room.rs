//! Sizes that a card has no memory for: a row without times, and the others go on.

use affekt_nn::device::reclaim;
use candle_core::Device;

use super::Error;

/// What `work` gives; why it gives nothing, where the card has no memory for it. What it took is then given back.
///
/// # Errors
/// Whatever else goes wrong in it.
pub(super) fn fits<T>(
    device: &Device,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<Result<T, String>, Error> {
    match work() {
        Ok(done) => Ok(Ok(done)),
        Err(error) if error.is_out_of_memory() => {
            reclaim(device)?;
            Ok(Err(format!("it does not fit on the card: {error}")))
        }
        Err(error) => Err(error),
    }
}

/// As [`fits`], of `work` on a network that may itself not have fitted.
pub(super) fn with<N, T>(
    network: &Result<N, String>,
    device: &Device,
    work: impl FnOnce(&N) -> Result<T, Error>,
) -> Result<Result<T, String>, Error> {
    match network {
        Ok(network) => fits(device, || work(network)),
        Err(reason) => Ok(Err(reason.clone())),
    }
}

#[cfg(test)]
mod tests {
    use affekt_nn::device::OutOfMemory;

    use super::*;

    #[test]
    fn only_a_card_that_is_full_is_no_error() {
        let full = || candle_core::Error::from(OutOfMemory { wanted: 9, free: 4 }).context("a pass");
        let told = fits::<()>(&Device::Cpu, || Err(full().into())).unwrap();
        assert!(told.clone().unwrap_err().contains("9 bytes"), "{told:?}");
        assert_eq!(with(&told, &Device::Cpu, |()| Ok(1)).unwrap(), told.map(|()| 1));
        assert_eq!(with(&Ok(2), &Device::Cpu, |two| Ok(two + 1)).unwrap(), Ok(3));
        let other = fits::<()>(&Device::Cpu, || Err(candle_core::Error::Msg("of shapes".into()).into()));
        assert!(other.is_err());
        let step = Error::Method(affekt_train::Error::Tensor(full()));
        assert!(step.is_out_of_memory());
    }
}
