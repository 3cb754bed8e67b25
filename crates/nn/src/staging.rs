//! Numbers on their way to a device and back, through memory that the system never moves, so that the card copies them
//! while the processor goes on.
//!
//! From ordinary memory, a copy keeps its caller until the card has done everything before it. On the CPU nothing is copied
//! that need not be.

#[cfg(feature = "cuda")]
mod card;

#[cfg(feature = "cuda")]
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor, WithDType};

/// The copies of one device, for one thread at a time.
pub struct Staging {
    device: Device,
    #[cfg(feature = "cuda")]
    buffers: Mutex<card::Buffers>,
}

impl Staging {
    /// For `device`. Memory is taken when it is needed first.
    pub fn new(device: &Device) -> Self {
        Self {
            device: device.clone(),
            #[cfg(feature = "cuda")]
            buffers: Mutex::default(),
        }
    }

    /// A tensor of `shape` on the device, of the numbers that `fill` writes over as many zeros. On a card the copy is only put
    /// in the queue.
    ///
    /// # Errors
    /// What candle and the driver report.
    pub fn upload<T: Staged>(&self, shape: impl Into<Shape>, fill: impl FnOnce(&mut [T])) -> Result<Tensor> {
        let shape = shape.into();
        #[cfg(feature = "cuda")]
        if let Device::Cuda(card) = &self.device {
            let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
            return buffers.upload(card, shape, fill);
        }
        let mut numbers = vec![T::zero(); shape.elem_count()];
        fill(&mut numbers);
        Tensor::from_vec(numbers, shape, &self.device)
    }

    /// Begins to bring `tensors` to the processor's memory, as f32. From a card they come once everything is done that was
    /// put in the queue before; what is put in afterwards is not waited for.
    ///
    /// # Errors
    /// What candle and the driver report.
    pub fn fetch(&self, tensors: &[&Tensor]) -> Result<Fetched> {
        let flat = |tensor: &&Tensor| tensor.to_dtype(DType::F32)?.flatten_all()?.contiguous();
        let flat: Vec<Tensor> = tensors.iter().map(flat).collect::<Result<_>>()?;
        #[cfg(feature = "cuda")]
        if let Device::Cuda(card) = &self.device {
            let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(Fetched(Way::Card(buffers.fetch(card, &flat)?)));
        }
        flat.iter().map(Tensor::to_vec1).collect::<Result<_>>().map(|numbers| Fetched(Way::There(numbers)))
    }
}

/// Numbers that can be staged: bytes, halves and floats.
#[cfg(not(feature = "cuda"))]
pub trait Staged: WithDType {}

/// Numbers that can be staged: bytes, halves and floats.
#[cfg(feature = "cuda")]
pub trait Staged: WithDType + candle_core::cuda_backend::CudaDType + card::Plain {}

impl Staged for u8 {}
impl Staged for f32 {}

/// Numbers that are on their way to the processor's memory.
pub struct Fetched(Way);

enum Way {
    There(Vec<Vec<f32>>),
    #[cfg(feature = "cuda")]
    Card(card::Coming),
}

impl Fetched {
    /// The numbers of each tensor; waits for them.
    ///
    /// # Errors
    /// What went wrong in the work of the card before them.
    pub fn numbers(self) -> Result<Vec<Vec<f32>>> {
        match self.0 {
            Way::There(numbers) => Ok(numbers),
            #[cfg(feature = "cuda")]
            Way::Card(coming) => coming.numbers(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_up_comes_back() {
        let staging = Staging::new(&Device::Cpu);
        let up = staging.upload((2, 3), |numbers: &mut [f32]| numbers[1] = 5.0).unwrap();
        assert_eq!(up.to_vec2::<f32>().unwrap(), [[0., 5., 0.], [0.; 3]]);
        let bytes = staging.upload(2, |bytes: &mut [u8]| bytes.fill(7)).unwrap();
        let column = up.narrow(1, 1, 1).unwrap();
        let fetched = staging.fetch(&[&column, &bytes, &up.to_dtype(DType::BF16).unwrap()]).unwrap();
        assert_eq!(fetched.numbers().unwrap(), [vec![5., 0.], vec![7., 7.], vec![0., 5., 0., 0., 0., 0.]]);
        assert!(staging.fetch(&[]).unwrap().numbers().unwrap().is_empty());
    }
}
