//! Attention of new positions over a cache.

use std::ops::Range;

use candle_core::{Device, Result, Tensor, bail};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::plan::{Plan, Sight};
use super::{Group, KvCache, Layer};
use crate::cpu::{Numbers, Shared};
use crate::masked_softmax::{masked_softmax, softmax};

/// Tasks a thread, at least, where there are so many: they do not take equally long.
const TASKS: usize = 4;

/// Rows that read a key together, while it is in the first cache.
pub(super) const BLOCK: usize = 8;

impl KvCache {
    /// What the queries of new positions take from the slots that they see in `layer`: (rows, heads, head_dim) ->
    /// (rows, heads, head_dim), for the rows of `plan`. Queries come scaled; successive heads share a head of keys.
    ///
    /// On the CPU in f32, and on cards, keys and values are read where they lie, those in common once for several rows,
    /// and what a row gets does not depend, to the last bit, on the rows beside it.
    pub fn attend(&self, layer: usize, queries: &Tensor, plan: &Plan) -> Result<Tensor> {
        let (rows, heads, head_dim) = queries.dims3()?;
        let listed = plan.rows();
        if rows != listed || !heads.is_multiple_of(self.shape.heads) || head_dim != self.shape.head_dim {
            let (heads, width) = (self.shape.heads, self.shape.head_dim);
            bail!("queries {:?} for {listed} rows of {heads} heads of {width}", queries.dims());
        }
        let layer = self.layer(layer)?;
        match &plan.sight {
            Sight::Blocks(blocks) => layer.read(&queries.contiguous()?, blocks),
            Sight::Card(lists) => layer.on_card(&queries.contiguous()?, lists),
            Sight::Groups(groups) => {
                let mut first = 0;
                let mut mixed = Vec::with_capacity(groups.len());
                for group in groups {
                    mixed.push(layer.compose(&queries.narrow(0, first, group.own.len())?, group)?);
                    first += group.own.len();
                }
                Tensor::cat(&mixed, 0)
            }
        }
    }
}

impl Layer {
    /// Attention of one group by candle's operations: one product for all its rows over all slots that any of them
    /// sees, behind a mask.
    fn compose(&self, queries: &Tensor, group: &Group) -> Result<Tensor> {
        let (rows, heads, head_dim) = queries.dims3()?;
        let kv_heads = self.keys.dim(1)?;
        let mut slots: Vec<u32> = group.own.iter().flat_map(|own| own.iter().copied()).collect();
        slots.sort_unstable();
        slots.dedup();
        let mut mask = Vec::with_capacity(rows * (group.shared.len() + slots.len()));
        for own in &group.own {
            mask.extend(group.shared.iter().map(|_| 0f32));
            mask.extend(slots.iter().map(|slot| if own.contains(slot) { 0.0 } else { f32::MIN }));
        }
        let slots: Vec<u32> = group.shared.iter().copied().chain(slots).collect();
        let mask = Tensor::from_vec(mask, (1, 1, rows, slots.len()), queries.device())?;
        let slots = Tensor::new(slots, queries.device())?;
        let held = |memory: &Tensor| memory.index_select(&slots, 0)?.transpose(0, 1)?.contiguous();
        let (keys, values) = (held(&self.keys)?, held(&self.values)?); // (kv_heads, slots, head_dim)
        // The queries of one head of keys stand below each other.
        let grouped = (kv_heads, heads / kv_heads * rows, head_dim);
        let queries = queries.transpose(0, 1)?.contiguous()?.reshape(grouped)?;
        let scores = queries.matmul(&keys.t()?)?.reshape((1, heads, rows, ()))?;
        let weights = masked_softmax(scores, Some(&mask))?; // (1, heads, rows, slots)
        let mixed = weights.reshape((kv_heads, heads / kv_heads * rows, ()))?.matmul(&values)?;
        mixed.reshape((heads, rows, head_dim))?.transpose(0, 1)?.contiguous() // (rows, heads, head_dim)
    }

    /// Attention of all blocks by the kernel below.
    fn read(&self, queries: &Tensor, blocks: &[Block]) -> Result<Tensor> {
        let (rows, heads, head_dim) = queries.dims3()?;
        let kv_heads = self.keys.dim(1)?;
        let (keys, values, queries) =
            (Numbers::of(&self.keys)?, Numbers::of(&self.values)?, Numbers::of(queries)?);
        let mut mixed = vec![0f32; rows * heads * head_dim];
        let out = Shared::new(mixed.as_mut_ptr(), heads * head_dim);
        let per = heads / kv_heads;
        // All heads of a slot lie together: tasks take as many of them as leave enough tasks.
        let tasks = (TASKS * rayon::current_num_threads()).div_ceil(blocks.len().max(1));
        let taken = kv_heads.div_ceil(tasks.min(kv_heads));
        let units =
            blocks.iter().flat_map(|block| (0..kv_heads).step_by(taken).map(move |head| (block, head)));
        let units: Vec<_> = units.collect();
        units.into_par_iter().with_max_len(1).for_each_init(Vec::new, |weights, (block, head)| {
            let memory = Memory { keys: &keys, values: &values, stride: kv_heads * head_dim, head_dim };
            let queries = &queries[block.first * heads * head_dim..];
            let query = |row: usize, at: usize| &queries[(row * heads + at) * head_dim..][..head_dim];
            // SAFETY: the head is one of (rows, heads * head_dim), and only this unit writes it.
            let mixed =
                |row: usize, at: usize| unsafe { out.piece(block.first + row, at * head_dim, head_dim) };
            let heads = head..kv_heads.min(head + taken);
            Arch::new().dispatch(Unit { block, memory, heads, per, weights, query, mixed });
        });
        Tensor::from_vec(mixed, (rows, heads, head_dim), &Device::Cpu)
    }
}

/// Some heads of keys for one block of rows: a task.
struct Unit<'u, 'a, Q, X> {
    block: &'u Block<'a>,
    memory: Memory<'u>,
    /// Heads of keys.
    heads: Range<usize>,
    /// Queries of a row for each of them.
    per: usize,
    /// What it writes its weights to.
    weights: &'u mut Vec<f32>,
    /// A row's head of queries of that number.
    query: Q,
    /// Where it goes.
    mixed: X,
}

impl<'q, 'x, Q, X> WithSimd for Unit<'_, '_, Q, X>
where
    Q: Fn(usize, usize) -> &'q [f32],
    X: Fn(usize, usize) -> &'x mut [f32],
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // The widths of published heads in whole registers: loops over them are unrolled.
        match self.memory.head_dim / S::F32_LANES {
            _ if !self.memory.head_dim.is_multiple_of(S::F32_LANES) => self.run::<S, 0>(simd),
            2 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            8 => self.run::<S, 8>(simd),
            16 => self.run::<S, 16>(simd),
            _ => self.run::<S, 0>(simd),
        }
    }
}

/// A layer's keys and values.
struct Memory<'m> {
    keys: &'m [f32],
    values: &'m [f32],
    /// Between two slots.
    stride: usize,
    head_dim: usize,
}

impl<'m> Memory<'m> {
    #[inline(always)]
    fn key(&self, slot: u32, head: usize) -> &'m [f32] {
        &self.keys[slot as usize * self.stride + head * self.head_dim..][..self.head_dim]
    }

    #[inline(always)]
    fn value(&self, slot: u32, head: usize) -> &'m [f32] {
        &self.values[slot as usize * self.stride + head * self.head_dim..][..self.head_dim]
    }
}

/// Some successive rows of a group, and what they have in common: successive positions of a prompt see each other's
/// slots, too.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// Its first row in the batch.
    pub first: usize,
    pub shared: &'a [u32],
    /// Seen by all its rows after the shared slots.
    pub common: &'a [u32],
    /// Seen by each row after the shared slots.
    pub rows: Vec<&'a [u32]>,
    /// The longest list of its group's rows. Successive positions of a prompt see parts of it.
    pub whole: &'a [u32],
    /// Most slots that a row sees.
    longest: usize,
}

/// The rows of the groups, in blocks of at most `most`.
pub(super) fn blocks<'a>(groups: &[Group<'a>], most: usize) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    let mut first = 0;
    for group in groups {
        let whole = group.own.iter().max_by_key(|own| own.len()).copied().unwrap_or_default();
        for rows in group.own.chunks(most) {
            let same = |other: &&[u32]| rows[0].iter().zip(*other).take_while(|(a, b)| a == b).count();
            let common = rows.iter().map(same).min().unwrap_or(0);
            let longest = rows.iter().map(|own| own.len()).max().unwrap_or(0);
            blocks.push(Block {
                first,
                shared: group.shared,
                common: &rows[0][..common],
                rows: rows.to_vec(),
                whole,
                longest: group.shared.len() + longest,
            });
            first += rows.len();
        }
    }
    blocks
}

impl<'a> Block<'a> {
    /// Positions and slots that all rows see.
    #[inline(always)]
    fn together(&self) -> impl Iterator<Item = (usize, u32)> + use<'a> {
        self.shared.iter().chain(self.common).copied().enumerate()
    }

    /// Seen by a row after the shared and the common slots.
    #[inline(always)]
    fn own(&self, row: usize) -> &'a [u32] {
        &self.rows[row][self.common.len()..]
    }

    /// Positions and slots that only `row` sees, or not all others.
    #[inline(always)]
    fn apart(&self, row: usize) -> impl Iterator<Item = (usize, u32)> + use<'a> {
        (self.shared.len() + self.common.len()..).zip(self.own(row).iter().copied())
    }
}

impl<'q, 'x, Q, X> Unit<'_, '_, Q, X>
where
    Q: Fn(usize, usize) -> &'q [f32],
    X: Fn(usize, usize) -> &'x mut [f32],
{
    /// Everything, for heads of `V` vectors, or of any size where that is 0.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        self.weigh::<S, V>(simd);
        self.mix::<S, V>(simd);
    }

    /// Where the weights of a query head of a row begin.
    #[inline(always)]
    fn begin(&self, row: usize, at: usize) -> usize {
        (row * self.heads.len() * self.per + at - self.heads.start * self.per) * self.block.longest
    }

    /// How much each query of every row takes from each position: (rows, queries, longest), filled as far as the row sees.
    #[inline(always)]
    fn weigh<S: Simd, const V: usize>(&mut self, simd: S) {
        let rows = self.block.rows.len();
        self.weights.clear();
        self.weights.resize(rows * self.heads.len() * self.per * self.block.longest, 0.0);
        for (position, slot) in self.block.together() {
            self.compare::<S, V>(simd, 0..rows, position, slot);
        }
        for row in 0..rows {
            for (position, slot) in self.block.apart(row) {
                self.compare::<S, V>(simd, row..row + 1, position, slot);
            }
            let seen = self.block.shared.len() + self.block.common.len() + self.block.own(row).len();
            for at in self.heads.start * self.per..self.heads.end * self.per {
                let begin = self.begin(row, at);
                softmax(&mut self.weights[begin..begin + seen]);
            }
        }
    }

    #[inline(always)]
    fn compare<S: Simd, const V: usize>(&mut self, simd: S, rows: Range<usize>, position: usize, slot: u32) {
        for head in self.heads.clone() {
            let key = self.memory.key(slot, head);
            for row in rows.clone() {
                for at in head * self.per..(head + 1) * self.per {
                    let begin = self.begin(row, at);
                    self.weights[begin + position] = dot::<S, V>(simd, (self.query)(row, at), key);
                }
            }
        }
    }

    /// Adds the values up, in the order of positions, to what was zero.
    #[inline(always)]
    fn mix<S: Simd, const V: usize>(&self, simd: S) {
        let rows = self.block.rows.len();
        for (position, slot) in self.block.together() {
            self.add::<S, V>(simd, 0..rows, position, slot);
        }
        for row in 0..rows {
            for (position, slot) in self.block.apart(row) {
                self.add::<S, V>(simd, row..row + 1, position, slot);
            }
        }
    }

    #[inline(always)]
    fn add<S: Simd, const V: usize>(&self, simd: S, rows: Range<usize>, position: usize, slot: u32) {
        for head in self.heads.clone() {
            let value = self.memory.value(slot, head);
            for row in rows.clone() {
                for at in head * self.per..(head + 1) * self.per {
                    add::<S, V>(
                        simd,
                        (self.mixed)(row, at),
                        self.weights[self.begin(row, at) + position],
                        value,
                    );
                }
            }
        }
    }
}

#[inline(always)]
fn dot<S: Simd, const V: usize>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
    let mut sums = simd.splat_f32s(0.0);
    if let (Some(a), Some(b)) = (a.first_chunk::<V>(), b.first_chunk::<V>())
        && V > 0
    {
        for at in 0..V {
            sums = simd.mul_add_e_f32s(a[at], b[at], sums);
        }
        return simd.reduce_sum_f32s(sums);
    }
    for (&a, &b) in a.iter().zip(b) {
        sums = simd.mul_add_e_f32s(a, b, sums);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    simd.reduce_sum_f32s(sums) + rest
}

/// Adds `weight * value` to `sum`.
#[inline(always)]
fn add<S: Simd, const V: usize>(simd: S, sum: &mut [f32], weight: f32, value: &[f32]) {
    let ((sum, sum_rest), (value, rest)) = (S::as_mut_simd_f32s(sum), S::as_simd_f32s(value));
    let weights = simd.splat_f32s(weight);
    if let (Some(sum), Some(value)) = (sum.first_chunk_mut::<V>(), value.first_chunk::<V>())
        && V > 0
    {
        for at in 0..V {
            sum[at] = simd.mul_add_e_f32s(weights, value[at], sum[at]);
        }
        return;
    }
    for (sum, &value) in sum.iter_mut().zip(value) {
        *sum = simd.mul_add_e_f32s(weights, value, *sum);
    }
    sum_rest.iter_mut().zip(rest).for_each(|(sum, value)| *sum += weight * value);
}

#[cfg(test)]
mod tests {
    use affekt_testkit::{assert_close, noise};
    use candle_core::DType;

    use super::super::Shape;
    use super::*;

    /// What `query` (heads, head_dim) takes from `slots`, in f64.
    fn reference(memory: &KvCache, query: &Tensor, slots: &[u32]) -> Tensor {
        let (heads, head_dim) = query.dims2().unwrap();
        let doubled = |x: &Tensor| x.to_dtype(DType::F64).unwrap();
        let slots = Tensor::new(slots, &Device::Cpu).unwrap();
        let held = |x: &Tensor| doubled(x).index_select(&slots, 0).unwrap().transpose(0, 1).unwrap();
        let layer = &memory.layers[0];
        let kv_heads = layer.keys.dim(1).unwrap();
        let query = doubled(query).reshape((kv_heads, heads / kv_heads, head_dim)).unwrap();
        let keys = held(&layer.keys).contiguous().unwrap();
        let weights = candle_nn::ops::softmax(&query.matmul(&keys.t().unwrap()).unwrap(), 2).unwrap();
        let values = held(&layer.values).contiguous().unwrap();
        weights.matmul(&values).unwrap().reshape((heads, head_dim)).unwrap()
    }

    /// Beams of two texts, and a prompt of eleven positions with a past.
    fn lists() -> (Vec<u32>, Vec<Vec<u32>>) {
        let chunk: Vec<u32> = (20..31).rev().collect();
        let mut own = vec![vec![40, 41, 45], vec![40, 42, 46], vec![39, 41, 47]];
        own.extend((1..=11).map(|end| chunk[..end].to_vec()));
        own.push(vec![48]);
        ((0..17).map(|slot| slot * 37 % 19).collect(), own)
    }

    fn groups<'a>(shared: &'a [u32], own: &'a [Vec<u32>]) -> Vec<Group<'a>> {
        let own: Vec<&[u32]> = own.iter().map(Vec::as_slice).collect();
        let group = |shared, rows: Range<usize>| Group { shared, own: own[rows].to_vec() };
        vec![group(&shared[..12], 0..3), group(shared, 3..14), group(&[], 14..15)]
    }

    fn memory(kv_heads: usize, head_dim: usize, dtype: DType) -> KvCache {
        let shape = Shape { layers: 1, heads: kv_heads, head_dim, dtype };
        let mut cache = KvCache::new(shape, 50, &Device::Cpu).unwrap();
        let all: Vec<u32> = (0..50).collect();
        let drawn = || noise(0.0, 1.0, (50, kv_heads, head_dim)).to_dtype(dtype).unwrap();
        cache.write(0, &all, &drawn(), &drawn()).unwrap();
        cache
    }

    /// A plan for the rows of `groups`, each written to the last of its slots.
    fn plan<'a>(cache: &KvCache, groups: &[Group<'a>]) -> Result<Plan<'a>> {
        let slots = groups.iter().flat_map(|group| group.own.iter().map(|own| own.last().copied()));
        let slots: Vec<u32> = slots.map(Option::unwrap_or_default).collect();
        cache.plan(&vec![0; slots.len()], &slots, groups)
    }

    #[test]
    fn it_is_attention_over_the_slots_of_each_row() {
        let (shared, own) = lists();
        let groups = groups(&shared, &own);
        for (kv_heads, head_dim, dtype, tolerance) in [
            (4, 64, DType::F32, 1e-5),
            (2, 24, DType::F32, 1e-5),
            (2, 24, DType::F64, 1e-5),
            (2, 32, DType::BF16, 5e-2),
            (1, 128, DType::F16, 5e-3),
            (4, 20, DType::BF16, 5e-2),
            (2, 160, DType::F32, 1e-5),
            (4, 256, DType::BF16, 5e-2),
            (2, 7, DType::F32, 1e-5),
        ] {
            let cache = memory(kv_heads, head_dim, dtype);
            let queries = noise(0.0, 0.3, (15, 4, head_dim)).to_dtype(dtype).unwrap();
            let got = cache.attend(0, &queries, &plan(&cache, &groups).unwrap()).unwrap();
            for row in 0..15 {
                let before = [&shared[..12], &shared, &[]][usize::from(row >= 3) + usize::from(row >= 14)];
                let slots = [before, &own[row]].concat();
                let want = reference(&cache, &queries.get(row).unwrap(), &slots);
                assert_close(&format!("row {row}"), &got.get(row).unwrap(), &want, tolerance);
            }
        }
    }

    /// More positions than one block of a card's kernel goes through, for some rows.
    #[test]
    fn long_texts_are_read_in_parts_and_short_rows_beside_them_get_the_same_bits() {
        for (kv_heads, head_dim) in [(2, 24), (2, 6), (1, 72)] {
            let shape = Shape { layers: 1, heads: kv_heads, head_dim, dtype: DType::F32 };
            let mut cache = KvCache::new(shape, 700, &Device::Cpu).unwrap();
            let all: Vec<u32> = (0..700).collect();
            let drawn = || noise(0.0, 1.0, (700, kv_heads, head_dim));
            cache.write(0, &all, &drawn(), &drawn()).unwrap();
            let lists: Vec<Vec<u32>> = [1, 255, 256, 257, 600]
                .iter()
                .map(|len| (0..*len).map(|at| at * 37 % 700).collect())
                .collect();
            let own: Vec<&[u32]> = lists.iter().map(Vec::as_slice).collect();
            let groups = [
                Group { shared: &[], own: own.clone() },
                Group { shared: own[3], own: vec![&own[4][257..], &own[4][257..300]] },
            ];
            let queries = noise(0.0, 0.3, (7, 2, head_dim));
            let got = cache.attend(0, &queries, &plan(&cache, &groups).unwrap()).unwrap();
            let seen = [own[0], own[1], own[2], own[3], own[4], own[4], &own[4][..300]];
            for (row, slots) in seen.into_iter().enumerate() {
                let query = queries.narrow(0, row, 1).unwrap();
                let want = reference(&cache, &query.squeeze(0).unwrap(), slots);
                assert_close(&format!("row {row}"), &got.get(row).unwrap(), &want, 1e-5);
                let alone = [Group { shared: &[], own: vec![slots] }];
                let alone = cache.attend(0, &query, &plan(&cache, &alone).unwrap()).unwrap();
                let bits = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert_eq!(bits(&alone), bits(&got.get(row).unwrap()), "row {row}");
            }
        }
    }

    #[test]
    fn a_row_gets_the_same_bits_whoever_is_beside_it_and_however_its_slots_are_listed() {
        let (shared, own) = lists();
        let cache = memory(2, 64, DType::F32);
        let queries = noise(0.0, 0.3, (15, 4, 64));
        let together = cache.attend(0, &queries, &plan(&cache, &groups(&shared, &own)).unwrap()).unwrap();
        for row in 0..15 {
            let before = [&shared[..12], &shared, &[]][usize::from(row >= 3) + usize::from(row >= 14)];
            let slots = [before, &own[row]].concat();
            let alone = [Group { shared: &[], own: vec![&slots] }];
            let alone =
                cache.attend(0, &queries.narrow(0, row, 1).unwrap(), &plan(&cache, &alone).unwrap()).unwrap();
            let bits = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(bits(&alone), bits(&together.get(row).unwrap()), "row {row}");
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let cache = memory(2, 8, DType::F32);
        let queries = noise(0.0, 1.0, (1, 4, 8));
        let attend = |queries: &Tensor, own: Vec<&[u32]>| {
            cache.attend(0, queries, &plan(&cache, &[Group { shared: &[], own }])?)
        };
        assert!(attend(&queries, vec![&[49]]).is_ok());
        assert!(attend(&queries, vec![&[50]]).is_err(), "no such slot");
        assert!(attend(&queries, vec![&[]]).is_err(), "nothing to see");
        assert!(attend(&queries, vec![&[1], &[2]]).is_err(), "a row without a query");
        assert!(attend(&noise(0.0, 1.0, (1, 3, 8)), vec![&[1]]).is_err(), "heads without keys");
    }
}
