//! Queries, keys and values that come from one product.

use candle_core::{DType, Result, Tensor, bail};

use super::{Pairs, Rotation};
use crate::kernels::{self, Arg, Grid, Kernel};

/// How a row of one product holds queries, keys and values: `heads`, `kv_heads` and `kv_heads` heads of `head_dim`
/// numbers, behind each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys, and of values.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
}

/// Whether one product for queries, keys and values pays where this weight lies: there what follows reads their parts of
/// a row where they stand. Elsewhere parts of a row would have to be copied out.
pub fn joins(weight: &Tensor) -> bool {
    kernels::take(weight)
}

/// Where keys and values go.
pub(crate) struct Slots<'s> {
    /// (rows), u32
    pub slots: &'s Tensor,
    /// (slots, kv_heads, head_dim)
    pub keys: &'s Tensor,
    /// (slots, kv_heads, head_dim)
    pub values: &'s Tensor,
}

impl Joined {
    /// Numbers in a row.
    pub fn width(self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// The parts of rows (b, t, width): (b, t, heads, head_dim), and twice (b, t, kv_heads, head_dim).
    pub fn parts(self, joined: &Tensor) -> Result<[Tensor; 3]> {
        let (b, t, width) = joined.dims3()?;
        self.check(width)?;
        let part = |first: usize, heads: usize| {
            let part = joined.narrow(2, first * self.head_dim, heads * self.head_dim)?;
            part.reshape((b, t, heads, self.head_dim))
        };
        let Self { heads, kv_heads, .. } = self;
        Ok([part(0, heads)?, part(heads, kv_heads)?, part(heads + kv_heads, kv_heads)?])
    }

    fn check(self, width: usize) -> Result<()> {
        if width != self.width() || !self.head_dim.is_multiple_of(2) {
            bail!("rows of {width} for {self:?}");
        }
        Ok(())
    }
}

impl Rotation {
    /// Queries, rotated and times `scale`, keys, rotated, and values of the rows (b, t, width) of one product, by head:
    /// (b, heads, t, head_dim), and twice (b, kv_heads, t, head_dim).
    pub fn split(&self, rows: &Tensor, joined: Joined, scale: f64) -> Result<[Tensor; 3]> {
        if self.is_taken(rows) {
            let (b, t, _) = rows.dims3()?;
            let by_head =
                |heads| kernels::output((b, heads, t, joined.head_dim), rows.dtype(), rows.device());
            let [queries, keys, values] =
                [by_head(joined.heads)?, by_head(joined.kv_heads)?, by_head(joined.kv_heads)?];
            self.launch(rows, joined, scale, None, [&queries, &keys, &values])?;
            return Ok([queries, keys, values]);
        }
        let [queries, keys, values] = joined.parts(rows)?;
        let by_head = |heads: &Tensor| heads.transpose(1, 2)?.contiguous();
        let queries = (self.apply(&queries)? * scale)?;
        Ok([by_head(&queries)?, by_head(&self.apply(&keys)?)?, by_head(&values)?])
    }

    /// Whether kernels take such rows.
    pub(crate) fn is_taken(&self, rows: &Tensor) -> bool {
        kernels::take(rows) && self.cos.dtype() == DType::F32
    }

    /// As [`Self::split`] for rows (1, n, width) that [`Self::is_taken`] takes, with keys and values to their slots:
    /// queries (n, heads, head_dim).
    pub(crate) fn scatter(&self, rows: &Tensor, joined: Joined, scale: f64, to: &Slots) -> Result<Tensor> {
        let n = rows.dim(1)?;
        let held = [joined.kv_heads, joined.head_dim];
        let fits = |memory: &Tensor| memory.dims()[1..] == held && memory.dtype() == rows.dtype();
        if to.slots.dims() != [n] || to.slots.dtype() != DType::U32 || !fits(to.keys) || !fits(to.values) {
            bail!("{:?} for {} slots of {:?}", rows.dims(), to.slots.elem_count(), to.keys.dims());
        }
        let queries = kernels::output((n, joined.heads, joined.head_dim), rows.dtype(), rows.device())?;
        self.launch(rows, joined, scale, Some(to.slots), [&queries, to.keys, to.values])?;
        Ok(queries)
    }

    fn launch(
        &self,
        rows: &Tensor,
        joined: Joined,
        scale: f64,
        slots: Option<&Tensor>,
        [queries, keys, values]: [&Tensor; 3],
    ) -> Result<()> {
        let (b, t, width) = rows.dims3()?;
        joined.check(width)?;
        let half = joined.head_dim / 2;
        if self.cos.dims() != [t, half] {
            bail!("angles {:?} for {t} rows of heads of {}", self.cos.dims(), joined.head_dim);
        }
        let rows = rows.contiguous()?;
        let neighbours = self.pairs == Pairs::Neighbours;
        let wide = !neighbours && [&rows, queries, keys, values].iter().all(|x| kernels::wide(x, half));
        let lanes = if wide { 16 / rows.dtype().size_in_bytes() } else { 1 };
        let units = width / 2 / lanes + joined.kv_heads * half / lanes;
        let args = [
            Arg::Tensor(&rows),
            Arg::Tensor(&self.cos),
            Arg::Tensor(&self.sin),
            slots.into(),
            Arg::Tensor(queries),
            Arg::Tensor(keys),
            Arg::Tensor(values),
            Arg::U32(joined.heads as u32),
            Arg::U32(joined.kv_heads as u32),
            Arg::U32(joined.head_dim as u32),
            Arg::U32(t as u32),
            Arg::U32(neighbours.into()),
            Arg::U32(wide.into()),
            Arg::F32(scale as f32),
        ];
        let grid = Grid { blocks: [b * t, units.div_ceil(256), 1], threads: 256, shared: 0 };
        let kernel = Kernel { file: "rotary", name: "rotary_joined" };
        // SAFETY: a block takes a row; units behind its last head do nothing. Slots are those of a plan for this cache,
        // no two rows of which have the same one, and its memory is not read before the next launch.
        unsafe { kernel.run(rows.dtype(), grid, &args) }
    }
}

#[cfg(test)]
mod tests {
    use affekt_testkit::{assert_close, noise};
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_split_is_rotation_and_scale_of_the_parts_in_every_type() {
        let joined = Joined { heads: 4, kv_heads: 2, head_dim: 24 };
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 4e-3), (DType::BF16, 3e-2)] {
            for (head_dim, b, t) in [(24, 2, 5), (32, 1, 1), (6, 3, 2)] {
                let joined = Joined { head_dim, ..joined };
                let frequencies = noise(0.5, 0.2, (1, head_dim / 2));
                let positions: Vec<u32> = (0..t as u32).map(|at| at * 7).collect();
                let positions = Tensor::new(positions, &Device::Cpu).unwrap();
                let rows = noise(0.0, 1.0, (b, t, joined.width())).to_dtype(dtype).unwrap();
                let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
                for pairs in [Pairs::Halves, Pairs::Neighbours] {
                    let rotation = Rotation::new(&frequencies, &positions, dtype, pairs).unwrap();
                    let got = rotation.split(&rows, joined, 0.3).unwrap();
                    let angles = positions.to_dtype(DType::F32).unwrap().unsqueeze(1).unwrap();
                    let angles = angles.broadcast_mul(&frequencies).unwrap();
                    let (cos, sin) = (angles.cos().unwrap(), angles.sin().unwrap());
                    let [q, k, v] = joined.parts(&wide(&rows)).unwrap();
                    let turned = |x: &Tensor| super::super::rotate(x, &cos, &sin, pairs).unwrap();
                    let want = [(turned(&q) * 0.3).unwrap(), turned(&k), v];
                    for (got, want) in got.iter().zip(want) {
                        assert_eq!(got.dtype(), dtype);
                        let want = want.transpose(1, 2).unwrap().contiguous().unwrap();
                        assert_close(&format!("{dtype:?} {pairs:?}"), &wide(got), &want, tolerance);
                    }
                }
            }
        }
        let rotation = Rotation::new(
            &Tensor::ones((1, 12), DType::F32, &Device::Cpu).unwrap(),
            &Tensor::new(&[0u32], &Device::Cpu).unwrap(),
            DType::F32,
            Pairs::Halves,
        );
        let rows = |t: usize, width: usize| noise(0.0, 1.0, (1, t, width));
        let rotation = rotation.unwrap();
        assert!(rotation.split(&rows(1, 192), joined, 1.0).is_ok());
        assert!(rotation.split(&rows(1, 191), joined, 1.0).is_err(), "not all of a head");
        assert!(rotation.split(&rows(2, 192), joined, 1.0).is_err(), "a row without angles");
    }
}
