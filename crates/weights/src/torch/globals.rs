//! What becomes of the names that a pickle mentions.

use safetensors::Dtype;

use super::Flaw;
use super::value::{Global, Object, Storage, Tensor, Value};

/// Most axes of a tensor.
const MOST_AXES: usize = 64;

/// What a call makes.
pub(super) enum Made<'p> {
    /// Something that is there already.
    Known(Value<'p>),
    New(Object<'p>),
}

/// Classes and functions that make plain data which no tensor needs: a name, or a package that ends in a dot. They are
/// found in the settings and statistics that training scripts store beside the weights. None of them is run: a call
/// leaves an opaque value.
const INERT: &[&str] = &[
    "__builtin__.bytearray",
    "__builtin__.complex",
    "__builtin__.frozenset",
    "__builtin__.object",
    "__builtin__.set",
    "__builtin__.slice",
    "__main__.",
    "_codecs.encode",
    "accelerate.",
    "addict.",
    "argparse.Namespace",
    "builtins.bytearray",
    "builtins.complex",
    "builtins.frozenset",
    "builtins.object",
    "builtins.set",
    "builtins.slice",
    "collections.Counter",
    "collections.deque",
    "copy_reg._reconstructor",
    "copyreg._reconstructor",
    "datetime.",
    "easydict.",
    "fairseq.",
    "ml_collections.",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "omegaconf.",
    "pathlib.",
    "pytorch_lightning.",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch.device",
    "torch.nn.",
    "torch.optim.",
    "transformers.",
    "types.SimpleNamespace",
    "yacs.",
];

fn is_inert(global: Global) -> bool {
    let Global { module, name } = global;
    INERT.iter().any(|inert| match inert.strip_suffix('.') {
        Some(package) => {
            let below = module.strip_prefix(package);
            below.is_some_and(|below| below.is_empty() || below.starts_with('.')) && !name.contains('.')
        }
        None => inert.rsplit_once('.') == Some((module, name)),
    })
}

/// Carries out a call, or refuses it.
pub(super) fn call<'p>(
    global: Global<'p>,
    arguments: Value<'p>,
    objects: &[Object<'p>],
    position: usize,
) -> Result<Made<'p>, Flaw> {
    let flaw =
        |what: String| Flaw::malformed(format!("its pickle calls {global} with {what} (byte {position})"));
    let arguments = || tuple(arguments, objects).ok_or_else(|| flaw("no tuple of arguments".into()));
    let first = || arguments()?.first().copied().ok_or_else(|| flaw("no argument".into()));
    match (global.module, global.name) {
        ("collections", "OrderedDict") => ordered(arguments()?, objects).map_err(flaw),
        ("collections", "defaultdict") => Ok(Made::New(Object::Dict(Vec::new()))),
        ("torch", "Size") => first().map(Made::Known),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => first().map(Made::Known),
        ("torch._utils", name) if is_rebuild(name) => rebuild(name, arguments()?, objects).map_err(flaw),
        ("torch._tensor", "_rebuild_from_type_v2") => {
            // A tensor with attributes: function, type, arguments, state.
            let [function, _, inner, ..] = arguments()? else { return Err(flaw("too few arguments".into())) };
            match (object(*function, objects), tuple(*inner, objects)) {
                (Some(Object::Global(Global { module: "torch._utils", name })), Some(inner))
                    if is_rebuild(name) =>
                {
                    rebuild(name, inner, objects).map_err(flaw)
                }
                _ => Err(flaw("no way to rebuild a tensor".into())),
            }
        }
        _ if is_inert(global) => Ok(Made::New(Object::Opaque(global))),
        _ => Err(Flaw::Call { global: global.to_string(), position }),
    }
}

fn is_rebuild(name: &str) -> bool {
    matches!(name, "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3")
}

fn object<'o, 'p>(value: Value<'p>, objects: &'o [Object<'p>]) -> Option<&'o Object<'p>> {
    match value {
        Value::Object(index) => objects.get(index),
        _ => None,
    }
}

fn tuple<'o, 'p>(value: Value<'p>, objects: &'o [Object<'p>]) -> Option<&'o [Value<'p>]> {
    match object(value, objects)? {
        Object::Tuple(values) => Some(values),
        _ => None,
    }
}

/// An ordered dictionary: empty, or from a list of pairs as Python 2 wrote it.
fn ordered<'p>(arguments: &[Value<'p>], objects: &[Object<'p>]) -> Result<Made<'p>, String> {
    let Some(pairs) = arguments.first() else { return Ok(Made::New(Object::Dict(Vec::new()))) };
    let Some(Object::List(pairs)) = object(*pairs, objects) else { return Err("no list of pairs".into()) };
    let entries = pairs.iter().map(|pair| match object(*pair, objects) {
        Some(Object::List(pair) | Object::Tuple(pair)) => match pair.as_slice() {
            [key, value] => Ok((*key, *value)),
            _ => Err("a list that holds other things than pairs".to_owned()),
        },
        _ => Err("a list that holds other things than pairs".to_owned()),
    });
    Ok(Made::New(Object::Dict(entries.collect::<Result<_, _>>()?)))
}

/// `_rebuild_tensor`, `_v2`: storage, offset, sizes, strides, and more that does not matter; `_v3` has the type of the
/// elements in seventh place, since its storage is only bytes.
fn rebuild<'p>(name: &str, arguments: &[Value<'p>], objects: &[Object<'p>]) -> Result<Made<'p>, String> {
    let [storage, offset, sizes, strides, rest @ ..] = arguments else {
        return Err(format!("{} arguments", arguments.len()));
    };
    let Some(Object::Storage(storage)) = object(*storage, objects) else {
        return Err("no storage".into());
    };
    let dtype = match (name, rest, storage.dtype) {
        ("_rebuild_tensor_v3", [_, _, dtype, ..], _) => match object(*dtype, objects) {
            Some(Object::Global(Global { module: "torch", name })) => {
                dtype_named(name).ok_or_else(|| format!("elements of type {name}"))?
            }
            _ => return Err("no type of elements".into()),
        },
        (_, _, Some(dtype)) => dtype,
        _ => return Err("a storage without type".into()),
    };
    let Value::Int(offset) = offset else { return Err("an offset that is no integer".into()) };
    let offset = usize::try_from(*offset).map_err(|_| format!("an offset of {offset}"))?;
    let (shape, strides) = (numbers("sizes", *sizes, objects)?, numbers("strides", *strides, objects)?);
    if shape.len() != strides.len() || shape.len() > MOST_AXES {
        return Err(format!("{} sizes and {} strides", shape.len(), strides.len()));
    }
    Ok(Made::New(Object::Tensor(Box::new(Tensor { storage: *storage, dtype, offset, shape, strides }))))
}

fn numbers<'p>(what: &str, value: Value<'p>, objects: &[Object<'p>]) -> Result<Vec<usize>, String> {
    let Some(Object::Tuple(values) | Object::List(values)) = object(value, objects) else {
        return Err(format!("{what} that are no tuple"));
    };
    // Checked before it is copied: many tensors may name one long tuple.
    if values.len() > MOST_AXES {
        return Err(format!("{} {what}", values.len()));
    }
    let number = |value: &Value| match value {
        Value::Int(number) => usize::try_from(*number).map_err(|_| format!("{what} of {number}")),
        _ => Err(format!("{what} that are no integers")),
    };
    values.iter().map(number).collect()
}

/// Something that lies outside the pickle: ('storage', class, key, device, number of elements, view).
pub(super) fn persistent<'p>(identifier: Value<'p>, objects: &[Object<'p>]) -> Result<Object<'p>, String> {
    let unknown = || "refers to something outside it that is no storage".to_owned();
    let identifier = tuple(identifier, objects).ok_or_else(unknown)?;
    if let [Value::Text("module"), ..] = identifier {
        // The source text of a class, from torch 1.5 and before.
        return Ok(Object::Opaque(Global { module: "torch.nn", name: "Module" }));
    }
    let [Value::Text("storage"), class, Value::Text(key), _, Value::Int(numel), view @ ..] = identifier
    else {
        return Err(unknown());
    };
    let Some(Object::Global(class)) = object(*class, objects) else { return Err(unknown()) };
    let dtype = storage_class(*class).ok_or_else(|| format!("refers to a storage of class {class}"))?;
    let numel = usize::try_from(*numel).map_err(|_| format!("refers to a storage of {numel} elements"))?;
    let skip = match view.first().map(|view| tuple(*view, objects)) {
        Some(Some([_, Value::Int(skip), _])) => {
            usize::try_from(*skip).map_err(|_| format!("refers to element {skip} of a storage"))?
        }
        _ => 0,
    };
    Ok(Object::Storage(Storage { key, dtype, numel, skip }))
}

/// Type of the elements of a storage class, `Some(None)` for bytes.
fn storage_class(class: Global) -> Option<Option<Dtype>> {
    if matches!(class, Global { module: "torch" | "torch.storage", name: "UntypedStorage" }) {
        return Some(None);
    }
    if !matches!(class.module, "torch" | "torch.cuda") {
        return None;
    }
    Some(Some(match class.name {
        "DoubleStorage" => Dtype::F64,
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        "ComplexFloatStorage" => Dtype::C64,
        _ => return None,
    }))
}

fn dtype_named(name: &str) -> Option<Dtype> {
    Some(match name {
        "float64" => Dtype::F64,
        "float32" => Dtype::F32,
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "int64" => Dtype::I64,
        "int32" => Dtype::I32,
        "int16" => Dtype::I16,
        "int8" => Dtype::I8,
        "uint64" => Dtype::U64,
        "uint32" => Dtype::U32,
        "uint16" => Dtype::U16,
        "uint8" => Dtype::U8,
        "bool" => Dtype::BOOL,
        "complex64" => Dtype::C64,
        "float8_e4m3fn" => Dtype::F8_E4M3,
        "float8_e5m2" => Dtype::F8_E5M2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_inert_and_their_neighbours_are_not() {
        let inert = |module, name| is_inert(Global { module, name });
        assert!(inert("argparse", "Namespace"));
        assert!(inert("fairseq.dataclass.configs", "FairseqConfig"));
        assert!(inert("omegaconf", "DictConfig"));
        assert!(!inert("argparse", "ArgumentParser"));
        assert!(!inert("fairseqs", "anything"));
        // Protocol 4 reads dotted names as attributes: `os.system` through an import of fairseq.
        assert!(!inert("fairseq.utils", "os.system"));
        for (module, name) in
            [("os", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("torch", "load")]
        {
            assert!(!inert(module, name));
        }
    }
}
