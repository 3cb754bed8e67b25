//! Keys and values of past positions, so that a decoder runs over new positions only.

use candle_core::{Result, Tensor};

/// Positions by which a full buffer grows: the copy that growth needs happens once in so many steps.
const CHUNK: usize = 64;
const ROWS: usize = 0;
const POSITIONS: usize = 2;

/// Keys and values of every layer of a decoder. Rows are sequences: beams, or clips.
///
/// New positions are written in place behind the old ones. Not `Clone`: two caches would share their buffers.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<Option<Layer>>,
}

#[derive(Debug)]
struct Layer {
    keys: Tensor,   // (b, heads, capacity, head_dim)
    values: Tensor, // (b, heads, capacity, head_dim)
    len: usize,
}

impl KvCache {
    /// An empty cache for a decoder of `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| None).collect() }
    }

    /// Past positions.
    pub fn len(&self) -> usize {
        // Layers are filled in order: the last one holds what all of them hold.
        self.layers.last().and_then(Option::as_ref).map_or(0, |layer| layer.len)
    }

    /// Whether nothing has been appended yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the buffers take, unused capacity included.
    pub fn bytes(&self) -> usize {
        let size = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
        self.layers.iter().flatten().map(|layer| size(&layer.keys) + size(&layer.values)).sum()
    }

    /// Appends `keys` and `values` (b, heads, t, head_dim) of new positions to `layer` and returns all of its
    /// positions, (b, heads, past + t, head_dim): views of the cache, to be used before it changes again.
    pub fn append(&mut self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let slot = match self.layers.get_mut(layer) {
            Some(slot) => slot,
            None => candle_core::bail!("layer {layer} of a cache of {} layers", self.layers.len()),
        };
        let held = match slot {
            Some(held) => held,
            None => slot.insert(Layer { keys: grown(keys, 0)?, values: grown(values, 0)?, len: 0 }),
        };
        held.append(keys, values)
    }

    /// Replaces the rows: new row `i` is a copy of old row `rows[i]`. Their number may change, so this also spreads
    /// one prompt over several beams.
    pub fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        for layer in self.layers.iter_mut().flatten() {
            let held = layer.keys.dim(ROWS)?;
            if rows.len() == held && rows.iter().zip(0..).all(|(&row, at)| row == at) {
                continue;
            }
            let index = Tensor::new(rows, layer.keys.device())?;
            layer.keys = layer.keys.index_select(&index, ROWS)?; // (rows, heads, capacity, head_dim)
            layer.values = layer.values.index_select(&index, ROWS)?;
        }
        Ok(())
    }
}

impl Layer {
    fn append(&mut self, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let len = self.len + keys.dim(POSITIONS)?;
        if len > self.keys.dim(POSITIONS)? {
            self.keys = regrown(&self.keys, self.len, keys)?;
            self.values = regrown(&self.values, self.len, values)?;
        }
        self.keys.slice_set(&keys.contiguous()?, POSITIONS, self.len)?;
        self.values.slice_set(&values.contiguous()?, POSITIONS, self.len)?;
        self.len = len;
        Ok((self.keys.narrow(POSITIONS, 0, len)?, self.values.narrow(POSITIONS, 0, len)?))
    }
}

/// A buffer for `past` positions and those of `new`, rounded up to whole chunks.
fn grown(new: &Tensor, past: usize) -> Result<Tensor> {
    let (b, heads, t, head_dim) = new.dims4()?;
    let capacity = (past + t).next_multiple_of(CHUNK);
    Tensor::zeros((b, heads, capacity, head_dim), new.dtype(), new.device())
}

fn regrown(old: &Tensor, past: usize, new: &Tensor) -> Result<Tensor> {
    let buffer = grown(new, past)?;
    buffer.slice_set(&old.narrow(POSITIONS, 0, past)?.contiguous()?, POSITIONS, 0)?;
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, IndexOp};

    use super::*;

    /// (b, 1, t, 1) with values `100 * row + first + position`.
    fn positions(b: usize, first: usize, t: usize) -> Tensor {
        let value = |row: usize, at: usize| (100 * row + first + at) as f32;
        let data: Vec<f32> = (0..b).flat_map(|row| (0..t).map(move |at| value(row, at))).collect();
        Tensor::from_vec(data, (b, 1, t, 1), &Device::Cpu).unwrap()
    }

    #[test]
    fn positions_are_appended_in_place_across_growth() {
        let mut cache = KvCache::new(1);
        assert!(cache.is_empty());
        let mut all = positions(2, 0, 60);
        cache.append(0, &all, &all).unwrap();
        let before = cache.bytes();
        for first in 60..70 {
            let new = positions(2, first, 1);
            let (keys, values) = cache.append(0, &new, &(&new * -1.0).unwrap()).unwrap();
            all = Tensor::cat(&[&all, &new], POSITIONS).unwrap();
            assert_eq!(
                keys.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
                all.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            );
            assert_eq!(
                values.i((1, 0, first, 0)).unwrap().to_scalar::<f32>().unwrap(),
                -((100 + first) as f32)
            );
        }
        assert_eq!(cache.len(), 70);
        assert_eq!(cache.bytes(), 2 * before, "grown once, by one chunk");
    }

    #[test]
    fn rows_are_reordered_and_spread() {
        let mut cache = KvCache::new(2);
        for layer in 0..2 {
            cache.append(layer, &positions(1, 0, 3), &positions(1, 0, 3)).unwrap();
        }
        cache.reorder(&[0, 0, 0]).unwrap();
        let new = positions(3, 3, 1);
        cache.append(0, &new, &new).unwrap();
        cache.append(1, &new, &new).unwrap();
        cache.reorder(&[2, 0, 0]).unwrap();
        let (keys, _) = cache.append(1, &new, &new).unwrap();
        let rows: Vec<f32> = keys.i((.., 0, 3, 0)).unwrap().to_vec1().unwrap();
        assert_eq!(rows, [203.0, 3.0, 3.0]);
        assert!(cache.append(2, &new, &new).is_err());
    }
}
