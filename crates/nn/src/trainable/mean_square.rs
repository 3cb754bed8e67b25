//! The mean square of a difference on a card (`cuda/mean_square.cu`).

use candle_core::{DType, Result, Tensor};

use crate::kernels::{self, Arg, Grid, Kernel};
use crate::node::Node;

/// The mean of (x - y)^2, or its `root`, () in f32: a launch each way, summed in f64, without a wait. Where x and y are
/// equal, the root has the gradient 0. `None` where kernels for cards do not take f32 of one shape.
///
/// # Errors
/// What the driver reports.
pub fn mean_square_on_card(x: &Tensor, y: &Tensor, root: bool) -> Result<Option<Tensor>> {
    let taken = |x: &Tensor| kernels::take(x) && x.dtype() == DType::F32 && x.elem_count() > 0;
    if x.shape() != y.shape() || !taken(x) || !taken(y) {
        return Ok(None);
    }
    let (x, y) = (x.contiguous()?, y.contiguous()?);
    let (one, other) = (x.detach(), y.detach());
    let wanted = [x.track_op(), y.track_op()];
    let backward = move |mean: &Tensor, slope: &Tensor| {
        let room = |wanted: bool| match wanted {
            true => kernels::output(one.shape(), DType::F32, one.device()).map(Some),
            false => Ok(None),
        };
        let gradients = vec![room(wanted[0])?, room(wanted[1])?];
        let count = one.elem_count();
        let args = [
            Arg::Tensor(&one),
            Arg::Tensor(&other),
            Arg::Tensor(mean),
            Arg::Tensor(slope),
            Arg::from(gradients[0].as_ref()),
            Arg::from(gradients[1].as_ref()),
            Arg::U32(count as u32),
            Arg::U32(u32::from(root)),
        ];
        // SAFETY: the kernel looks at the count, which is that of all four; mean and slope are one number each.
        unsafe { kernel("mean_square_back").run(DType::F32, Grid::each(count), &args)? };
        Ok(gradients)
    };
    let mean = Node::empty("mean-square", (), DType::F32, backward).of(&[&x, &y])?;
    let args = [
        Arg::Tensor(&x),
        Arg::Tensor(&y),
        Arg::Tensor(&mean),
        Arg::U32(x.elem_count() as u32),
        Arg::U32(u32::from(root)),
    ];
    // SAFETY: the count is that of both.
    unsafe { kernel("mean_square").run(DType::F32, Grid::rows(1, 1024), &args)? };
    Ok(Some(mean))
}

fn kernel(name: &'static str) -> Kernel {
    Kernel { file: "mean_square", name }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    #[test]
    fn it_is_the_mean_and_its_gradient_that_of_the_mean() {
        for shape in [&[1][..], &[7, 5], &[3, 1100]] {
            for root in [false, true] {
                let noise = || Var::from_tensor(&affekt_testkit::noise(0.0, 1.0, shape)).unwrap();
                let (x, y) = (noise(), Var::from_tensor(&(noise().as_tensor() * 0.5).unwrap()).unwrap());
                let Some(got) = mean_square_on_card(&x, &y, root).unwrap() else { return };
                let mean = (x.as_tensor() - y.as_tensor()).unwrap().sqr().unwrap().mean_all().unwrap();
                let want = if root { mean.sqrt().unwrap() } else { mean };
                affekt_testkit::assert_close("mean", &got, &want, 1e-6);
                let gradients = [got, want].map(|loss| (loss * 3.0).unwrap().backward().unwrap());
                for var in [&x, &y] {
                    let [got, want] = gradients.each_ref().map(|all| all.get(var).unwrap());
                    affekt_testkit::assert_close("gradient", got, want, 1e-5);
                }
            }
        }
    }
}
