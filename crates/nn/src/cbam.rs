//! CBAM on cards, all of it in one kernel (`cuda/cbam.cu`).

use candle_core::{DType, Result, Tensor, bail};

use crate::kernels::{self, Arg, Grid, Kernel};
use crate::maps::Pending;
use crate::maps::card::{bias, in_packs};

/// Bytes of shared memory that cards since 2020 can give a block.
const SHARED: usize = 96 << 10;

/// Parameters of one module.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// First layer of the channel gate: (inner, c), (inner).
    pub squeeze: (&'a Tensor, &'a Tensor),
    /// Its second layer: (c, inner), (c).
    pub excite: (&'a Tensor, &'a Tensor),
    /// The convolution of the place gate, over maximum and mean: (1, 2, 7, 7), (1).
    pub spatial: (&'a Tensor, &'a Tensor),
}

/// One module, or several of one shape for maps in groups.
#[derive(Clone, Debug)]
pub struct Gates {
    /// (g, inner, c), (g, inner), (g, inner, c), (g, c), (g, 7, 7, 2), (g, 1), in f32.
    parameters: [Tensor; 6],
}

impl Gates {
    /// Takes the parameters of all groups.
    pub fn new(groups: &[Parameters]) -> Result<Self> {
        let all = |part: &dyn Fn(&Parameters) -> Result<Tensor>| {
            let parts = groups.iter().map(|group| bias(&part(group)?)).collect::<Result<Vec<_>>>()?;
            Tensor::stack(&parts, 0)
        };
        let parameters = [
            all(&|group| Ok(group.squeeze.0.clone()))?,
            all(&|group| Ok(group.squeeze.1.clone()))?,
            all(&|group| group.excite.0.t())?,
            all(&|group| Ok(group.excite.1.clone()))?,
            all(&|group| group.spatial.0.squeeze(0)?.permute((1, 2, 0)))?,
            all(&|group| Ok(group.spatial.1.clone()))?,
        ];
        let (count, inner, channels) = parameters[0].dims3()?;
        let wanted: [&[usize]; 6] = [
            &[count, inner, channels],
            &[count, inner],
            &[count, inner, channels],
            &[count, channels],
            &[count, 7, 7, 2],
            &[count, 1],
        ];
        if parameters.iter().zip(wanted).any(|(got, wanted)| got.dims() != wanted) {
            bail!("gates of the shapes {:?}", parameters.each_ref().map(|got| got.dims().to_vec()));
        }
        Ok(Self { parameters })
    }

    /// Those of one group; they share the memory.
    pub fn part(&self, index: usize) -> Result<Self> {
        let [squeeze, squeeze_bias, excite, excite_bias, spatial, spatial_bias] = &self.parameters;
        let part = |x: &Tensor| x.narrow(0, index, 1);
        let parameters = [
            part(squeeze)?,
            part(squeeze_bias)?,
            part(excite)?,
            part(excite_bias)?,
            part(spatial)?,
            part(spatial_bias)?,
        ];
        Ok(Self { parameters })
    }

    /// Gates `x`, then adds the residual and applies a ReLU: (b, h, w, c), or (g, b, h, w, c), to the same. Gates and sums
    /// are computed in f32.
    pub fn forward(&self, x: &Pending, residual: &Pending) -> Result<Tensor> {
        let (groups, inner, channels) = self.parameters[0].dims3()?;
        let (maps, added) = (x.maps.contiguous()?, residual.maps.contiguous()?);
        let dims = maps.dims();
        let of_groups = match *dims {
            [b, h, w, c] if groups == 1 => Some((b, h, w, c)),
            [g, b, h, w, c] if g == groups => Some((b, h, w, c)),
            _ => None,
        };
        let fits = |(_, h, w, c): &(usize, usize, usize, usize)| *c == channels && h * w > 0;
        let Some((b, h, w, _)) = of_groups.filter(fits) else {
            bail!("gates of {groups} groups of {channels} channels for maps {dims:?}");
        };
        if added.dims() != dims
            || added.dtype() != maps.dtype()
            || x.relu
            || residual.relu
            || !kernels::take(&maps)
        {
            bail!("maps {maps:?} and residuals {added:?} cannot be gated");
        }
        let shared = (2 * channels + inner + 3 * h * w) * DType::F32.size_in_bytes();
        if shared > SHARED {
            bail!("maps of {h} x {w} places are too large for the kernel of their gates");
        }
        let y = kernels::output(dims, maps.dtype(), maps.device())?;
        let packed = in_packs(&maps) && in_packs(&added);
        let [squeeze, squeeze_bias, excite, excite_bias, spatial, spatial_bias] = self.parameters.each_ref();
        let mut args = vec![Arg::Tensor(&maps), x.bias.as_ref().into()];
        args.extend([Arg::Tensor(&added), residual.bias.as_ref().into(), Arg::Tensor(&y)]);
        args.extend([squeeze, squeeze_bias, excite, excite_bias, spatial, spatial_bias].map(Arg::Tensor));
        args.extend([usize::from(packed), b, h, w, channels, inner].map(|word| Arg::U32(word as u32)));
        let threads = if channels >= 512 { 256 } else { 128 };
        let grid = Grid { blocks: [groups * b, 1, 1], threads, shared: shared as u32 };
        // SAFETY: a block a map, all of one shape; parameters have the shapes that were looked at, biases a number a channel.
        unsafe { Kernel { file: "cbam", name: "cbam" }.run(y.dtype(), grid, &args)? };
        Ok(y)
    }
}
