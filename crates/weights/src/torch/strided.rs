//! From a tensor's storage, sizes and strides to bytes of the file.

use std::ops::Range;

use super::Flaw;
use super::value::Tensor;
use crate::checkpoint::Located;

/// Locates `tensor`, whose storage lies in the bytes `place` of the file.
pub(super) fn locate(name: &str, tensor: &Tensor, place: &Range<usize>) -> Result<Located, Flaw> {
    let flaw = |what: String| {
        let name: String = name.chars().take(200).collect();
        Flaw::malformed(format!("tensor `{name}` {what}"))
    };
    let outside = || flaw(format!("of shape {:?} reaches past the end of its storage", tensor.shape));
    let size = tensor.dtype.bitsize() / 8;
    let held = tensor.storage.numel.checked_mul(tensor.storage.width());
    let skipped = tensor.storage.skip.checked_mul(tensor.storage.width()).ok_or_else(outside)?;
    if held.and_then(|held| held.checked_add(skipped)).is_none_or(|held| held > place.len()) {
        let claimed = tensor.storage.numel;
        return Err(flaw(format!("has a storage of {claimed} elements, but only {} bytes", place.len())));
    }
    let capacity = held.unwrap_or(0) / size;
    let elements = tensor.shape.iter().try_fold(1usize, |all, &axis| all.checked_mul(axis));
    let elements = match elements {
        // A zero among the sizes makes it empty, however large the others are.
        _ if tensor.shape.contains(&0) => 0,
        Some(elements) => elements,
        None => return Err(outside()),
    };
    if elements == 0 {
        // Sizes beside a zero are still multiplied elsewhere.
        let others = tensor.shape.iter().filter(|&&axis| axis != 0);
        others.into_iter().try_fold(1usize, |all, &axis| all.checked_mul(axis)).ok_or_else(outside)?;
        return Ok(Located::rows(name, tensor.dtype, tensor.shape.clone(), place.start, 0));
    }
    if elements > capacity {
        let what =
            format!("of shape {:?} claims {elements} elements of a storage of {capacity}", tensor.shape);
        return Err(flaw(what));
    }
    let last = tensor.shape.iter().zip(&tensor.strides).try_fold(tensor.offset, |last, (&axis, &stride)| {
        (axis - 1).checked_mul(stride).and_then(|reach| last.checked_add(reach))
    });
    let last = last.filter(|&last| last < capacity).ok_or_else(outside)?;
    Ok(Located {
        name: name.to_owned(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        strides: (!in_rows(&tensor.shape, &tensor.strides)).then(|| tensor.strides.clone()),
        offset: place.start + skipped + tensor.offset * size,
        len: (last - tensor.offset + 1) * size,
    })
}

/// Whether the elements lie one after another, row by row. The stride of an axis of one entry means nothing.
fn in_rows(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&axis, &stride)| {
        let fits = axis == 1 || stride == expected;
        expected *= axis;
        fits
    })
}
