//! Linear layers and attention on a card: products by cuBLAS, and kernels for what stands around them
//! (`cuda/linear_training.cu`, `cuda/attend_training.cu`).

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Result, Tensor};

use super::attend::Keys;
use super::frames::Frames;
use crate::dropout::Mask;
use crate::kernels::{self, Arg, Grid, Kernel};
use crate::node::Node;

/// Columns of a block of the kernels for rows.
const COLUMNS: usize = 32;
/// Rows that are summed by one block where they are few.
const FEW_ROWS: usize = 512;
/// Stretches of rows at most, where they are many.
const STRETCHES: usize = 256;
/// Frames of a block.
const FRAMES: usize = 128;
/// Queries that an attention's kernels keep in shared memory.
pub(super) const QUERIES: usize = 376;

/// What follows on a linear layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Then {
    /// Nothing.
    Nothing,
    /// A ReLU, then a dropout.
    Relu(Mask),
    /// A tanh.
    Tanh,
}

impl Then {
    fn number(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Relu(_) => 1,
            Self::Tanh => 2,
        }
    }

    fn mask(self) -> Mask {
        if let Self::Relu(mask) = self { mask } else { Mask::NONE }
    }
}

/// Of contiguous `x` (rows, inputs), `weight` (outputs, inputs) and contiguous `bias` (outputs): (rows, outputs).
pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, then: Then) -> Result<Tensor> {
    let weight = &weight.contiguous()?;
    let (here, table) = (x.detach(), weight.detach());
    let (asked, learnt) = (x.track_op(), weight.track_op() || bias.track_op());
    let backward = move |y: &Tensor, gradient: &Tensor| {
        let (through, bias) = back(gradient, y, then)?;
        let x = match asked {
            true => Some(through.matmul(&table)?),
            false => None,
        };
        let weight = match learnt {
            true => Some(through.t()?.matmul(&here)?),
            false => None,
        };
        Ok(vec![x, weight, learnt.then_some(bias)])
    };
    let y = Node::product("linear", x.detach(), weight.detach().t()?, backward)?.of(&[x, weight, bias])?;
    finish(&y, bias, then)?;
    Ok(y)
}

/// `y` = then(`y` + `bias`), in place.
fn finish(y: &Tensor, bias: &Tensor, then: Then) -> Result<()> {
    let (count, width) = (y.elem_count(), bias.elem_count());
    let [low, high, lowest, scale] = then.mask().args();
    let args = [
        Arg::Tensor(y),
        Arg::Tensor(bias),
        Arg::U64(count as u64),
        Arg::U32(width as u32),
        Arg::U32(then.number()),
        low,
        high,
        lowest,
        scale,
    ];
    // SAFETY: the kernel looks at the count, and a bias has as many numbers as a row.
    unsafe {
        Kernel { file: "linear_training", name: "finish_trained" }.run(
            y.dtype(),
            Grid::rows(count.div_ceil(1024), 256),
            &args,
        )
    }
}

/// The gradient of a product from that of what became of it, `y` (rows, width), and its sum over the rows.
fn back(gradient: &Tensor, y: &Tensor, then: Then) -> Result<(Tensor, Tensor)> {
    let (rows, width) = y.dims2()?;
    let through = match then {
        Then::Nothing => None,
        _ => Some(kernels::output(y.shape(), y.dtype(), y.device())?),
    };
    let stretch = if rows <= FEW_ROWS { FEW_ROWS } else { rows.div_ceil(STRETCHES).max(FEW_ROWS / 2) };
    let stretches = rows.div_ceil(stretch);
    let sums = kernels::output((stretches, width), DType::F32, y.device())?;
    let [low, high, lowest, scale] = then.mask().args();
    let args = [
        Arg::Tensor(gradient),
        Arg::Tensor(y),
        Arg::from(through.as_ref()),
        Arg::Tensor(&sums),
        Arg::U64(rows as u64),
        Arg::U32(width as u32),
        Arg::U32(stretch as u32),
        Arg::U32(then.number()),
        low,
        high,
        lowest,
        scale,
    ];
    let grid = Grid { blocks: [width.div_ceil(COLUMNS), stretches, 1], threads: 256, shared: 0 };
    // SAFETY: the kernel looks at rows and width, which are those of all three, and has a row of sums a stretch.
    unsafe { Kernel { file: "linear_training", name: "back" }.run(y.dtype(), grid, &args)? };
    Ok((through.unwrap_or_else(|| gradient.clone()), summed(&sums, y.dtype())?))
}

/// The sum of all rows of f32 numbers, (width), in the type `dtype`.
fn summed(sums: &Tensor, dtype: DType) -> Result<Tensor> {
    let (rows, width) = sums.dims2()?;
    if rows == 1 && dtype == DType::F32 {
        return sums.squeeze(0);
    }
    let sum = kernels::output(width, dtype, sums.device())?;
    let args = [Arg::Tensor(sums), Arg::Tensor(&sum), Arg::U32(rows as u32), Arg::U32(width as u32)];
    let (kernel, grid) =
        (Kernel { file: "linear_training", name: "sum_rows" }, Grid::rows(width.div_ceil(COLUMNS), 256));
    // SAFETY: the sizes are those of the sums.
    unsafe { kernel.run(dtype, grid, &args)? };
    Ok(sum)
}

/// What an attention's backward pass has found for its projection, until the projection's node asks for it.
type Found = Arc<Mutex<Option<(Tensor, Tensor)>>>;

/// One attention: what its backward pass needs, none of it in the graph.
struct Attend {
    frames: Frames,
    weight: Tensor,
    queries: Tensor,
    scale: f64,
    mask: Option<Mask>,
    /// The frames after the dropout, (b, t, D).
    x: Tensor,
    /// (b, t, D)
    keys: Tensor,
    /// (b, n, t)
    weights: Tensor,
    found: Found,
}

/// As [`super::attend()`], of shapes that fit each other.
pub(super) fn attend(
    frames: &Frames,
    keys: Keys,
    queries: &Tensor,
    scale: f64,
    mask: Option<Mask>,
) -> Result<Tensor> {
    let (b, t, dim) = frames.tracked().dims3()?;
    let rows = frames.rows().contiguous()?;
    let x = match mask {
        Some(mask) => mask.on_card(&rows)?,
        None => rows,
    }; // (b, t, D)
    let (weight, bias) = (keys.weight.contiguous()?, keys.bias.contiguous()?);
    let asked = queries.contiguous()?;
    let made = x.reshape((b * t, dim))?.matmul(&weight.detach().t()?)?;
    finish(&made, &bias, Then::Tanh)?;
    let made = made.reshape((b, t, dim))?;
    let weights = asked.detach().matmul(&made.t()?)?; // (b, n, t)
    weigh(&weights, frames, scale)?;
    let found = Found::default();
    let projection = projection(&weight, &bias, found.clone())?;
    let token = frames.token();
    let (summing, learning) = (token.track_op(), projection.track_op());
    let attend = Attend {
        frames: frames.clone(),
        weight: weight.detach(),
        queries: asked.detach(),
        scale,
        mask,
        x: x.clone(),
        keys: made,
        weights: weights.clone(),
        found,
    };
    let backward = move |_: &Tensor, gradient: &Tensor| {
        let queries = attend.backward(gradient, summing)?;
        // What the tokens get means nothing, and is there.
        let nothing = attend.frames.token().detach();
        Ok(vec![summing.then(|| nothing.clone()), learning.then_some(nothing), Some(queries)])
    };
    Node::product("attend", weights, x, backward)?.of(&[token, &projection, &asked])
}

/// Stands in the graph for weight and bias of a projection: more than three arguments an operation cannot have.
fn projection(weight: &Tensor, bias: &Tensor, found: Found) -> Result<Tensor> {
    let backward = move |_: &Tensor, _: &Tensor| {
        let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((weight, bias)) = found else { candle_core::bail!("a projection without a gradient") };
        Ok(vec![Some(weight), Some(bias)])
    };
    token("projection", weight.dtype(), &[weight, bias], backward)
}

/// A number that stands in the graph for `inputs`; what it is means nothing.
pub(super) fn token(
    name: &'static str,
    dtype: DType,
    inputs: &[&Tensor],
    backward: impl Fn(&Tensor, &Tensor) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
) -> Result<Tensor> {
    Node::empty(name, (), dtype, backward).of(inputs)
}

/// Scores (b, n, t) to weights, in place.
fn weigh(scores: &Tensor, frames: &Frames, scale: f64) -> Result<()> {
    let (b, n, t) = scores.dims3()?;
    let args = [
        Arg::Tensor(scores),
        Arg::from(frames.lengths_on_card()),
        Arg::U32(n as u32),
        Arg::U32(t as u32),
        Arg::F32(scale as f32),
    ];
    // SAFETY: a block a row of `t` scores; a length, at most `t`, for each of `b` clips.
    unsafe {
        Kernel { file: "attend_training", name: "weigh" }.run(scores.dtype(), Grid::rows(b * n, 128), &args)
    }
}

impl Attend {
    /// The gradient of the queries; leaves that of the projection, and adds to that of the frames if it is `summing`.
    fn backward(&self, gradient: &Tensor, summing: bool) -> Result<Tensor> {
        let (b, t, dim) = self.x.dims3()?;
        let slopes = gradient.matmul(&self.x.t()?)?; // (b, n, t)
        self.weigh_back(&slopes)?;
        let queries = slopes.matmul(&self.keys)?; // (b, n, D)
        let (through, bias) = self.keys_back(&slopes)?;
        let rows = through.reshape((b * t, dim))?;
        let weight = rows.t()?.matmul(&self.x.reshape((b * t, dim))?)?; // (D, D)
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some((weight, bias));
        if summing {
            self.frames_back(gradient, &rows.matmul(&self.weight)?)?;
        }
        Ok(queries)
    }

    fn weigh_back(&self, slopes: &Tensor) -> Result<()> {
        let (b, n, t) = slopes.dims3()?;
        let args = [
            Arg::Tensor(&self.weights),
            Arg::Tensor(slopes),
            Arg::U32(t as u32),
            Arg::F32(self.scale as f32),
        ];
        let kernel = Kernel { file: "attend_training", name: "weigh_back" };
        // SAFETY: a block a row of `t` numbers of both.
        unsafe { kernel.run(slopes.dtype(), Grid::rows(b * n, 128), &args) }
    }

    /// The gradient of the keys' projection, (b, t, D), and its sum over all frames, (D).
    fn keys_back(&self, slopes: &Tensor) -> Result<(Tensor, Tensor)> {
        let (b, t, dim) = self.x.dims3()?;
        let n = self.queries.dim(1)?;
        let through = kernels::output((b, t, dim), self.x.dtype(), self.x.device())?;
        let stretches = t.div_ceil(FRAMES);
        let sums = kernels::output((b * stretches, dim), DType::F32, self.x.device())?;
        let args = [
            Arg::Tensor(slopes),
            Arg::Tensor(&self.queries),
            Arg::Tensor(&self.keys),
            Arg::Tensor(&through),
            Arg::Tensor(&sums),
            Arg::U32(n as u32),
            Arg::U32(t as u32),
            Arg::U32(dim as u32),
            Arg::U32(FRAMES as u32),
        ];
        let kernel = Kernel { file: "attend_training", name: "keys_back" };
        // SAFETY: a block for some columns and frames of each of `b` clips, and a row of sums for each stretch.
        unsafe { kernel.run(self.x.dtype(), self.grid()?, &args)? };
        Ok((through, summed(&sums, self.x.dtype())?))
    }

    fn frames_back(&self, gradient: &Tensor, keyed: &Tensor) -> Result<()> {
        let (b, t, dim) = self.x.dims3()?;
        let mut sum = self.frames.sum_on_card.lock().unwrap_or_else(PoisonError::into_inner);
        let first = sum.is_none();
        let total = match sum.take() {
            Some(total) => total,
            None => kernels::output((b, t, dim), self.x.dtype(), self.x.device())?,
        };
        let [low, high, lowest, scale] = self.mask.unwrap_or(Mask::NONE).args();
        let args = [
            Arg::Tensor(&self.weights),
            Arg::Tensor(gradient),
            Arg::Tensor(keyed),
            Arg::Tensor(&total),
            Arg::from(self.frames.lengths_on_card()),
            Arg::U32(self.queries.dim(1)? as u32),
            Arg::U32(t as u32),
            Arg::U32(dim as u32),
            Arg::U32(FRAMES as u32),
            Arg::U32(u32::from(first)),
            low,
            high,
            lowest,
            scale,
        ];
        let kernel = Kernel { file: "attend_training", name: "frames_back" };
        // SAFETY: a block for some columns and frames of each of `b` clips; the sum is nobody else's.
        unsafe { kernel.run(self.x.dtype(), self.grid()?, &args)? };
        *sum = Some(total);
        Ok(())
    }

    fn grid(&self) -> Result<Grid> {
        let (b, t, dim) = self.x.dims3()?;
        let shared = self.queries.dim(1)? * COLUMNS * size_of::<f32>();
        Ok(Grid {
            blocks: [dim.div_ceil(COLUMNS), t.div_ceil(FRAMES), b],
            threads: 256,
            shared: shared as u32,
        })
    }
}
