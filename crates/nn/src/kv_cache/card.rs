//! The cache on a card (`cuda/attend.cu`): lists of slots, and attention by them.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, bail};

use super::Layer;
use super::attend::Block;
use crate::kernels::{self, Arg, Grid, Kernel};

/// Rows that read a key together: those of the kernel.
pub(super) const ROWS: usize = 4;
/// Positions that a block of the kernel goes through: those of the kernel.
const CHUNK: usize = 256;
/// The widest head that the kernel takes.
const WIDEST: usize = 256;

/// Whether the kernel takes such keys, (slots, kv_heads, head_dim).
pub(super) fn takes(keys: &Tensor) -> bool {
    kernels::take(keys) && keys.dims().last().is_some_and(|head_dim| *head_dim <= WIDEST)
}

/// The lists of a plan, in one tensor.
#[derive(Debug)]
pub(super) struct Lists {
    /// Positions (rows), slots (rows), blocks (blocks, 5), what each row sees (rows, 2), and all lists of slots.
    all: Tensor,
    rows: usize,
    blocks: usize,
    /// Most slots that a row sees.
    longest: usize,
}

impl Lists {
    pub fn new(positions: &[u32], slots: &[u32], blocks: &[Block], device: &Device) -> Result<Self> {
        let mut lists = Vec::new();
        let mut heads = Vec::with_capacity(5 * blocks.len());
        let mut seen = Vec::with_capacity(2 * slots.len());
        // Blocks of a group have their shared list in common, and the rows of a prompt one list of their own, of which
        // each sees a part: every list is sent once.
        let mut known: HashMap<(*const u32, usize), u32> = HashMap::new();
        let mut place = |list: &[u32]| {
            *known.entry((list.as_ptr(), list.len())).or_insert_with(|| {
                lists.extend_from_slice(list);
                (lists.len() - list.len()) as u32
            })
        };
        let mut longest = 0;
        for block in blocks {
            let shared = (place(block.shared), block.shared.len() as u32);
            heads.extend([block.first as u32, block.rows.len() as u32, shared.0, shared.1]);
            heads.push(block.common.len() as u32);
            for own in &block.rows {
                let from = if block.whole.starts_with(own) { block.whole } else { own };
                let sees = block.shared.len() + own.len();
                longest = longest.max(sees);
                seen.extend([place(from), sees as u32]);
            }
        }
        let mut all = Vec::with_capacity(2 * slots.len() + heads.len() + seen.len() + lists.len());
        all.extend_from_slice(positions);
        all.extend_from_slice(slots);
        all.extend(heads);
        all.extend(seen);
        all.extend(lists);
        let len = all.len();
        if u32::try_from(len).is_err() {
            bail!("{len} slots in the lists of one pass");
        }
        let all = Tensor::from_vec(all, len, device)?;
        Ok(Self { all, rows: slots.len(), blocks: blocks.len(), longest })
    }

    pub fn positions(&self) -> Result<Tensor> {
        self.all.narrow(0, 0, self.rows)
    }

    pub fn slots(&self) -> Result<Tensor> {
        self.all.narrow(0, self.rows, self.rows)
    }

    fn blocks(&self) -> Result<Tensor> {
        self.all.narrow(0, 2 * self.rows, 5 * self.blocks)
    }

    fn seen(&self) -> Result<Tensor> {
        self.all.narrow(0, 2 * self.rows + 5 * self.blocks, 2 * self.rows)
    }

    fn lists(&self) -> Result<Tensor> {
        let first = 4 * self.rows + 5 * self.blocks;
        self.all.narrow(0, first, self.all.elem_count() - first)
    }
}

impl Layer {
    /// Attention of all rows of a plan: (rows, heads, head_dim) -> (rows, heads, head_dim)
    pub(super) fn on_card(&self, queries: &Tensor, lists: &Lists) -> Result<Tensor> {
        let (rows, heads, head_dim) = queries.dims3()?;
        let kv_heads = self.keys.dim(1)?;
        if queries.dtype() != self.keys.dtype() {
            bail!("queries in {:?} for keys in {:?}", queries.dtype(), self.keys.dtype());
        }
        let (dtype, device) = (queries.dtype(), queries.device());
        let mixed = kernels::output((rows, heads, head_dim), dtype, device)?;
        let chunks = lists.longest.div_ceil(CHUNK).max(1);
        let parts = match chunks {
            1 => None,
            _ => Some(kernels::output((rows, heads, chunks, head_dim + 2), DType::F32, device)?),
        };
        let wide = [queries, &self.keys, &self.values].iter().all(|x| kernels::wide(x, head_dim));
        let name = match head_dim {
            _ if !wide => "attend_any",
            0..=64 => "attend_64",
            65..=128 => "attend_128",
            _ => "attend_256",
        };
        let (blocks, seen, slots) = (lists.blocks()?, lists.seen()?, lists.lists()?);
        let args = [
            Arg::Tensor(queries),
            Arg::Tensor(&self.keys),
            Arg::Tensor(&self.values),
            Arg::Tensor(&blocks),
            Arg::Tensor(&seen),
            Arg::Tensor(&slots),
            Arg::Tensor(&mixed),
            parts.as_ref().into(),
            Arg::U32(kv_heads as u32),
            Arg::U32((heads / kv_heads) as u32),
            Arg::U32(head_dim as u32),
            Arg::U32(chunks as u32),
        ];
        let grid = Grid { blocks: [lists.blocks, heads, chunks], threads: 256, shared: 0 };
        // SAFETY: the lists are those of `new`: blocks cover the rows, every list lies inside of `slots`, and every slot
        // inside of the cache, which the plan has checked.
        unsafe { Kernel { file: "attend", name }.run(dtype, grid, &args)? };
        let Some(parts) = parts else { return Ok(mixed) };
        let args = [
            Arg::Tensor(&parts),
            Arg::Tensor(&seen),
            Arg::Tensor(&mixed),
            Arg::U32(head_dim as u32),
            Arg::U32(chunks as u32),
        ];
        let threads = head_dim.next_multiple_of(32) as u32;
        let grid = Grid { blocks: [rows, heads, 1], threads, shared: 0 };
        // SAFETY: a block a row and head, which reads the chunks that the row sees.
        unsafe { Kernel { file: "attend", name: "attend_join" }.run(dtype, grid, &args)? };
        Ok(mixed)
    }
}
