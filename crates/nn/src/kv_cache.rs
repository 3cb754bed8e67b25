//! Keys and values of past positions, so that a decoder runs over new positions only.

mod attend;

use candle_core::{Result, Tensor, bail};

/// Positions that a new piece of memory has room for.
const CHUNK: usize = 64;

/// Keys and values of every layer of a decoder. Rows are sequences: the beams of a clip.
///
/// Nothing that was written is ever moved or copied: a row is a path through slots of memory, one slot a position.
/// Reordering rows changes paths only, rows spread from one prompt go on sharing its memory, and growth adds a piece.
///
/// Not `Clone`: two caches would write to the same memory.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<Layer>,
    /// For every row, the slot of each position.
    paths: Vec<Vec<u32>>,
}

#[derive(Debug, Default)]
struct Layer {
    pieces: Vec<Piece>,
    len: usize,
}

/// Memory of successive positions.
#[derive(Debug)]
struct Piece {
    keys: Tensor,   // (slots, capacity, heads, head_dim)
    values: Tensor, // (slots, capacity, heads, head_dim)
    /// The position that it starts with.
    first: usize,
}

impl KvCache {
    /// An empty cache for a decoder of `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| Layer::default()).collect(), paths: Vec::new() }
    }

    /// Past positions.
    pub fn len(&self) -> usize {
        // Layers are filled in order: the last one holds what all of them hold.
        self.layers.last().map_or(0, |layer| layer.len)
    }

    /// Whether nothing has been appended yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the memory takes, unused room included.
    pub fn bytes(&self) -> usize {
        let size = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
        let pieces = self.layers.iter().flat_map(|layer| &layer.pieces);
        pieces.map(|piece| size(&piece.keys) + size(&piece.values)).sum()
    }

    /// Appends `keys` and `values` (rows, t, heads, head_dim) of new positions to `layer`.
    pub fn append(&mut self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<()> {
        let (rows, t, _, _) = keys.dims4()?;
        if self.paths.is_empty() {
            self.paths = vec![Vec::new(); rows];
        }
        if rows != self.paths.len() {
            bail!("{rows} rows of new positions for a cache of {} rows", self.paths.len());
        }
        let layers = self.layers.len();
        let Some(layer) = self.layers.get_mut(layer) else {
            bail!("layer {layer} of a cache of {layers} layers");
        };
        let end = layer.len + t;
        layer.append(keys, values)?;
        for (slot, path) in (0..).zip(&mut self.paths) {
            // Every layer writes the same positions to the same slots; the first one to do so notes it.
            path.resize(end.max(path.len()), slot);
        }
        Ok(())
    }

    /// Keys and values of all positions of `layer`, copied out: (rows, positions, heads, head_dim) each.
    pub fn gather(&self, layer: usize) -> Result<(Tensor, Tensor)> {
        let layer = self.layer(layer)?;
        let mut parts = Vec::with_capacity(layer.pieces.len());
        for (at, piece) in layer.pieces.iter().enumerate() {
            let end = layer.pieces.get(at + 1).map_or(layer.len, |next| next.first);
            parts.push(piece.gather(&self.paths, end)?);
        }
        let (keys, values): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok((Tensor::cat(&keys, 1)?, Tensor::cat(&values, 1)?))
    }

    /// Replaces the rows: new row `i` goes on from old row `rows[i]`. Their number may change, so this also spreads
    /// one prompt over several beams.
    pub fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        if self.paths.is_empty() {
            return Ok(());
        }
        let path = |&row: &u32| self.paths.get(row as usize).cloned();
        match rows.iter().map(path).collect() {
            Some(paths) => self.paths = paths,
            None => bail!("rows {rows:?} of a cache of {} rows", self.paths.len()),
        }
        Ok(())
    }

    /// Forgets the positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        for layer in &mut self.layers {
            layer.pieces.retain(|piece| piece.first < len);
            layer.len = layer.len.min(len);
        }
        if len == 0 {
            self.paths.clear();
        }
        self.paths.iter_mut().for_each(|path| path.truncate(len));
    }

    fn layer(&self, layer: usize) -> Result<&Layer> {
        match self.layers.get(layer) {
            Some(layer) if layer.len > 0 => Ok(layer),
            _ => bail!("layer {layer} of the cache holds nothing"),
        }
    }
}

impl Layer {
    fn append(&mut self, keys: &Tensor, values: &Tensor) -> Result<()> {
        let (rows, t, heads, head_dim) = keys.dims4()?;
        let has_room = |piece: &&Piece| {
            let (slots, capacity, _, _) = piece.keys.dims4().expect("made with four dimensions below");
            slots == rows && self.len + t <= piece.first + capacity
        };
        if self.pieces.last().filter(has_room).is_none() {
            let shape = (rows, (t + 1).next_multiple_of(CHUNK), heads, head_dim);
            let zeros = || Tensor::zeros(shape, keys.dtype(), keys.device());
            self.pieces.push(Piece { keys: zeros()?, values: zeros()?, first: self.len });
        }
        let piece = self.pieces.last().expect("pushed above where there was none");
        piece.keys.slice_set(&keys.contiguous()?, 1, self.len - piece.first)?;
        piece.values.slice_set(&values.contiguous()?, 1, self.len - piece.first)?;
        self.len += t;
        Ok(())
    }
}

impl Piece {
    /// Keys and values from its first position to `end`, along `paths`: (rows, positions, heads, head_dim) each.
    fn gather(&self, paths: &[Vec<u32>], end: usize) -> Result<(Tensor, Tensor)> {
        let (slots, capacity, heads, head_dim) = self.keys.dims4()?;
        let place = |(at, slot): (u32, &u32)| slot * capacity as u32 + at;
        let places = paths.iter().flat_map(|path| (0..).zip(&path[self.first..end]).map(place));
        let places = Tensor::from_iter(places, self.keys.device())?;
        let gather = |memory: &Tensor| {
            let memory = memory.reshape((slots * capacity, heads * head_dim))?;
            memory.index_select(&places, 0)?.reshape((paths.len(), end - self.first, heads, head_dim))
        };
        Ok((gather(&self.keys)?, gather(&self.values)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, IndexOp};

    use super::*;

    /// (rows, t, 1, 1) with values `100 * row + first + position`.
    fn positions(rows: usize, first: usize, t: usize) -> Tensor {
        let value = |row: usize, at: usize| (100 * row + first + at) as f32;
        let data: Vec<f32> = (0..rows).flat_map(|row| (0..t).map(move |at| value(row, at))).collect();
        Tensor::from_vec(data, (rows, t, 1, 1), &Device::Cpu).unwrap()
    }

    fn keys(cache: &KvCache, layer: usize) -> Vec<Vec<f32>> {
        let (keys, values) = cache.gather(layer).unwrap();
        let flat = |x: &Tensor| x.i((.., .., 0, 0)).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(flat(&values), flat(&(&keys * -1.0).unwrap()));
        flat(&keys)
    }

    fn append(cache: &mut KvCache, layer: usize, new: &Tensor) {
        cache.append(layer, new, &(new * -1.0).unwrap()).unwrap();
    }

    #[test]
    fn positions_follow_each_other_across_pieces() {
        let mut cache = KvCache::new(1);
        assert!(cache.is_empty() && cache.gather(0).is_err());
        append(&mut cache, 0, &positions(2, 0, 60));
        let before = cache.bytes();
        for first in 60..70 {
            append(&mut cache, 0, &positions(2, first, 1));
        }
        assert_eq!((cache.len(), cache.bytes()), (70, 2 * before), "grown once, by one piece");
        let want = |row: usize| (0..70).map(|at| (100 * row + at) as f32).collect::<Vec<_>>();
        assert_eq!(keys(&cache, 0), [want(0), want(1)]);
    }

    #[test]
    fn rows_are_reordered_and_spread_without_copies() {
        let mut cache = KvCache::new(2);
        let layers = |cache: &mut KvCache, new: &Tensor| (0..2).for_each(|layer| append(cache, layer, new));
        layers(&mut cache, &positions(1, 0, 3));
        let prompt = cache.bytes();
        cache.reorder(&[0, 0, 0]).unwrap();
        assert_eq!(cache.bytes(), prompt, "three rows share the prompt");
        layers(&mut cache, &positions(3, 3, 1));
        cache.reorder(&[2, 0, 0]).unwrap();
        layers(&mut cache, &positions(3, 4, 1));
        let want = [[0., 1., 2., 203., 4.], [0., 1., 2., 3., 104.], [0., 1., 2., 3., 204.]];
        assert_eq!(keys(&cache, 1), want);
        cache.reorder(&[1]).unwrap();
        layers(&mut cache, &positions(1, 5, 1));
        assert_eq!(keys(&cache, 0), [[0., 1., 2., 3., 104., 5.]]);
        assert!(cache.append(2, &positions(1, 6, 1), &positions(1, 6, 1)).is_err());
        assert!(cache.append(0, &positions(2, 6, 1), &positions(2, 6, 1)).is_err());
        assert!(cache.reorder(&[1]).is_err());
    }

    #[test]
    fn positions_are_forgotten() {
        let mut cache = KvCache::new(2);
        (0..2).for_each(|layer| append(&mut cache, layer, &positions(1, 0, 3)));
        cache.reorder(&[0, 0]).unwrap();
        // The pass broke off after the first layer.
        append(&mut cache, 0, &positions(2, 90, 2));
        cache.truncate(3);
        (0..2).for_each(|layer| append(&mut cache, layer, &positions(2, 3, 1)));
        assert_eq!(keys(&cache, 0), [[0., 1., 2., 3.], [0., 1., 2., 103.]]);
        cache.truncate(0);
        append(&mut cache, 0, &positions(3, 0, 1));
        assert_eq!(keys(&cache, 0).len(), 3);
    }
}
