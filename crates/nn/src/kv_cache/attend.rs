//! Attention of new positions over a cache.

use std::ops::Range;

use candle_core::{Device, Result, Tensor, bail};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{Group, KvCache, Layer};
use crate::cpu::{Numbers, Shared, takes};
use crate::masked_softmax::{masked_softmax, softmax};

/// Tasks a thread, at least, where there are so many: they do not take equally long.
const TASKS: usize = 4;

/// Rows that read a key together, while it is in the first cache.
const BLOCK: usize = 8;

impl KvCache {
    /// What the queries of new positions take from the slots that they see in `layer`: (n, heads, head_dim) ->
    /// (n, heads, head_dim). The rows of the `groups` follow each other. Queries come scaled; successive heads share a
    /// head of keys.
    ///
    /// On the CPU in f32 keys and values are read where they lie, those in common once for several rows, and what a
    /// row gets does not depend, to the last bit, on the rows beside it.
    pub fn attend(&self, layer: usize, queries: &Tensor, groups: &[Group]) -> Result<Tensor> {
        let (rows, heads, head_dim) = queries.dims3()?;
        let listed: usize = groups.iter().map(|group| group.own.len()).sum();
        if rows != listed || !heads.is_multiple_of(self.shape.heads) || head_dim != self.shape.head_dim {
            let (heads, width) = (self.shape.heads, self.shape.head_dim);
            bail!("queries {:?} for {listed} rows of {heads} heads of {width}", queries.dims());
        }
        for group in groups {
            self.check(group.shared)?;
            for own in &group.own {
                self.check(own)?;
                if group.shared.is_empty() && own.is_empty() {
                    bail!("a row that sees nothing");
                }
            }
        }
        let layer = self.layer(layer)?;
        if takes(queries) && takes(&layer.keys) {
            return layer.read(&queries.contiguous()?, groups);
        }
        let mut first = 0;
        let mut mixed = Vec::with_capacity(groups.len());
        for group in groups {
            mixed.push(layer.compose(&queries.narrow(0, first, group.own.len())?, group)?);
            first += group.own.len();
        }
        Tensor::cat(&mixed, 0)
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

    /// Attention of all groups by the kernel below.
    fn read(&self, queries: &Tensor, groups: &[Group]) -> Result<Tensor> {
        let (rows, heads, head_dim) = queries.dims3()?;
        let kv_heads = self.keys.dim(1)?;
        let (keys, values, queries) =
            (Numbers::of(&self.keys)?, Numbers::of(&self.values)?, Numbers::of(queries)?);
        let blocks = blocks(groups);
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
struct Block<'a> {
    /// Its first row in the batch.
    first: usize,
    shared: &'a [u32],
    /// Seen by all its rows after the shared slots.
    common: &'a [u32],
    /// Seen by each row after those.
    own: Vec<&'a [u32]>,
    /// Most slots that a row sees.
    longest: usize,
}

fn blocks<'a>(groups: &[Group<'a>]) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    let mut first = 0;
    for group in groups {
        for rows in group.own.chunks(BLOCK) {
            let same = |other: &&[u32]| rows[0].iter().zip(*other).take_while(|(a, b)| a == b).count();
            let common = rows.iter().map(same).min().unwrap_or(0);
            let longest = rows.iter().map(|own| own.len()).max().unwrap_or(0);
            blocks.push(Block {
                first,
                shared: group.shared,
                common: &rows[0][..common],
                own: rows.iter().map(|own| &own[common..]).collect(),
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

    /// Positions and slots that only `row` sees, or not all others.
    #[inline(always)]
    fn apart(&self, row: usize) -> impl Iterator<Item = (usize, u32)> + use<'a> {
        (self.shared.len() + self.common.len()..).zip(self.own[row].iter().copied())
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
        let rows = self.block.own.len();
        self.weights.clear();
        self.weights.resize(rows * self.heads.len() * self.per * self.block.longest, 0.0);
        for (position, slot) in self.block.together() {
            self.compare::<S, V>(simd, 0..rows, position, slot);
        }
        for row in 0..rows {
            for (position, slot) in self.block.apart(row) {
                self.compare::<S, V>(simd, row..row + 1, position, slot);
            }
            let seen = self.block.shared.len() + self.block.common.len() + self.block.own[row].len();
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
        let rows = self.block.own.len();
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

    #[test]
    fn it_is_attention_over_the_slots_of_each_row() {
        let (shared, own) = lists();
        let groups = groups(&shared, &own);
        for (kv_heads, head_dim, dtype, tolerance) in [
            (4, 64, DType::F32, 1e-5),
            (2, 24, DType::F32, 1e-5),
            (2, 24, DType::F64, 1e-5),
            (2, 32, DType::BF16, 3e-2),
        ] {
            let cache = memory(kv_heads, head_dim, dtype);
            let queries = noise(0.0, 0.3, (15, 4, head_dim)).to_dtype(dtype).unwrap();
            let got = cache.attend(0, &queries, &groups).unwrap();
            for row in 0..15 {
                let before = [&shared[..12], &shared, &[]][usize::from(row >= 3) + usize::from(row >= 14)];
                let slots = [before, &own[row]].concat();
                let want = reference(&cache, &queries.get(row).unwrap(), &slots);
                assert_close(&format!("row {row}"), &got.get(row).unwrap(), &want, tolerance);
            }
        }
    }

    #[test]
    fn a_row_gets_the_same_bits_whoever_is_beside_it_and_however_its_slots_are_listed() {
        let (shared, own) = lists();
        let cache = memory(2, 64, DType::F32);
        let queries = noise(0.0, 0.3, (15, 4, 64));
        let together = cache.attend(0, &queries, &groups(&shared, &own)).unwrap();
        for row in 0..15 {
            let before = [&shared[..12], &shared, &[]][usize::from(row >= 3) + usize::from(row >= 14)];
            let slots = [before, &own[row]].concat();
            let alone = [Group { shared: &[], own: vec![&slots] }];
            let alone = cache.attend(0, &queries.narrow(0, row, 1).unwrap(), &alone).unwrap();
            let bits = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(bits(&alone), bits(&together.get(row).unwrap()), "row {row}");
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let cache = memory(2, 8, DType::F32);
        let queries = noise(0.0, 1.0, (1, 4, 8));
        let attend =
            |queries: &Tensor, own: Vec<&[u32]>| cache.attend(0, queries, &[Group { shared: &[], own }]);
        assert!(attend(&queries, vec![&[49]]).is_ok());
        assert!(attend(&queries, vec![&[50]]).is_err(), "no such slot");
        assert!(attend(&queries, vec![&[]]).is_err(), "nothing to see");
        assert!(attend(&queries, vec![&[1], &[2]]).is_err(), "a row without a query");
        assert!(attend(&noise(0.0, 1.0, (1, 3, 8)), vec![&[1]]).is_err(), "heads without keys");
    }
}
