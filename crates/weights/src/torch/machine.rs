//! The stack machine behind a pickle.

use std::collections::HashMap;

use super::value::{Global, Object, Pickled, Value};
use super::{Flaw, globals};

const INT: Global<'_> = Global { module: "builtins", name: "int" };
const SET: Global<'_> = Global { module: "builtins", name: "set" };

/// Stack, marks, memo and all objects made so far.
#[derive(Default)]
pub(super) struct Machine<'p> {
    stack: Vec<Value<'p>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'p>>,
    objects: Vec<Object<'p>>,
    /// Byte of the current instruction.
    pub position: usize,
}

type Done = Result<(), Flaw>;

impl<'p> Machine<'p> {
    pub fn finish(mut self, end: usize) -> Result<Pickled<'p>, Flaw> {
        let root = self.pop()?;
        Ok(Pickled { root, objects: self.objects, end })
    }

    fn flaw(&self, what: &str) -> Flaw {
        Flaw::malformed(format!("its pickle {what} (byte {})", self.position))
    }

    pub fn push(&mut self, value: Value<'p>) -> Done {
        self.stack.push(value);
        Ok(())
    }

    fn make(&mut self, object: Object<'p>) -> Done {
        self.objects.push(object);
        self.push(Value::Object(self.objects.len() - 1))
    }

    fn pop(&mut self) -> Result<Value<'p>, Flaw> {
        // What lies below a mark belongs to whoever set the mark.
        let bottom = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() > bottom
            && let Some(value) = self.stack.pop()
        {
            return Ok(value);
        }
        Err(self.flaw("takes a value from an empty stack"))
    }

    fn top(&self) -> Result<Value<'p>, Flaw> {
        self.stack.last().copied().ok_or_else(|| self.flaw("looks at an empty stack"))
    }

    pub fn drop_top(&mut self) -> Done {
        // A mark counts as a value here, as in Python.
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    pub fn dup(&mut self) -> Done {
        let top = self.top()?;
        self.push(top)
    }

    pub fn mark(&mut self) -> Done {
        self.marks.push(self.stack.len());
        Ok(())
    }

    pub fn pop_mark(&mut self) -> Result<Vec<Value<'p>>, Flaw> {
        let height = self.marks.pop().ok_or_else(|| self.flaw("goes back to a mark that is not there"))?;
        Ok(self.stack.split_off(height.min(self.stack.len())))
    }

    pub fn put(&mut self, index: u32) -> Done {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    pub fn memoize(&mut self) -> Done {
        self.put(u32::try_from(self.memo.len()).unwrap_or(u32::MAX))
    }

    pub fn get(&mut self, index: u32) -> Done {
        let value = self.memo.get(&index).copied();
        let value = value.ok_or_else(|| self.flaw(&format!("wants memo {index}, which is not there")))?;
        self.push(value)
    }

    /// An integer; past 64 bits nothing is kept of it.
    pub fn number(&mut self, number: Option<i64>) -> Done {
        match number {
            Some(number) => self.push(Value::Int(number)),
            None => self.make(Object::Opaque(INT)),
        }
    }

    pub fn tuple_of(&mut self, length: usize) -> Done {
        let mut values = (0..length).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        values.reverse();
        self.make(Object::Tuple(values))
    }

    pub fn tuple(&mut self) -> Done {
        let values = self.pop_mark()?;
        self.make(Object::Tuple(values))
    }

    pub fn empty_list(&mut self) -> Done {
        self.make(Object::List(Vec::new()))
    }

    pub fn list(&mut self) -> Done {
        let values = self.pop_mark()?;
        self.make(Object::List(values))
    }

    pub fn empty_set(&mut self) -> Done {
        self.make(Object::Opaque(SET))
    }

    pub fn frozen_set(&mut self) -> Done {
        self.pop_mark()?;
        self.empty_set()
    }

    pub fn empty_dict(&mut self) -> Done {
        self.make(Object::Dict(Vec::new()))
    }

    pub fn dict(&mut self) -> Done {
        let entries = self.pop_mark()?;
        let entries = self.paired(&entries)?;
        self.make(Object::Dict(entries))
    }

    fn paired(&self, values: &[Value<'p>]) -> Result<Vec<(Value<'p>, Value<'p>)>, Flaw> {
        match values.as_chunks() {
            (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
            _ => Err(self.flaw("has a key without a value")),
        }
    }

    pub fn append(&mut self) -> Done {
        let value = self.pop()?;
        self.extend(&[value])
    }

    pub fn appends(&mut self) -> Done {
        let values = self.pop_mark()?;
        self.extend(&values)
    }

    fn extend(&mut self, values: &[Value<'p>]) -> Done {
        match self.top_object()? {
            Object::List(list) => list.extend(values),
            // A class of ours that behaves as a list: nothing is kept.
            Object::Opaque(_) => {}
            _ => return Err(self.flaw("appends to what is no list")),
        }
        Ok(())
    }

    pub fn set_item(&mut self) -> Done {
        let (value, key) = (self.pop()?, self.pop()?);
        self.insert(&[(key, value)])
    }

    pub fn set_items(&mut self) -> Done {
        let entries = self.pop_mark()?;
        let entries = self.paired(&entries)?;
        self.insert(&entries)
    }

    fn insert(&mut self, entries: &[(Value<'p>, Value<'p>)]) -> Done {
        match self.top_object()? {
            Object::Dict(dict) => dict.extend(entries),
            Object::Opaque(_) => {}
            _ => return Err(self.flaw("sets an entry of what is no dictionary")),
        }
        Ok(())
    }

    pub fn add_items(&mut self) -> Done {
        self.pop_mark()?;
        match self.top_object()? {
            Object::Opaque(_) => Ok(()),
            _ => Err(self.flaw("adds to what is no set")),
        }
    }

    fn top_object(&mut self) -> Result<&mut Object<'p>, Flaw> {
        match self.top()? {
            Value::Object(index) => Ok(&mut self.objects[index]),
            _ => Err(self.flaw("puts something into a plain value")),
        }
    }

    pub fn global(&mut self, module: &'p str, name: &'p str) -> Done {
        self.make(Object::Global(Global { module, name }))
    }

    pub fn stack_global(&mut self) -> Done {
        match (self.pop()?, self.pop()?) {
            (Value::Text(name), Value::Text(module)) => self.global(module, name),
            _ => Err(self.flaw("mentions a name that is no text")),
        }
    }

    pub fn reduce(&mut self) -> Done {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        self.call(callee, arguments)
    }

    /// An instance of a class: `keywords` says whether a dictionary of keyword arguments was given as well.
    pub fn new_object(&mut self, keywords: bool) -> Done {
        if keywords {
            self.pop()?;
        }
        self.reduce()
    }

    pub fn obj(&mut self) -> Done {
        let mut values = self.pop_mark()?.into_iter();
        let callee = values.next().ok_or_else(|| self.flaw("makes an instance of nothing"))?;
        self.instance(callee, values.collect())
    }

    pub fn inst(&mut self, module: &'p str, name: &'p str) -> Done {
        let arguments = self.pop_mark()?;
        self.global(module, name)?;
        let callee = self.pop()?;
        self.instance(callee, arguments)
    }

    fn instance(&mut self, callee: Value<'p>, arguments: Vec<Value<'p>>) -> Done {
        self.make(Object::Tuple(arguments))?;
        let arguments = self.pop()?;
        self.call(callee, arguments)
    }

    fn call(&mut self, callee: Value<'p>, arguments: Value<'p>) -> Done {
        let global = match callee {
            Value::Object(index) => match self.objects[index] {
                Object::Global(global) => global,
                _ => return Err(self.flaw("calls what is no name")),
            },
            _ => return Err(self.flaw("calls what is no name")),
        };
        let made = globals::call(global, arguments, &self.objects, self.position)?;
        match made {
            globals::Made::Known(value) => self.push(value),
            globals::Made::New(object) => self.make(object),
        }
    }

    /// Sets the state of an instance. Dictionaries have attributes of no interest (PyTorch's `_metadata`), and of
    /// opaque instances nothing is kept.
    pub fn build(&mut self) -> Done {
        self.pop()?;
        match self.top_object()? {
            Object::Opaque(_) | Object::Dict(_) | Object::Tensor(_) => Ok(()),
            _ => Err(self.flaw("sets the state of what has none")),
        }
    }

    pub fn persistent(&mut self) -> Done {
        let identifier = self.pop()?;
        let object = globals::persistent(identifier, &self.objects).map_err(|what| self.flaw(&what))?;
        self.make(object)
    }
}
