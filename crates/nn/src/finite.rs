//! The gate behind every network: numbers that are NaN or infinite never leave it, and the error names the layer that
//! made the first of them.

use std::cell::Cell;

use candle_core::{DType, Device, Result, Tensor};

use crate::kernels::{self, Arg, Grid, Kernel};

/// A network made a number that is NaN or infinite. It travels inside candle's error; [`NotFinite::of`] finds it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("network {network}: the first values that are not finite (NaN or infinite) are those of {layer}")]
pub struct NotFinite {
    /// The network, as users call it.
    pub network: &'static str,
    /// The first layer whose output is not finite, by its name in the checkpoint, or the input.
    pub layer: String,
}

/// As [`Display`](std::fmt::Display), since candle shows a wrapped error by its `Debug`.
impl std::fmt::Debug for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl NotFinite {
    /// The [`NotFinite`] that `error` carries, through the layers of context that candle may have put around it.
    pub fn of(error: &candle_core::Error) -> Option<&Self> {
        use candle_core::Error;
        match error {
            Error::WithBacktrace { inner, .. }
            | Error::Context { inner, .. }
            | Error::WithPath { inner, .. } => Self::of(inner),
            Error::WrappedContext { wrapped, .. } => match wrapped.downcast_ref::<Error>() {
                Some(inner) => Self::of(inner),
                None => wrapped.downcast_ref(),
            },
            _ => None,
        }
    }

    /// Whether they came with the input: then the network is not to blame.
    pub fn in_input(&self) -> bool {
        self.layer.starts_with("the input")
    }

    fn into_candle(self) -> candle_core::Error {
        candle_core::Error::WrappedContext { context: self.network.to_owned(), wrapped: Box::new(self) }
    }
}

/// Looks at what passes between the layers of one forward pass: at nothing, or at everything.
///
/// A pass that turns out well is never slowed: only the outputs of the network are looked at. When they are not finite,
/// [`gated`] runs it once more with open eyes.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    network: &'static str,
    watching: bool,
}

impl Gate {
    /// Lets everything pass.
    pub fn asleep(network: &'static str) -> Self {
        Self { network, watching: false }
    }

    /// Stops the first tensor that is not finite.
    pub fn watching(network: &'static str) -> Self {
        Self { network, watching: true }
    }

    /// Whether the layers are looked at one by one.
    pub fn is_watching(&self) -> bool {
        self.watching
    }

    /// Hands `x` on. While watching, a number in it that is not finite is an error with the layer's `name`.
    pub fn pass(&self, name: impl FnOnce() -> String, x: Tensor) -> Result<Tensor> {
        if self.watching {
            self.check(name, &x)?;
        }
        Ok(x)
    }

    /// As [`Self::pass`], for a tensor that is only looked at.
    pub fn check(&self, name: impl FnOnce() -> String, x: &Tensor) -> Result<()> {
        if self.watching && !is_finite(x)? {
            return Err(NotFinite { network: self.network, layer: name() }.into_candle());
        }
        Ok(())
    }
}

/// Runs `forward`; where one of the tensors that `outputs` shows is not finite, runs it again to find the first layer
/// that went wrong, and fails with [`NotFinite`].
pub fn gated<T>(
    network: &'static str,
    forward: impl Fn(Gate) -> Result<T>,
    outputs: impl Fn(&T) -> Vec<&Tensor>,
) -> Result<T> {
    let result = forward(Gate::asleep(network))?;
    let waits = |output: &&Tensor| output.device().is_cpu() || !DEFERS.get();
    if !all_finite(&outputs(&result).into_iter().filter(waits).collect::<Vec<_>>())? {
        forward(Gate::watching(network))?;
        return Err(NotFinite { network, layer: "the output".into() }.into_candle());
    }
    Ok(result)
}

thread_local! {
    static DEFERS: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, on this thread, with gates that do not look at tensors on a card: to look would be to wait for them. Whoever
/// calls looks at the numbers himself, once they have come to the processor's memory, and runs the network again, not
/// deferred, where one of them is not finite: then the gate names the layer.
pub fn deferred<T>(work: impl FnOnce() -> T) -> T {
    /// Sets it back even where `work` panics.
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            DEFERS.set(self.0);
        }
    }
    let _back = Back(DEFERS.replace(true));
    work()
}

/// Looks at tensors of a card without waiting for it: what it has seen stays there until somebody asks.
#[derive(Clone, Debug)]
pub struct Watch {
    seen: Tensor, // (1)
}

impl Watch {
    /// A watch over tensors like `x`; `None` where there is nothing to wait for, or no kernel of ours: there
    /// [`is_finite`] is asked at once.
    pub fn over(x: &Tensor) -> Result<Option<Self>> {
        if !kernels::take(x) {
            return Ok(None);
        }
        Ok(Some(Self { seen: Tensor::zeros(1, DType::U32, x.device())? }))
    }

    /// Looks at `x`, on the same card.
    pub fn look(&self, x: &Tensor) -> Result<()> {
        if !x.dtype().is_float() || x.elem_count() == 0 {
            return Ok(());
        }
        let x = x.contiguous()?;
        let count = x.elem_count();
        let wide = kernels::wide(&x, 0);
        let args = [Arg::Tensor(&x), Arg::Tensor(&self.seen), Arg::U64(count as u64), Arg::U32(wide.into())];
        // Enough threads to keep a card's memory busy; each takes several packs of numbers.
        let grid = Grid::rows(count.div_ceil(256 * 16).min(1056), 256);
        // SAFETY: all `count` numbers are read, and the one of `seen` written.
        unsafe { Kernel { file: "finite", name: "finite" }.run(x.dtype(), grid, &args) }
    }

    /// One number (1), u32, on the card: not 0 where a number was not finite.
    pub fn seen(&self) -> &Tensor {
        &self.seen
    }

    /// Whether all numbers were finite. Waits for the card.
    pub fn is_content(&self) -> Result<bool> {
        Ok(self.seen.to_vec1::<u32>()?[0] == 0)
    }
}

/// Whether every number of all tensors is finite. Those of a card are waited for once.
pub fn all_finite(tensors: &[&Tensor]) -> Result<bool> {
    let floats: Vec<&Tensor> = tensors.iter().copied().filter(|x| x.dtype().is_float()).collect();
    if let Some(first) = floats.first()
        && floats.iter().all(|x| kernels::take(x) && x.device().same_device(first.device()))
        && let Some(watch) = Watch::over(first)?
    {
        floats.iter().try_for_each(|x| watch.look(x))?;
        return watch.is_content();
    }
    for x in tensors {
        if !is_finite(x)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether every number is finite. Integers always are. On a GPU this waits for the tensor.
pub fn is_finite(x: &Tensor) -> Result<bool> {
    if !x.dtype().is_float() || x.elem_count() == 0 {
        return Ok(true);
    }
    if let (Device::Cpu, DType::F32, true, false) =
        (x.device(), x.dtype(), x.is_contiguous(), kernels::emulating())
    {
        let (storage, layout) = x.storage_and_layout();
        let candle_core::Storage::Cpu(storage) = &*storage else { unreachable!("a tensor on the CPU") };
        let numbers = &storage.as_slice::<f32>()?[layout.start_offset()..][..x.elem_count()];
        // Without an early end, so that the loop is a few vector instructions.
        let finite = |block: &[f32]| block.iter().fold(true, |all, number| all & number.is_finite());
        return Ok(numbers.chunks(4096).all(finite));
    }
    if let Some(watch) = Watch::over(x)? {
        watch.look(x)?;
        return watch.is_content();
    }
    // Zero times anything that is not finite is NaN; a sum of the numbers themselves could overflow.
    let zeros = x.affine(0., 0.)?.to_dtype(DType::F32)?;
    Ok(zeros.sum_all()?.to_scalar::<f32>()?.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(numbers: &[f32]) -> Tensor {
        Tensor::new(numbers, &Device::Cpu).unwrap()
    }

    #[test]
    fn nan_and_infinity_are_found_in_every_type() {
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            let is_finite = |numbers: &[f32]| is_finite(&tensor(numbers).to_dtype(dtype).unwrap()).unwrap();
            assert!(is_finite(&[1., -2., 60000., 60000.]), "{dtype:?}");
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert!(!is_finite(&[0., bad, 1.]), "{bad} as {dtype:?}");
            }
        }
        let rows = Tensor::new(&[[1f32, f32::NAN], [2., 3.]], &Device::Cpu).unwrap();
        assert!(is_finite(&rows.narrow(1, 0, 1).unwrap()).unwrap(), "a view that leaves the NaN out");
        assert!(!is_finite(&rows.narrow(1, 1, 1).unwrap()).unwrap());
        assert!(is_finite(&Tensor::new(&[1u32], &Device::Cpu).unwrap()).unwrap());
    }

    #[test]
    fn on_the_cpu_nothing_is_deferred() {
        let network = || gated("toy", |_| Ok(tensor(&[f32::NAN])), |x| vec![x]);
        assert!(deferred(network).is_err());
        assert!(!DEFERS.get());
    }

    #[test]
    fn a_bad_number_is_found_in_any_of_many_tensors() {
        let sound = |dtype| Tensor::ones(9001, DType::F32, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        let types = [DType::F32, DType::F16, DType::BF16, DType::F64, DType::U32];
        let all = types.map(sound);
        let empty = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
        let mut all: Vec<&Tensor> = all.iter().collect();
        all.insert(1, &empty);
        assert!(all_finite(&all).unwrap() && all_finite(&[]).unwrap());
        for dtype in &types[..4] {
            for place in [0, 4095, 4096, 9000] {
                let mut numbers = vec![1f32; 9001];
                numbers[place] = f32::NEG_INFINITY;
                let bad = tensor(&numbers).to_dtype(*dtype).unwrap();
                for at in 0..=all.len() {
                    let mut with = all.clone();
                    with.insert(at, &bad);
                    assert!(!all_finite(&with).unwrap(), "{dtype:?} {place} {at}");
                }
            }
        }
    }

    #[test]
    fn the_first_layer_is_named_and_good_passes_are_not_repeated() {
        let passes = Cell::new(0);
        let network = |bad: usize| {
            gated(
                "toy",
                |gate| {
                    passes.set(passes.get() + 1);
                    let mut x = tensor(&[1., 2.]);
                    for layer in 0..3 {
                        x = if layer == bad { (x * f64::INFINITY)? } else { (x * 2.)? };
                        x = gate.pass(|| format!("layers.{layer}"), x)?;
                    }
                    Ok(x)
                },
                |x| vec![x],
            )
        };
        assert!(network(7).is_ok());
        assert_eq!(passes.get(), 1);
        let error = network(1).unwrap_err().context("while running");
        let found = NotFinite::of(&error).unwrap();
        assert_eq!((found.network, found.layer.as_str()), ("toy", "layers.1"));
        assert_eq!(passes.get(), 3);
    }
}
