//! What an optimiser, a gate and a report do with many tensors: on a card in one launch and at most one wait for all of
//! them, where one tensor after the other would cost a launch or a wait each.

use candle_core::{DType, Device, Result, Tensor, bail};

use crate::kernels::{self, Arg, Grid, Kernel};

/// Words of a row of a table of tensors, as `cuda/many.cu` reads it.
const WORDS: usize = 8;
/// Numbers that a block of a kernel takes.
const CHUNK: usize = 4096;
/// Pointers of a row, at most.
const POINTERS: usize = 5;

/// Whether [`squares`], [`scale`] and [`adam`] take `x`: contiguous f32 on a card.
pub fn take(x: &Tensor) -> bool {
    kernels::take(x) && x.dtype() == DType::F32 && x.is_contiguous()
}

/// The numbers of tensors of one number each, on any devices: those of a card are read together, with one wait.
///
/// # Errors
/// A tensor of more numbers, or of none.
pub fn read(numbers: &[&Tensor]) -> Result<Vec<f64>> {
    if let Some(other) = numbers.iter().find(|x| x.elem_count() != 1) {
        bail!("one number was expected of {:?}", other.dims());
    }
    let kind = |x: &Tensor| match x.dtype() {
        DType::F32 => Some(0),
        DType::F64 => Some(3),
        _ => None,
    };
    let Some(device) = numbers.iter().find(|x| kernels::take(x)).map(|x| x.device()) else {
        return numbers.iter().map(|x| alone(x)).collect();
    };
    let mut table = Table::default();
    for x in numbers {
        match kind(x).filter(|_| x.device().same_device(device)) {
            Some(kind) => table.add(&[x], 1, kind)?,
            None => return numbers.iter().map(|x| alone(x)).collect(),
        }
    }
    let read = kernels::output(numbers.len(), DType::F64, device)?;
    let Uploaded { table, rows, .. } = table.upload(device)?;
    let args = [Arg::Tensor(&table), Arg::U32(rows), Arg::Tensor(&read)];
    // SAFETY: as many numbers are read and written as there are rows.
    unsafe { kernel("firsts").run(DType::F32, Grid::rows(1, 256), &args)? };
    read.to_vec1()
}

fn alone(x: &Tensor) -> Result<f64> {
    x.flatten_all()?.get(0)?.to_dtype(DType::F64)?.to_scalar()
}

/// The sum of the squares of all numbers of tensors that kernels [`take`], of one device: () in f64, there.
///
/// # Errors
/// No tensors, or others.
pub fn squares(tensors: &[&Tensor]) -> Result<Tensor> {
    let (device, table) = all(tensors)?;
    let Uploaded { table, rows, blocks } = table.upload(&device)?;
    let total = Tensor::zeros((), DType::F64, &device)?;
    if blocks == 0 {
        return Ok(total);
    }
    let sums = kernels::output(blocks, DType::F64, &device)?;
    let args = [Arg::Tensor(&table), Arg::U32(rows), Arg::Tensor(&sums)];
    // SAFETY: each block has a row of the table and a place among the sums.
    unsafe { kernel("squares").run(DType::F32, Grid::rows(blocks, 256), &args)? };
    let args = [Arg::Tensor(&sums), Arg::Tensor(&total), Arg::U32(blocks as u32)];
    // SAFETY: there are as many sums as blocks.
    unsafe { kernel("total").run(DType::F32, Grid::rows(1, 256), &args)? };
    Ok(total)
}

/// Multiplies all numbers of tensors that kernels [`take`], of one device, where they lie: nobody else may hold them.
///
/// # Errors
/// No tensors, or others.
pub fn scale(tensors: &[&Tensor], factor: f64) -> Result<()> {
    let (device, table) = all(tensors)?;
    let Uploaded { table, rows, blocks } = table.upload(&device)?;
    let args = [Arg::Tensor(&table), Arg::U32(rows), Arg::F32(factor as f32)];
    // SAFETY: each block has a row of the table, which holds what it writes.
    unsafe { kernel("scale").run(DType::F32, Grid::rows(blocks, 256), &args) }
}

/// Settings of a step of Adam that all parameters share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// What remains of the two moments.
    pub betas: [f32; 2],
    /// L2 penalty.
    pub decay: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
}

/// A parameter in a step of Adam. All tensors have its shape.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    /// The parameter.
    pub parameter: &'a Tensor,
    /// Its first moment.
    pub first: &'a Tensor,
    /// Its second moment.
    pub second: &'a Tensor,
    /// Its gradient.
    pub gradient: &'a Tensor,
    /// The learning rate, over 1 - beta1^steps.
    pub rate: f32,
    /// The root of 1 - beta2^steps.
    pub root: f32,
}

/// A step of Adam: moves parameters and moments, which kernels [`take`], where they lie.
///
/// # Errors
/// Tensors that kernels do not take, of different shapes, or of different devices.
pub fn adam(settings: Adam, moved: &[Moved]) -> Result<()> {
    let Some(device) = moved.first().map(|moved| moved.parameter.device()) else { return Ok(()) };
    let mut table = Table::default();
    for Moved { parameter, first, second, gradient, rate, root } in moved {
        let tensors = [*parameter, *first, *second, *gradient];
        if tensors
            .iter()
            .any(|x| x.shape() != parameter.shape() || !take(x) || !x.device().same_device(device))
        {
            bail!(
                "a step of Adam for cards got {:?}",
                tensors.map(|x| (x.dims(), x.dtype(), x.device().location()))
            );
        }
        let extra = u64::from(rate.to_bits()) << 32 | u64::from(root.to_bits());
        table.add(&tensors, parameter.elem_count(), extra)?;
    }
    let Uploaded { table, rows, blocks } = table.upload(device)?;
    let Adam { betas: [beta1, beta2], decay, eps } = settings;
    let args = [
        Arg::Tensor(&table),
        Arg::U32(rows),
        Arg::F32(beta1),
        Arg::F32(beta2),
        Arg::F32(decay),
        Arg::F32(eps),
    ];
    // SAFETY: each block has a row of the table, whose tensors all have as many numbers as it says.
    unsafe { kernel("adam").run(DType::F32, Grid::rows(blocks, 256), &args) }
}

fn kernel(name: &'static str) -> Kernel {
    Kernel { file: "many", name }
}

/// A table of tensors that kernels take, and their device.
fn all(tensors: &[&Tensor]) -> Result<(Device, Table)> {
    let Some(device) = tensors.first().map(|x| x.device()) else { bail!("no tensors") };
    let mut table = Table::default();
    for x in tensors {
        if !take(x) || !x.device().same_device(device) {
            bail!("kernels for cards got {:?} of {:?} on {:?}", x.dims(), x.dtype(), x.device().location());
        }
        table.add(&[x], x.elem_count(), 0)?;
    }
    Ok((device.clone(), table))
}

/// Which tensors a kernel works on, and which blocks on which.
#[derive(Default)]
struct Table {
    words: Vec<i64>,
    blocks: usize,
}

/// A table where the kernel reads it.
struct Uploaded {
    table: Tensor,
    rows: u32,
    blocks: usize,
}

impl Table {
    /// Tensors of `count` numbers each that belong together, and what else the kernel wants to know of them.
    fn add(&mut self, tensors: &[&Tensor], count: usize, extra: u64) -> Result<()> {
        let mut row = [0u64; WORDS];
        for (word, tensor) in row[..POINTERS].iter_mut().zip(tensors) {
            *word = kernels::address(tensor)?;
        }
        row[POINTERS..].copy_from_slice(&[count as u64, self.blocks as u64, extra]);
        self.words.extend(row.map(u64::cast_signed));
        self.blocks += count.div_ceil(CHUNK);
        Ok(())
    }

    fn upload(self, device: &Device) -> Result<Uploaded> {
        let (rows, count) = (self.words.len() / WORDS, self.words.len());
        let table = Tensor::from_vec(self.words, count, device)?;
        Ok(Uploaded { table, rows: rows as u32, blocks: self.blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of several sizes: one, a chunk, more than a chunk, and a view that begins anywhere.
    fn tensors() -> Vec<Tensor> {
        let mut tensors: Vec<Tensor> = [1, CHUNK, CHUNK + 1, 37, 3 * CHUNK - 1]
            .map(|count| affekt_testkit::noise(0.0, 1.0, count))
            .into();
        tensors.push(tensors[2].narrow(0, 3, 4000).unwrap().copy().unwrap());
        tensors
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn numbers_are_read_in_their_order() {
        let x = Tensor::new(&[1f32, 2.0, 3.0], &Device::Cpu).unwrap();
        let wide = Tensor::new(1e300f64, &Device::Cpu).unwrap();
        let some = [x.get(2).unwrap(), wide, x.get(0).unwrap()];
        assert_eq!(read(&some.each_ref()).unwrap(), [3.0, 1e300, 1.0]);
        assert_eq!(read(&[]).unwrap(), [0f64; 0]);
        assert!(read(&[&x]).is_err());
    }

    /// With the kernels alone: elsewhere nobody asks for it.
    #[test]
    fn squares_and_products_are_those_of_each() {
        let tensors = tensors();
        let all: Vec<&Tensor> = tensors.iter().collect();
        if !all.iter().all(|x| take(x)) {
            assert!(squares(&all).is_err() && scale(&all, 2.0).is_err());
            return;
        }
        let want: f64 = all.iter().flat_map(|x| numbers(x)).map(|x| f64::from(x).powi(2)).sum();
        let got = squares(&all).unwrap().to_scalar::<f64>().unwrap();
        assert!((got - want).abs() < 1e-12 * want, "{got} {want}");
        let before: Vec<Vec<f32>> = all.iter().map(|x| numbers(x)).collect();
        scale(&all, 0.5).unwrap();
        for (x, before) in all.iter().zip(before) {
            assert!(numbers(x).iter().zip(before).all(|(x, before)| *x == 0.5 * before));
        }
        assert!(squares(&[]).is_err());
    }
}
