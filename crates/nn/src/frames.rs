//! Pictures on their way into a network: resized as Pillow does it, on the CPU by those who hold the picture, on a card
//! here; and crops of faces, which a card turns upright.
//!
//! Bilinear, antialiased, on 8-bit values: two passes, across then down, weights in fixed point with 22 fractional bits,
//! each pass rounded to 8 bits (Pillow up to 12, `Image.resize`, `BILINEAR`). Both devices give the same bytes.

use candle_core::{DType, Device, Result, Tensor, bail};

use crate::kernels::{self, Arg, Grid, Kernel};

/// Fractional bits of a weight: 32, less 8 for the pixel and 2 to spare for the sum.
pub const PRECISION: u32 = 22;

/// For each output pixel of one axis, the input pixels that it sees and their weights.
#[derive(Clone, Debug)]
pub struct Weights {
    spans: Vec<Span>,
    values: Vec<i32>,
}

/// Input pixels `start..start + count`, with weights from `at` on.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first that is seen.
    pub start: usize,
    count: usize,
    at: usize,
}

impl Weights {
    /// Weights that take `from..to` of `input` pixels to `output` pixels; `None` where there is nothing to take.
    pub fn new(input: usize, from: f64, to: f64, output: usize) -> Option<Self> {
        let (from, to) = (from.max(0.0), to.min(input as f64));
        if output == 0 || from >= to || !(to - from).is_finite() {
            return None;
        }
        let scale = (to - from) / output as f64;
        // A triangle as wide as an output pixel: antialias when reducing, plain bilinear when enlarging.
        let support = scale.max(1.0);
        let mut weights = Self { spans: Vec::with_capacity(output), values: Vec::new() };
        for index in 0..output {
            let centre = from + (index as f64 + 0.5) * scale;
            let start = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
            weights.push(start, end, |x| 1.0 - ((x as f64 - centre + 0.5) / support).abs());
        }
        Some(weights)
    }

    fn push(&mut self, start: usize, end: usize, triangle: impl Fn(usize) -> f64) {
        let raw: Vec<f64> = (start..end).map(|x| triangle(x).max(0.0)).collect();
        let sum: f64 = raw.iter().sum();
        let fixed = f64::from(1u32 << PRECISION);
        self.spans.push(Span { start, count: raw.len(), at: self.values.len() });
        self.values.extend(raw.iter().map(|weight| (weight / sum * fixed + 0.5) as i32));
    }

    /// What each output pixel sees.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The weights of what one output pixel sees.
    pub fn of(&self, span: &Span) -> &[i32] {
        &self.values[span.at..span.at + span.count]
    }

    /// The first input pixel that is seen.
    pub fn first(&self) -> usize {
        self.spans.first().map_or(0, |span| span.start)
    }

    /// One after the last that is seen.
    pub fn last(&self) -> usize {
        self.spans.last().map_or(0, |span| span.start + span.count)
    }
}

/// Whether pictures for a network of such numbers are resized by [`Resize`].
pub fn takes(dtype: DType, device: &Device) -> Result<bool> {
    crate::conv2d::joins(dtype, device)
}

/// Resizes pictures of one size on a card.
#[derive(Clone, Debug)]
pub struct Resize {
    across: Table,
    down: Table,
}

/// Weights of one axis where the kernels read them.
#[derive(Clone, Debug)]
struct Table {
    input: usize,
    output: usize,
    /// Input pixels that an output pixel sees at most.
    most: usize,
    /// (output), u32
    starts: Tensor,
    /// (output, most), u32, zeros behind those of each pixel
    weights: Tensor,
}

impl Table {
    fn new(input: usize, output: usize, device: &Device) -> Result<Self> {
        let Some(weights) = Weights::new(input, 0.0, input as f64, output) else {
            bail!("a picture of {input} pixels cannot become one of {output}");
        };
        let most = weights.spans().iter().map(|span| span.count).max().unwrap_or(0);
        let starts: Vec<u32> = weights.spans().iter().map(|span| span.start as u32).collect();
        let row = |span: &Span| {
            let row = weights.of(span).iter().map(|weight| *weight as u32);
            row.chain(std::iter::repeat_n(0, most - span.count)).collect::<Vec<u32>>()
        };
        let rows: Vec<u32> = weights.spans().iter().flat_map(row).collect();
        let starts = Tensor::from_vec(starts, output, device)?;
        Ok(Self { input, output, most, starts, weights: Tensor::from_vec(rows, (output, most), device)? })
    }
}

impl Resize {
    /// From pictures of `from`, width and height in pixels, to those of `to`.
    ///
    /// # Errors
    /// A side without pixels, and what candle reports.
    pub fn new(from: (usize, usize), to: (usize, usize), device: &Device) -> Result<Self> {
        Ok(Self { across: Table::new(from.0, to.0, device)?, down: Table::new(from.1, to.1, device)? })
    }

    /// Pictures as a network takes them, from 0 to 1: (b, height, width, 3), u8 on the card, becomes (b, 3, height, width),
    /// `dtype`, a view of channels that lie side by side.
    pub fn forward(&self, pictures: &Tensor, dtype: DType) -> Result<Tensor> {
        let Self { across, down } = self;
        let (b, h, w, channels) = pictures.dims4()?;
        if (w, h, channels) != (across.input, down.input, 3) || pictures.dtype() != DType::U8 {
            bail!("pictures {pictures:?}, wanted bytes of {} x {} pixels", across.input, down.input);
        }
        let (width, height) = (across.output, down.output);
        let count = |numbers: usize| {
            let message =
                || candle_core::Error::msg(format!("{b} pictures of {width} x {height} pixels are too many"));
            u32::try_from(numbers).map_err(|_| message())
        };
        let pictures = pictures.contiguous()?;
        let strip = kernels::output((b, h, width, 3), DType::U8, pictures.device())?;
        let numbers = count(strip.elem_count())?;
        let mut args =
            vec![Arg::Tensor(&pictures), Arg::Tensor(&across.starts), Arg::Tensor(&across.weights)];
        args.push(Arg::Tensor(&strip));
        args.extend([numbers, w as u32, width as u32, across.most as u32].map(Arg::U32));
        let kernel = |name| Kernel { file: "frames", name };
        // SAFETY: a thread a number of the strip; it reads pixels of its row from the start of its span to the row's end.
        unsafe { kernel("resize_across").run(DType::U8, Grid::each(numbers as usize), &args)? };
        let images = kernels::output((b, height, width, 3), dtype, pictures.device())?;
        let numbers = count(images.elem_count())?;
        let mut args = vec![Arg::Tensor(&strip), Arg::Tensor(&down.starts), Arg::Tensor(&down.weights)];
        args.push(Arg::Tensor(&images));
        args.extend([numbers, h as u32, height as u32, 3 * width as u32, down.most as u32].map(Arg::U32));
        // SAFETY: a thread a number; it reads rows of its picture's strip from the start of its span to the last row.
        unsafe { kernel("resize_down").run(dtype, Grid::each(numbers as usize), &args)? };
        images.permute((0, 3, 1, 2))
    }
}

/// A picture, and the square of it that a crop shows.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Width and height in pixels, at least one.
    pub size: (usize, usize),
    /// R, G, B of each pixel, rows top to bottom.
    pub data: &'a [u8],
    /// From (x, y) of the crop to (a x - b y + c, b x + a y + d) of the picture: a, b, c, d.
    pub way: [f64; 4],
    /// Beyond these it is dark: left, top, right, bottom, in pixels of the picture.
    pub borders: [f32; 4],
}

/// Crops of `side` x `side` pixels, turned, on a card: each pixel the mean of four places that are read bilinearly. One
/// upload, one launch, one way back for all of them: (n, side, side, 3), bytes.
///
/// # Errors
/// A picture without pixels or with other data than its size says, and what candle reports.
pub fn turn(views: &[Turn], side: usize, device: &Device) -> Result<Vec<u8>> {
    let fits =
        |view: &Turn| view.size.0 * view.size.1 > 0 && view.data.len() == 3 * view.size.0 * view.size.1;
    let total: usize = views.iter().map(|view| view.data.len()).sum();
    if views.is_empty() || !views.iter().all(fits) || total > u32::MAX as usize || side == 0 {
        bail!("{} pictures of {total} bytes cannot be turned", views.len());
    }
    let count = views.len();
    let starts = views.iter().scan(0, |next, view| {
        let start = *next;
        *next += view.data.len() as u32;
        Some(start)
    });
    let starts = Tensor::from_vec(starts.collect::<Vec<u32>>(), count, device)?;
    let sizes = views.iter().flat_map(|view| [view.size.0 as u32, view.size.1 as u32]).collect::<Vec<_>>();
    let sizes = Tensor::from_vec(sizes, (count, 2), device)?;
    let ways =
        Tensor::from_vec(views.iter().flat_map(|view| view.way).collect::<Vec<_>>(), (count, 4), device)?;
    let borders = views.iter().flat_map(|view| view.borders).collect::<Vec<_>>();
    let borders = Tensor::from_vec(borders, (count, 4), device)?;
    let pictures = views.iter().flat_map(|view| view.data.iter().copied()).collect::<Vec<_>>();
    let pictures = Tensor::from_vec(pictures, total, device)?;
    let crops = kernels::output((count, side, side, 3), DType::U8, device)?;
    let tensors = [&pictures, &starts, &sizes, &ways, &borders, &crops].map(Arg::Tensor);
    let args: Vec<Arg> = tensors.into_iter().chain([Arg::U32(side as u32)]).collect();
    let grid = Grid { blocks: [(side * side).div_ceil(256), count, 1], threads: 256, shared: 0 };
    // SAFETY: a thread a pixel of each crop; places are held inside of the picture, which begins where `starts` says.
    unsafe { Kernel { file: "frames", name: "turn" }.run(DType::U8, grid, &args)? };
    crops.flatten_all()?.to_vec1()
}
