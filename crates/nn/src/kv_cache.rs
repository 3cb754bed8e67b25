//! Keys and values of past positions, so that a decoder runs over new positions only.

mod attend;
mod card;
mod plan;

use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Result, Tensor, bail};
use half::vec::HalfBitsVecExt;
use half::{bf16, f16};

use crate::device::{self, OutOfMemory};
use crate::rotary::{Joined, Rotation, Slots};
use plan::Sight;

pub use plan::Plan;

/// What a cache holds of one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Layers of the decoder.
    pub layers: usize,
    /// Heads of keys and values in a layer.
    pub heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Type of a number.
    pub dtype: DType,
}

impl Shape {
    /// Bytes that one position takes: keys and values of all layers.
    pub fn slot_bytes(&self) -> usize {
        2 * self.layers * self.heads * self.head_dim * self.dtype.size_in_bytes()
    }
}

/// Keys and values of every layer of a decoder, in slots: one slot holds one position of one text.
///
/// Which slots make up a text is the caller's book ([`Group`]): texts share the slots of what they have in common, to
/// reorder them is to rewrite lists of numbers, and nothing that was written is ever moved or copied. Memory is set
/// aside once. On the CPU the system hands out its pages when they are first written.
///
/// Not `Clone`: two caches would write to the same memory.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<Layer>,
    shape: Shape,
    slots: usize,
}

#[derive(Debug)]
struct Layer {
    keys: Tensor,   // (slots, heads, head_dim)
    values: Tensor, // (slots, heads, head_dim)
}

/// Successive rows of a batch that see some slots in common: the beams of a text, or successive positions of a prompt.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// Slots that all rows see, in the order of their positions.
    pub shared: &'a [u32],
    /// The slots that each row sees after those, its own one the last.
    pub own: Vec<&'a [u32]>,
}

impl KvCache {
    /// Memory for `slots` positions. Of what a card has left, a tenth is not for it: forward passes take that.
    ///
    /// # Errors
    /// [`OutOfMemory`] where a card has not so much left, before any of it is taken.
    pub fn new(shape: Shape, slots: usize, device: &Device) -> Result<Self> {
        let wanted = slots.saturating_mul(shape.slot_bytes());
        if let Some(card) = device::card(device)?
            && wanted > card.memory.free / 10 * 9
        {
            return Err(OutOfMemory { wanted, free: card.memory.free }.into());
        }
        let zeros = || untouched((slots, shape.heads, shape.head_dim), shape.dtype, device);
        let layer = |_| Ok(Layer { keys: zeros()?, values: zeros()? });
        Ok(Self { layers: (0..shape.layers).map(layer).collect::<Result<_>>()?, shape, slots })
    }

    /// Bytes that its memory takes, unused slots included.
    pub fn bytes(&self) -> usize {
        self.slots * self.shape.slot_bytes()
    }

    /// Writes `keys` and `values` (n, heads, head_dim) of new positions to n `slots` of `layer`.
    pub fn write(&mut self, layer: usize, slots: &[u32], keys: &Tensor, values: &Tensor) -> Result<()> {
        let want = [slots.len(), self.shape.heads, self.shape.head_dim];
        if keys.dims() != want || values.dims() != want {
            bail!("keys {:?} and values {:?} for slots of {want:?}", keys.dims(), values.dims());
        }
        self.check(slots)?;
        let layer = self.layer(layer)?;
        scatter(&layer.keys, slots, &keys.contiguous()?)?;
        scatter(&layer.values, slots, &values.contiguous()?)
    }

    /// Takes queries, keys and values of the new positions of `plan` from the rows (1, rows, width) of one product:
    /// queries and keys are rotated, keys and values written to their slots of `layer`, and the queries, times `scale`,
    /// returned: (rows, heads, head_dim). On a card all of it is one kernel.
    pub fn append(
        &mut self,
        layer: usize,
        rows: &Tensor,
        joined: Joined,
        rotation: &Rotation,
        scale: f64,
        plan: &Plan,
    ) -> Result<Tensor> {
        if let Sight::Card(lists) = &plan.sight
            && rotation.is_taken(rows)
        {
            let slots = lists.slots()?;
            let layer = self.layer(layer)?;
            let to = Slots { slots: &slots, keys: &layer.keys, values: &layer.values };
            return rotation.scatter(rows, joined, scale, &to);
        }
        let [queries, keys, values] = joined.parts(rows)?;
        self.write(layer, &plan.slots, &rotation.apply(&keys)?.squeeze(0)?, &values.squeeze(0)?)?;
        (rotation.apply(&queries)? * scale)?.squeeze(0)
    }

    fn layer(&self, layer: usize) -> Result<&Layer> {
        match self.layers.get(layer) {
            Some(layer) => Ok(layer),
            None => bail!("layer {layer} of a cache of {} layers", self.layers.len()),
        }
    }

    fn check(&self, slots: &[u32]) -> Result<()> {
        match slots.iter().find(|&&slot| slot as usize >= self.slots) {
            Some(slot) => bail!("slot {slot} of a cache of {}", self.slots),
            None => Ok(()),
        }
    }
}

/// Zeros. On the CPU their pages are not touched before they are written: candle's own zeros of 16 bits are written out at
/// once, and a cache of gigabytes would be, for a single text.
fn untouched(shape: (usize, usize, usize), dtype: DType, device: &Device) -> Result<Tensor> {
    let bits = || vec![0u16; shape.0 * shape.1 * shape.2];
    match (device, dtype) {
        (Device::Cpu, DType::F16) => Tensor::from_vec(bits().reinterpret_into::<f16>(), shape, device),
        (Device::Cpu, DType::BF16) => Tensor::from_vec(bits().reinterpret_into::<bf16>(), shape, device),
        _ => Tensor::zeros(shape, dtype, device),
    }
}

/// Writes the rows of `new` to the `slots` of `memory`.
fn scatter(memory: &Tensor, slots: &[u32], new: &Tensor) -> Result<()> {
    if memory.device().is_cpu() && memory.dtype() == DType::F32 && new.dtype() == DType::F32 {
        return memory.inplace_op2(new, &Scatter(slots));
    }
    let mut done = 0;
    for run in slots.chunk_by(|slot, next| slot + 1 == *next) {
        memory.slice_set(&new.narrow(0, done, run.len())?.contiguous()?, 0, run[0] as usize)?;
        done += run.len();
    }
    Ok(())
}

struct Scatter<'s>(&'s [u32]);

impl InplaceOp2 for Scatter<'_> {
    fn name(&self) -> &'static str {
        "scatter"
    }

    fn cpu_fwd(
        &self,
        memory: &mut CpuStorage,
        memory_layout: &Layout,
        new: &CpuStorage,
        new_layout: &Layout,
    ) -> Result<()> {
        let CpuStorage::F32(memory) = memory else { bail!("a cache that is not f32") };
        let width: usize = memory_layout.dims()[1..].iter().product();
        let memory = &mut memory[memory_layout.start_offset()..];
        let new = &new.as_slice::<f32>()?[new_layout.start_offset()..];
        for (&slot, new) in self.0.iter().zip(new.chunks_exact(width)) {
            memory[slot as usize * width..][..width].copy_from_slice(new);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_written_wherever_they_lie() {
        for dtype in [DType::F32, DType::BF16] {
            let shape = Shape { layers: 2, heads: 2, head_dim: 3, dtype };
            let mut cache = KvCache::new(shape, 5, &Device::Cpu).unwrap();
            assert_eq!(cache.bytes(), 5 * 2 * 2 * 2 * 3 * dtype.size_in_bytes());
            let new = Tensor::arange(0f32, 18., &Device::Cpu).unwrap().reshape((3, 2, 3)).unwrap();
            let new = new.to_dtype(dtype).unwrap();
            let values = (&new * -1.0).unwrap();
            cache.write(1, &[4, 0, 1], &new, &values).unwrap();
            let held = |tensor: &Tensor| {
                let tensor = tensor.to_dtype(DType::F32).unwrap().flatten_from(1).unwrap();
                tensor.to_vec2::<f32>().unwrap().into_iter().map(|row| row[5]).collect::<Vec<_>>()
            };
            assert_eq!(held(&cache.layers[1].keys), [11., 17., 0., 0., 5.]);
            assert_eq!(held(&cache.layers[1].values), [-11., -17., 0., 0., -5.]);
            assert_eq!(held(&cache.layers[0].keys), [0.; 5]);
            assert!(cache.write(1, &[4, 0, 5], &new, &values).is_err(), "no such slot");
            assert!(cache.write(2, &[4, 0, 1], &new, &values).is_err(), "no such layer");
            assert!(cache.write(0, &[4, 0], &new, &values).is_err(), "rows without a slot");
        }
    }

    #[test]
    fn rows_of_one_product_go_where_they_go_one_by_one() {
        use affekt_testkit::{assert_close, noise};

        use crate::rotary::Pairs;

        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 4e-3), (DType::BF16, 3e-2)] {
            for (head_dim, pairs) in [(16, Pairs::Halves), (6, Pairs::Halves), (16, Pairs::Neighbours)] {
                let shape = Shape { layers: 2, heads: 2, head_dim, dtype };
                let joined = Joined { heads: 4, kv_heads: 2, head_dim };
                let caches = || KvCache::new(shape, 9, &Device::Cpu).unwrap();
                let (mut cache, mut apart) = (caches(), caches());
                let own: [&[u32]; 3] = [&[7], &[1, 2], &[4]];
                let groups = [Group { shared: &[], own: own.to_vec() }];
                let plan = cache.plan(&[5, 0, 3], &[7, 2, 4], &groups).unwrap();
                let frequencies = noise(0.5, 0.2, (1, head_dim / 2));
                let rotation = Rotation::new(&frequencies, plan.positions(), dtype, pairs).unwrap();
                let rows = noise(0.0, 1.0, (1, 3, joined.width())).to_dtype(dtype).unwrap();
                let queries = cache.append(1, &rows, joined, &rotation, 0.5, &plan).unwrap();
                let [q, k, v] = joined.parts(&rows).unwrap();
                let want = (rotation.apply(&q).unwrap() * 0.5).unwrap().squeeze(0).unwrap();
                let k = rotation.apply(&k).unwrap().squeeze(0).unwrap();
                apart.write(1, &[7, 2, 4], &k, &v.squeeze(0).unwrap()).unwrap();
                let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
                assert_close("queries", &wide(&queries), &wide(&want), tolerance);
                for (got, want) in cache.layers.iter().zip(&apart.layers) {
                    assert_close("keys", &wide(&got.keys), &wide(&want.keys), tolerance);
                    assert_close("values", &wide(&got.values), &wide(&want.values), tolerance);
                }
                assert!(
                    cache.append(1, &rows.narrow(1, 0, 2).unwrap(), joined, &rotation, 0.5, &plan).is_err()
                );
                assert!(cache.append(2, &rows, joined, &rotation, 0.5, &plan).is_err(), "no such layer");
            }
        }
        let cache =
            KvCache::new(Shape { layers: 1, heads: 1, head_dim: 2, dtype: DType::F32 }, 3, &Device::Cpu);
        let plan = |slots: &[u32], own: &[u32]| {
            cache.as_ref().unwrap().plan(&[0], slots, &[Group { shared: &[], own: vec![own] }]).map(|_| ())
        };
        assert!(plan(&[0], &[0]).is_ok());
        assert!(plan(&[3], &[0]).is_err() && plan(&[0], &[3]).is_err(), "no such slot");
        assert!(plan(&[0], &[]).is_err(), "nothing to see");
        assert!(plan(&[0, 1], &[0]).is_err(), "a slot without a row");
    }

    #[test]
    fn growth_moves_nothing_and_touches_no_other_slot() {
        let shape = Shape { layers: 2, heads: 2, head_dim: 4, dtype: DType::F32 };
        let mut cache = KvCache::new(shape, 100, &Device::Cpu).unwrap();
        let place = |tensor: &Tensor| {
            let (storage, _) = tensor.storage_and_layout();
            let candle_core::Storage::Cpu(storage) = &*storage else { unreachable!("on the CPU") };
            storage.as_slice::<f32>().unwrap().as_ptr()
        };
        let held = |tensor: &Tensor| tensor.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let memory = |cache: &KvCache| -> Vec<Tensor> {
            cache.layers.iter().flat_map(|layer| [layer.keys.clone(), layer.values.clone()]).collect()
        };
        let places: Vec<_> = memory(&cache).iter().map(place).collect();
        let mut want = vec![vec![0f32; 8]; 100];
        for slot in 0..100_u32 {
            let slot = slot * 37 % 100;
            let new = affekt_testkit::noise(0.0, 1.0, (1, 2, 4));
            want[slot as usize] = new.flatten_all().unwrap().to_vec1().unwrap();
            for layer in 0..2 {
                cache.write(layer, &[slot], &new, &new).unwrap();
            }
            assert!(memory(&cache).iter().all(|tensor| held(tensor) == want), "slot {slot}");
        }
        assert_eq!(memory(&cache).iter().map(place).collect::<Vec<_>>(), places);
    }
}
