//! Products by cuBLAS.

use std::ffi::{c_int, c_void};

use candle_core::cuda_backend::cudarc::cublas::{result, sys};
use candle_core::cuda_backend::{
    CudaDevice, WrapErr, gemm_reduced_precision_f16, gemm_reduced_precision_f32,
};
use candle_core::{DType, Error, Result, bail};
use half::f16;

use super::super::card::address;
use super::{Lead, Product};

/// The factors 0 and 1 for cuBLAS, in f32 and, where sums are to be in f16, in f16.
static FACTORS: ([f32; 2], [f16; 2]) = ([0., 1.], [f16::ZERO, f16::ONE]);

/// Puts a product in the queue of the device's stream.
///
/// # Safety
/// As for [`Product::run`]; the matrices lie inside of their tensors.
pub(super) unsafe fn run(product: Product, card: &CudaDevice, a: Lead, b: Lead, out: Lead) -> Result<()> {
    let (kind, compute) = kind(out.of.numbers.dtype())?;
    let size = out.of.numbers.dtype().size_in_bytes();
    let place = |x: Lead| Ok::<_, Error>(address(x.of.numbers)? + (x.of.start * size) as u64);
    let factor = |which: usize| -> *const c_void {
        match compute {
            sys::cublasComputeType_t::CUBLAS_COMPUTE_16F => (&raw const FACTORS.1[which]).cast(),
            _ => (&raw const FACTORS.0[which]).cast(),
        }
    };
    let turned = |x: Lead| match x.turned {
        true => sys::cublasOperation_t::CUBLAS_OP_T,
        false => sys::cublasOperation_t::CUBLAS_OP_N,
    };
    let batch = |x: Lead| x.of.batch as i64;
    // Another card's context may be this thread's.
    card.cuda_stream().context().bind_to_thread().w()?;
    // cuBLAS counts column after column: it sees every matrix of ours turned, and out' = b' a'.
    // SAFETY: the caller's promise. All tensors of a device are used on its one stream, cuBLAS's, too.
    unsafe {
        result::gemm_strided_batched_ex(
            *card.cublas_handle().handle(),
            turned(b),
            turned(a),
            int(product.columns)?,
            int(product.rows)?,
            int(product.inner)?,
            factor(1),
            place(b)? as *const c_void,
            kind,
            int(b.step)?,
            batch(b),
            place(a)? as *const c_void,
            kind,
            int(a.step)?,
            batch(a),
            factor(0),
            place(out)? as *mut c_void,
            kind,
            int(out.step)?,
            batch(out),
            int(product.batch)?,
            compute,
            sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
        )
    }
    .w()?;
    Ok(())
}

fn int(number: usize) -> Result<c_int> {
    c_int::try_from(number).map_err(|_| Error::Msg(format!("cuBLAS takes no matrix with a side of {number}")))
}

/// The numbers' type, and what sums are in: as candle's own products.
fn kind(dtype: DType) -> Result<(sys::cudaDataType_t, sys::cublasComputeType_t)> {
    use sys::cublasComputeType_t as Compute;
    use sys::cudaDataType_t as Kind;
    let either = |reduced: bool, less, exact| if reduced { less } else { exact };
    Ok(match dtype {
        DType::F32 => {
            let fast = Compute::CUBLAS_COMPUTE_32F_FAST_TF32;
            (Kind::CUDA_R_32F, either(gemm_reduced_precision_f32(), fast, Compute::CUBLAS_COMPUTE_32F))
        }
        DType::F16 => {
            let fast = Compute::CUBLAS_COMPUTE_16F;
            (Kind::CUDA_R_16F, either(gemm_reduced_precision_f16(), fast, Compute::CUBLAS_COMPUTE_32F))
        }
        // There is nothing less exact that cuBLAS takes.
        DType::BF16 => (Kind::CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F),
        other => bail!("a product of numbers of type {other:?}"),
    })
}
