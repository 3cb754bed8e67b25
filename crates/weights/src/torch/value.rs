//! What a pickle's instructions make: plain values, and objects in one list that values point into. So nothing is
//! copied when the same object stands in many places, an object may hold itself, and taking the whole apart needs no
//! recursion.

use safetensors::Dtype;

/// A value. Texts stay where they are, in the pickle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'p> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'p str),
    Bytes(&'p [u8]),
    /// Index of an object.
    Object(usize),
}

/// Something that can hold values or be pointed at from several places.
#[derive(Debug)]
pub(crate) enum Object<'p> {
    Tuple(Vec<Value<'p>>),
    List(Vec<Value<'p>>),
    /// Entries in the order in which they were set; of two with one key the later counts.
    Dict(Vec<(Value<'p>, Value<'p>)>),
    /// A name that the pickle mentions.
    Global(Global<'p>),
    Storage(Storage<'p>),
    Tensor(Box<Tensor<'p>>),
    /// An instance of that class, of which nothing is kept.
    Opaque(Global<'p>),
}

/// A module and a name in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Global<'p> {
    pub module: &'p str,
    pub name: &'p str,
}

impl std::fmt::Display for Global<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Names come from the file: only so much of them goes into a message, and no control characters.
        let short = |text: &str| text.chars().take(80).collect::<String>().escape_debug().to_string();
        match self.module {
            "builtins" | "__builtin__" => f.write_str(&short(self.name)),
            module => write!(f, "{}.{}", short(module), short(self.name)),
        }
    }
}

/// A run of numbers somewhere in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storage<'p> {
    pub key: &'p str,
    /// Type of the elements; `None` where the storage is only bytes.
    pub dtype: Option<Dtype>,
    /// Number of elements, or of bytes where there is no type.
    pub numel: usize,
    /// Elements before the part that this is, where it is a view of another one (torch before 0.4).
    pub skip: usize,
}

impl Storage<'_> {
    /// Bytes of one element.
    pub fn width(&self) -> usize {
        self.dtype.map_or(1, |dtype| dtype.bitsize() / 8)
    }
}

/// Elements of a storage.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'p> {
    pub storage: Storage<'p>,
    pub dtype: Dtype,
    /// First element.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// All that a pickle made.
#[derive(Debug)]
pub(crate) struct Pickled<'p> {
    pub root: Value<'p>,
    pub objects: Vec<Object<'p>>,
    /// Where the pickle ends.
    pub end: usize,
}

impl<'p> Pickled<'p> {
    /// The object that `value` points at.
    pub fn object(&self, value: Value<'p>) -> Option<&Object<'p>> {
        match value {
            Value::Object(index) => self.objects.get(index),
            _ => None,
        }
    }

    /// What `value` is, in Python's words.
    pub fn kind(&self, value: Value<'p>) -> String {
        match value {
            Value::None => "None".into(),
            Value::Bool(_) => "bool".into(),
            Value::Int(_) => "int".into(),
            Value::Float(_) => "float".into(),
            Value::Text(_) => "str".into(),
            Value::Bytes(_) => "bytes".into(),
            Value::Object(index) => match &self.objects[index] {
                Object::Tuple(_) => "tuple".into(),
                Object::List(_) => "list".into(),
                Object::Dict(_) => "dict".into(),
                Object::Global(global) => format!("the name {global}"),
                Object::Storage(_) => "storage".into(),
                Object::Tensor(_) => "tensor".into(),
                Object::Opaque(class) => class.to_string(),
            },
        }
    }
}
