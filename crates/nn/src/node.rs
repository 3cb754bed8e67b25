//! Operations of ours in candle's graph, for cards: memory in the graph that kernels then fill, and a backward pass of
//! kernels.

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor, bail,
};

/// Gradients of the inputs, in their order, from the result and its contiguous gradient; `None` for those that need none.
type Backward = Box<dyn Fn(&Tensor, &Tensor) -> Result<Vec<Option<Tensor>>> + Send + Sync>;

/// An operation whose result is in the graph before its numbers are there: candle wants new memory from an operation,
/// and kernels take tensors. Whoever makes a node fills its result before anybody sees it; all work of a device is done
/// in the order in which it is asked for.
pub(crate) struct Node {
    name: &'static str,
    start: Start,
    shape: Shape,
    backward: Backward,
}

/// What the memory holds at first.
enum Start {
    /// Nothing in particular.
    Empty(DType),
    /// A matrix product, on which kernels work in place.
    Product(Tensor, Tensor),
}

impl Node {
    /// A result of memory that a kernel writes, all of it.
    pub fn empty(
        name: &'static str,
        shape: impl Into<Shape>,
        dtype: DType,
        backward: impl Fn(&Tensor, &Tensor) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, start: Start::Empty(dtype), shape: shape.into(), backward: Box::new(backward) }
    }

    /// A result that begins as the product of `a` (.., m, k) and `b` (.., k, n), (.., m, n), neither in the graph.
    pub fn product(
        name: &'static str,
        a: Tensor,
        b: Tensor,
        backward: impl Fn(&Tensor, &Tensor) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut shape = a.dims().to_vec();
        let rank = shape.len();
        if rank < 2 || b.rank() != rank || shape[..rank - 2] != b.dims()[..rank - 2] {
            bail!("a product of {:?} and {:?}", a.dims(), b.dims());
        }
        if shape[rank - 1] != b.dims()[rank - 2] {
            bail!("a product of {:?} and {:?}", a.dims(), b.dims());
        }
        shape[rank - 1] = b.dims()[rank - 1];
        let start = Start::Product(a, b);
        Ok(Self { name, start, shape: shape.into(), backward: Box::new(backward) })
    }

    /// The result, in the graph behind its inputs, one to three of them. The first decides where it is.
    pub fn of(self, inputs: &[&Tensor]) -> Result<Tensor> {
        match inputs {
            [one] => one.apply_op1(self),
            [one, two] => one.apply_op2(two, self),
            [one, two, three] => one.apply_op3(two, three, self),
            _ => bail!("{} of {} tensors", self.name, inputs.len()),
        }
    }

    fn on_cpu(&self, device: &candle_core::cpu_backend::CpuDevice) -> Result<(CpuStorage, Shape)> {
        let storage = match &self.start {
            // SAFETY: as promised for a node, nobody reads it before it has been written.
            Start::Empty(dtype) => unsafe { device.alloc_uninit(&self.shape, *dtype)? },
            Start::Product(a, b) => {
                let ((one, one_layout), (other, other_layout)) =
                    (a.storage_and_layout(), b.storage_and_layout());
                match (&*one, &*other) {
                    (Storage::Cpu(one), Storage::Cpu(other)) => {
                        one.matmul(other, sizes(a, b), one_layout, other_layout)?
                    }
                    _ => bail!("{}: a product of tensors that are not all on the CPU", self.name),
                }
            }
        };
        Ok((storage, self.shape.clone()))
    }

    #[cfg(feature = "cuda")]
    fn on_card(&self, device: &candle_core::CudaDevice) -> Result<(candle_core::CudaStorage, Shape)> {
        let storage = match &self.start {
            // SAFETY: as promised for a node, nobody reads it before it has been written.
            Start::Empty(dtype) => unsafe { device.alloc_uninit(&self.shape, *dtype)? },
            Start::Product(a, b) => {
                let ((one, one_layout), (other, other_layout)) =
                    (a.storage_and_layout(), b.storage_and_layout());
                match (&*one, &*other) {
                    (Storage::Cuda(one), Storage::Cuda(other)) => {
                        one.matmul(other, sizes(a, b), one_layout, other_layout)?
                    }
                    _ => bail!("{}: a product of tensors that are not all on a card", self.name),
                }
            }
        };
        Ok((storage, self.shape.clone()))
    }

    fn gradients<const N: usize>(&self, result: &Tensor, gradient: &Tensor) -> Result<[Option<Tensor>; N]> {
        let found = (self.backward)(result, &gradient.contiguous()?)?;
        let count = found.len();
        match <[_; N]>::try_from(found) {
            Ok(found) => Ok(found),
            Err(_) => bail!("{} has {N} inputs and {count} gradients", self.name),
        }
    }
}

/// Batch, m, n and k of a product.
fn sizes(a: &Tensor, b: &Tensor) -> (usize, usize, usize, usize) {
    let (a, b) = (a.dims(), b.dims());
    let rank = a.len();
    (a[..rank - 2].iter().product(), a[rank - 2], b[rank - 1], a[rank - 1])
}

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, storage: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.on_cpu(storage.device())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        _: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        self.on_card(storage.device())
    }

    fn bwd(&self, _: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let [one] = self.gradients(result, gradient)?;
        Ok(one)
    }
}

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu(storage.device())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        _: &Layout,
        _: &candle_core::CudaStorage,
        _: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        self.on_card(storage.device())
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [one, two] = self.gradients(result, gradient)?;
        Ok((one, two))
    }
}

impl CustomOp3 for Node {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu(storage.device())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        _: &Layout,
        _: &candle_core::CudaStorage,
        _: &Layout,
        _: &candle_core::CudaStorage,
        _: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        self.on_card(storage.device())
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [one, two, three] = self.gradients(result, gradient)?;
        Ok((one, two, three))
    }
}
