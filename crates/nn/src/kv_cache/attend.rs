//! Attention of one new position over a cache.

use crate::vectorised::vectorised;
use candle_core::{DType, Device, Result, Storage, Tensor, bail};
use rayon::prelude::*;

use super::{KvCache, Layer};
use crate::masked_softmax::{masked_softmax, softmax};

/// Numbers side by side in a vector loop.
const LANES: usize = 16;

impl KvCache {
    /// What the queries of one new position a row take from all positions of `layer`, the new one included:
    /// (rows, heads, head_dim) -> (rows, heads, head_dim). Queries come scaled; successive ones share a head of keys.
    ///
    /// On the CPU in f32 keys and values are read where they lie, along each row's path.
    pub fn attend(&self, layer: usize, queries: &Tensor) -> Result<Tensor> {
        let (rows, heads, head_dim) = queries.dims3()?;
        let held = self.layer(layer)?;
        let (_, _, kv_heads, width) = held.pieces[0].keys.dims4()?;
        if rows != self.paths.len() || !heads.is_multiple_of(kv_heads) || width != head_dim {
            bail!(
                "queries {:?} for {} rows of {kv_heads} heads of {width}",
                queries.dims(),
                self.paths.len()
            );
        }
        if matches!(queries.device(), Device::Cpu) && queries.dtype() == DType::F32 {
            return held.attend(&self.paths, &queries.contiguous()?, kv_heads);
        }
        let (keys, values) = self.gather(layer)?; // (rows, positions, kv_heads, head_dim)
        let (keys, values) = (keys.transpose(1, 2)?.contiguous()?, values.transpose(1, 2)?.contiguous()?);
        let queries = queries.reshape((rows, kv_heads, heads / kv_heads, head_dim))?;
        let weights = masked_softmax(queries.matmul(&keys.t()?)?, None)?; // (rows, kv_heads, group, positions)
        weights.matmul(&values)?.reshape((rows, heads, head_dim))
    }
}

/// Numbers of one piece, and where its positions end.
struct Memory<'m> {
    keys: &'m [f32],
    values: &'m [f32],
    capacity: usize,
    first: usize,
    end: usize,
}

impl Layer {
    fn attend(&self, paths: &[Vec<u32>], queries: &Tensor, kv_heads: usize) -> Result<Tensor> {
        let (rows, heads, head_dim) = queries.dims3()?;
        let storages: Vec<_> = self
            .pieces
            .iter()
            .map(|piece| (piece.keys.storage_and_layout(), piece.values.storage_and_layout()))
            .collect();
        let mut memories = Vec::with_capacity(self.pieces.len());
        for (at, (piece, (keys, values))) in self.pieces.iter().zip(&storages).enumerate() {
            let end = self.pieces.get(at + 1).map_or(self.len, |next| next.first);
            let (keys, values) = (numbers(&keys.0)?, numbers(&values.0)?);
            memories.push(Memory { keys, values, capacity: piece.keys.dim(1)?, first: piece.first, end });
        }
        let (storage, layout) = queries.storage_and_layout();
        let queries = &numbers(&storage)?[layout.start_offset()..][..rows * heads * head_dim];
        let group = heads / kv_heads * head_dim;
        let mut mixed = vec![0f32; rows * heads * head_dim];
        mixed.par_chunks_exact_mut(group).zip(queries.par_chunks_exact(group)).enumerate().for_each(
            |(unit, (mixed, queries))| {
                let (row, head) = (unit / kv_heads, unit % kv_heads);
                let mut weights = vec![0f32; self.len];
                for (mixed, query) in mixed.chunks_exact_mut(head_dim).zip(queries.chunks_exact(head_dim)) {
                    vectorised(
                        #[inline(always)]
                        || {
                            one_head(&memories, &paths[row], (head, kv_heads), query, &mut weights, mixed);
                        },
                    );
                }
            },
        );
        Tensor::from_vec(mixed, (rows, heads, head_dim), &Device::Cpu)
    }
}

/// Every piece is made whole, so its storage starts with its first number.
fn numbers(storage: &Storage) -> Result<&[f32]> {
    match storage {
        Storage::Cpu(storage) => storage.as_slice(),
        _ => bail!("a cache on another device than its queries"),
    }
}

#[inline(always)]
fn one_head(
    memories: &[Memory],
    path: &[u32],
    (head, heads): (usize, usize),
    query: &[f32],
    weights: &mut [f32],
    mixed: &mut [f32],
) {
    let size = query.len();
    let place = |memory: &Memory, position: usize| {
        ((path[position] as usize * memory.capacity + position - memory.first) * heads + head) * size
    };
    for memory in memories {
        for (position, weight) in (memory.first..).zip(&mut weights[memory.first..memory.end]) {
            *weight = dot(query, &memory.keys[place(memory, position)..][..size]);
        }
    }
    softmax(weights);
    for memory in memories {
        for (position, weight) in (memory.first..).zip(&weights[memory.first..memory.end]) {
            let value = &memory.values[place(memory, position)..][..size];
            mixed.iter_mut().zip(value).for_each(|(mixed, value)| *mixed += weight * value);
        }
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut a).zip(&mut b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use affekt_testkit::assert_close;

    use super::*;

    #[test]
    fn it_is_attention_over_what_was_gathered() {
        let noise = |shape| affekt_testkit::noise(0.0, 1.0, shape);
        for (kv_heads, head_dim) in [(4, 64), (2, 24)] {
            let mut cache = KvCache::new(1);
            let append = |cache: &mut KvCache, rows, t| {
                let shape = (rows, t, kv_heads, head_dim);
                cache.append(0, &noise(shape), &noise(shape)).unwrap();
            };
            append(&mut cache, 1, 70);
            for rows in [[0, 0, 0], [2, 0, 1], [0, 0, 2]] {
                cache.reorder(&rows).unwrap();
                append(&mut cache, 3, 1);
            }
            let queries = affekt_testkit::noise(0.0, 1.0, (3, 4, head_dim));
            let got = cache.attend(0, &queries).unwrap();
            let doubled = |x: &Tensor| x.to_dtype(DType::F64).unwrap();
            let (keys, values) = cache.gather(0).unwrap();
            let (keys, values) = (doubled(&keys), doubled(&values)); // (3, 73, kv_heads, head_dim)
            let turned = |x: Tensor| x.transpose(1, 2).unwrap().contiguous().unwrap();
            let queries = doubled(&queries).reshape((3, kv_heads, 4 / kv_heads, head_dim)).unwrap();
            let scores = queries.matmul(&turned(keys).t().unwrap()).unwrap();
            let weights = candle_nn::ops::softmax(&scores, 3).unwrap();
            let want = weights.matmul(&turned(values)).unwrap().reshape((3, 4, head_dim)).unwrap();
            assert_close("attention", &got, &want, 1e-5);
        }
        assert!(
            KvCache::new(1).attend(0, &Tensor::zeros((1, 4, 8), DType::F32, &Device::Cpu).unwrap()).is_err()
        );
    }
}
