//! The weights in an ONNX file: the initialisers of its graph. The graph itself is not looked at; a network that takes
//! such weights is written by hand and knows its order.
//!
//! Field numbers are those of `onnx.proto` (IR version 3 and later).

use safetensors::Dtype;

use crate::Error;
use crate::checkpoint::Located;
use crate::protobuf::{Broken, Field, Message};

/// `ModelProto.graph`.
const GRAPH: u64 = 7;
/// `GraphProto.initializer` and `GraphProto.sparse_initializer`.
const INITIALIZER: u64 = 5;
const SPARSE_INITIALIZER: u64 = 15;

/// More axes than any tensor of a network has.
const MAX_AXES: usize = 8;

/// Finds the tensors of the ONNX file `bytes`, which messages call `file`.
pub(crate) fn locate(file: &str, bytes: &[u8]) -> Result<Vec<Located>, Error> {
    let malformed = |reason: String| Error::Malformed { file: file.to_owned(), format: "ONNX", reason };
    let mut graphs = 0;
    let mut tensors = Vec::new();
    for field in Message::file(bytes).fields() {
        let field = field.map_err(|broken| malformed(broken.to_string()))?;
        if field.number == GRAPH {
            graphs += 1;
            collect(&field, &mut tensors).map_err(malformed)?;
        }
    }
    match (graphs, tensors.len()) {
        (1, 1..) => Ok(tensors),
        (1, 0) => Err(malformed("its graph holds no weights".into())),
        _ => Err(malformed(format!("it holds {graphs} graphs instead of one"))),
    }
}

fn collect(graph: &Field, tensors: &mut Vec<Located>) -> Result<(), String> {
    let message = graph.message().map_err(|broken| broken.to_string())?;
    for field in message.fields() {
        let field = field.map_err(|broken| broken.to_string())?;
        match field.number {
            INITIALIZER => tensors.push(located(&field)?),
            SPARSE_INITIALIZER => return Err("it holds sparse tensors, which are not read".into()),
            _ => {}
        }
    }
    Ok(())
}

/// A tensor as the file describes it.
#[derive(Default)]
struct Parts {
    name: String,
    shape: Vec<usize>,
    data_type: u64,
    /// The bytes of the elements, and where they begin in the file.
    data: Option<(usize, usize)>,
    /// Why the elements cannot be read where they lie.
    refusal: Option<&'static str>,
}

fn located(field: &Field) -> Result<Located, String> {
    let parts = parts(field).map_err(|broken| format!("a tensor is damaged: {broken}"))?;
    let Parts { name, shape, data_type, data, refusal } = parts;
    if let Some(refusal) = refusal {
        return Err(format!("tensor `{name}` {refusal}"));
    }
    let dtype = dtype(data_type)
        .ok_or_else(|| format!("tensor `{name}` is of ONNX type {data_type}, which is not read"))?;
    // A tensor of no elements has no data; the empty input of an ONNX node is written so.
    let (offset, len) = data.unwrap_or((field.at, 0));
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let wanted = elements.and_then(|elements| elements.checked_mul(dtype.bitsize() / 8));
    if wanted != Some(len) {
        return Err(format!("tensor `{name}` is {dtype:?} of shape {shape:?}, but has {len} bytes"));
    }
    Ok(Located::rows(name, dtype, shape, offset, len))
}

fn parts(field: &Field) -> Result<Parts, Broken> {
    let mut parts = Parts::default();
    for field in field.message()?.fields() {
        let field = field?;
        match field.number {
            1 => parts.extend_shape(&field)?,
            2 => parts.data_type = field.integer()?,
            8 => parts.name = field.text()?.to_owned(),
            4 | 9 => parts.set_data(&field),
            5 | 6 | 7 | 10 | 11 => {
                parts.refusal = Some("keeps its elements as a list; only raw data is read");
            }
            13 => parts.refusal = Some("lies in another file; save the model with its data inside"),
            14 if field.integer()? != 0 => {
                parts.refusal = Some("lies in another file; save the model with its data inside");
            }
            3 => parts.refusal = Some("is a segment of a tensor, which is not read"),
            _ => {}
        }
    }
    Ok(parts)
}

impl Parts {
    fn extend_shape(&mut self, field: &Field) -> Result<(), Broken> {
        for size in field.integers() {
            let size = usize::try_from(size?).map_err(|_| field.broken("an axis longer than memory"))?;
            if self.shape.len() == MAX_AXES {
                return Err(field.broken("a tensor of more than 8 axes"));
            }
            self.shape.push(size);
        }
        Ok(())
    }

    /// Takes raw data, or the elements of `float_data`, which lie in a row just so when they are packed.
    fn set_data(&mut self, field: &Field) {
        match field.bytes() {
            Ok(bytes) if self.data.is_none() => self.data = Some((field.at, bytes.len())),
            _ => self.refusal = Some("keeps its elements in pieces; only raw data is read"),
        }
    }
}

/// `TensorProto.DataType`.
fn dtype(data_type: u64) -> Option<Dtype> {
    Some(match data_type {
        1 => Dtype::F32,
        2 => Dtype::U8,
        3 => Dtype::I8,
        4 => Dtype::U16,
        5 => Dtype::I16,
        6 => Dtype::I32,
        7 => Dtype::I64,
        9 => Dtype::BOOL,
        10 => Dtype::F16,
        11 => Dtype::F64,
        12 => Dtype::U32,
        13 => Dtype::U64,
        16 => Dtype::BF16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field whose value is a string of bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let len = bytes.len();
        assert!(len < 1 << 14);
        [&[number << 3 | 2, len as u8 & 127 | 128, (len >> 7) as u8][..], bytes].concat()
    }

    fn number(number: u8, value: u8) -> Vec<u8> {
        vec![number << 3, value]
    }

    fn model(tensors: &[Vec<u8>]) -> Vec<u8> {
        let graph: Vec<u8> = tensors.iter().flat_map(|tensor| field(5, tensor)).collect();
        [number(1, 6), field(7, &[field(2, b"name"), graph].concat())].concat()
    }

    fn floats(name: &str, dims: &[u8], values: &[f32], data: u8) -> Vec<u8> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let dims: Vec<u8> = dims.iter().flat_map(|&size| number(1, size)).collect();
        [dims, number(2, 1), field(8, name.as_bytes()), field(data, &bytes)].concat()
    }

    fn refusal(bytes: &[u8]) -> String {
        locate("a.onnx", bytes).unwrap_err().to_string()
    }

    #[test]
    fn initialisers_are_found_where_they_lie() {
        let raw = floats("conv.weight", &[2, 3], &[1., 2., 3., 4., 5., 6.], 9);
        let packed = [field(1, &[1, 2]), floats("bias", &[], &[0.5, -1.], 4)].concat();
        let shape = [field(1, &[1]), number(2, 7), field(8, b"514"), field(9, &7i64.to_le_bytes())].concat();
        let empty = [number(1, 0), number(2, 1), field(8, b"roi"), field(9, b"")].concat();
        let scalar = [number(2, 7), field(9, &1i64.to_le_bytes()), field(8, b"one")].concat();
        let bytes = model(&[raw, packed, shape, empty, scalar]);
        let found = locate("a.onnx", &bytes).unwrap();
        let facts: Vec<_> =
            found.iter().map(|at| (at.name.as_str(), at.dtype, at.shape.as_slice(), at.len)).collect();
        assert_eq!(
            facts,
            [
                ("conv.weight", Dtype::F32, &[2, 3][..], 24),
                ("bias", Dtype::F32, &[1, 2], 8),
                ("514", Dtype::I64, &[1], 8),
                ("roi", Dtype::F32, &[0], 0),
                ("one", Dtype::I64, &[], 8)
            ]
        );
        assert_eq!(bytes[found[0].offset..][..8], [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat());
        assert_eq!(bytes[found[1].offset..][..4], 0.5f32.to_le_bytes());
    }

    #[test]
    fn what_is_not_read_is_refused_by_name() {
        let plain = floats("w", &[1], &[1.], 9);
        let with = |extra: Vec<u8>| model(&[[plain.clone(), extra].concat()]);
        for (bytes, part) in [
            (with(field(13, b"\x0a\x00")), "tensor `w` lies in another file"),
            (with(number(14, 1)), "tensor `w` lies in another file"),
            (with(field(7, &[1])), "tensor `w` keeps its elements as a list"),
            (with(field(9, &[1])), "tensor `w` keeps its elements in pieces"),
            (with(field(3, &[])), "tensor `w` is a segment"),
            (with(number(1, 2)), "tensor `w` is F32 of shape [1, 2], but has 4 bytes"),
            (with([9u8; 16].iter().flat_map(|_| number(1, 1)).collect()), "more than 8 axes"),
            (with([&[8][..], &[255; 9], &[1]].concat()), "of shape [1, 18446744073709551615]"),
            (with(number(2, 8)), "tensor `w` is of ONNX type 8"),
            (model(&[]), "its graph holds no weights"),
            (model(std::slice::from_ref(&plain)).repeat(2), "it holds 2 graphs"),
            (b"".to_vec(), "it holds 0 graphs"),
            (b"<!DOCTYPE html>".to_vec(), "at byte"),
            (field(7, &field(15, &[])), "sparse"),
        ] {
            let refusal = refusal(&bytes);
            assert!(refusal.contains(part), "{refusal} should say: {part}");
        }
    }

    #[test]
    fn damaged_files_are_errors_or_hold_tensors_inside_the_file() {
        let bytes = model(&[floats("a", &[2, 3], &[0.; 6], 9), floats("b", &[2], &[1., 2.], 4)]);
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..50_000 {
            let mut damaged = bytes[..bytes.len() - random(4) * random(8)].to_vec();
            for _ in 0..=random(3) {
                let at = random(damaged.len());
                damaged[at] = random(256) as u8;
            }
            for found in locate("a.onnx", &damaged).unwrap_or_default() {
                assert!(found.offset + found.len <= damaged.len() && found.row_bytes() == found.len);
            }
        }
    }
}
