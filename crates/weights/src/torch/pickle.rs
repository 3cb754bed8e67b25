//! Takes a pickle apart: reads instructions and hands them to the machine.

use super::Flaw;
use super::machine::Machine;
use super::opcodes as op;
use super::value::{Pickled, Value};

/// Most instructions of a pickle, which bounds what the machine holds. The checkpoint of a network of 1000 tensors
/// with its optimizer has about 100 thousand.
const MOST_INSTRUCTIONS: usize = 2_000_000;

/// Runs the pickle at the start of `bytes`, which may go on after it.
pub(super) fn load(bytes: &[u8]) -> Result<Pickled<'_>, Flaw> {
    let mut reader = Reader { bytes, at: 0 };
    let mut machine = Machine::default();
    for _ in 0..MOST_INSTRUCTIONS {
        machine.position = reader.at;
        let code = reader.byte()?;
        if code == op::STOP {
            return machine.finish(reader.at);
        }
        step(code, &mut reader, &mut machine)?;
    }
    Err(Flaw::malformed(format!("its pickle has more than {MOST_INSTRUCTIONS} instructions")))
}

fn step<'p>(code: u8, reader: &mut Reader<'p>, machine: &mut Machine<'p>) -> Result<(), Flaw> {
    match code {
        op::PROTO => match reader.byte()? {
            2..=5 => Ok(()),
            other => Err(reader.flaw(&format!("has protocol {other}, not 2 to 5"))),
        },
        op::FRAME => reader.take(8).map(drop),
        op::NONE => machine.push(Value::None),
        op::NEWTRUE => machine.push(Value::Bool(true)),
        op::NEWFALSE => machine.push(Value::Bool(false)),
        op::BININT | op::BININT1 | op::BININT2 | op::LONG1 | op::LONG4 => {
            let number = reader.integer(code)?;
            machine.number(number)
        }
        op::BINFLOAT => machine.push(Value::Float(f64::from_be_bytes(reader.array()?))),
        op::BINUNICODE | op::SHORT_BINUNICODE | op::BINUNICODE8 => {
            let text = reader.text(code)?;
            machine.push(Value::Text(text))
        }
        op::BINSTRING | op::SHORT_BINSTRING => {
            // Python 2 wrote texts as bytes.
            let bytes = reader.counted(code)?;
            machine.push(std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::Text))
        }
        op::BINBYTES | op::SHORT_BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => {
            let bytes = reader.counted(code)?;
            machine.push(Value::Bytes(bytes))
        }
        op::GLOBAL => {
            let (module, name) = (reader.line()?, reader.line()?);
            machine.global(module, name)
        }
        op::INST => {
            let (module, name) = (reader.line()?, reader.line()?);
            machine.inst(module, name)
        }
        op::BINPUT => machine.put(u32::from(reader.byte()?)),
        op::LONG_BINPUT => machine.put(u32::from_le_bytes(reader.array()?)),
        op::BINGET => machine.get(u32::from(reader.byte()?)),
        op::LONG_BINGET => machine.get(u32::from_le_bytes(reader.array()?)),
        _ => stack_step(code, reader, machine),
    }
}

/// Instructions without arguments: they only move what lies on the stack.
fn stack_step<'p>(code: u8, reader: &Reader<'p>, machine: &mut Machine<'p>) -> Result<(), Flaw> {
    match code {
        op::MARK => machine.mark(),
        op::POP => machine.drop_top(),
        op::POP_MARK => machine.pop_mark().map(drop),
        op::DUP => machine.dup(),
        op::MEMOIZE => machine.memoize(),
        op::EMPTY_TUPLE => machine.tuple_of(0),
        op::TUPLE1 => machine.tuple_of(1),
        op::TUPLE2 => machine.tuple_of(2),
        op::TUPLE3 => machine.tuple_of(3),
        op::TUPLE => machine.tuple(),
        op::EMPTY_LIST => machine.empty_list(),
        op::LIST => machine.list(),
        op::APPEND => machine.append(),
        op::APPENDS => machine.appends(),
        op::EMPTY_DICT => machine.empty_dict(),
        op::DICT => machine.dict(),
        op::SETITEM => machine.set_item(),
        op::SETITEMS => machine.set_items(),
        op::EMPTY_SET => machine.empty_set(),
        op::ADDITEMS => machine.add_items(),
        op::FROZENSET => machine.frozen_set(),
        op::STACK_GLOBAL => machine.stack_global(),
        op::REDUCE => machine.reduce(),
        op::NEWOBJ => machine.new_object(false),
        op::NEWOBJ_EX => machine.new_object(true),
        op::OBJ => machine.obj(),
        op::BUILD => machine.build(),
        op::BINPERSID => machine.persistent(),
        other => {
            Err(reader.flaw(&format!("has the instruction {other:#04x}, which torch.save does not write")))
        }
    }
}

/// Reads arguments. Every length is compared with what is left before anything is made of it.
struct Reader<'p> {
    bytes: &'p [u8],
    at: usize,
}

impl<'p> Reader<'p> {
    fn flaw(&self, what: &str) -> Flaw {
        Flaw::malformed(format!("its pickle {what} (before byte {})", self.at))
    }

    fn take(&mut self, length: usize) -> Result<&'p [u8], Flaw> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| {
            self.flaw(&format!("wants {length} more bytes where {} are left", self.bytes.len() - self.at))
        })?;
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        self.take(1).map(|taken| taken[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        self.take(N).map(|taken| *taken.first_chunk().expect("as many were taken"))
    }

    /// An integer; `None` past 64 bits.
    fn integer(&mut self, code: u8) -> Result<Option<i64>, Flaw> {
        let length = match code {
            op::BININT => return Ok(Some(i64::from(i32::from_le_bytes(self.array()?)))),
            op::BININT1 => return Ok(Some(i64::from(self.byte()?))),
            op::BININT2 => return Ok(Some(i64::from(u16::from_le_bytes(self.array()?)))),
            op::LONG1 => usize::from(self.byte()?),
            _ => u32::from_le_bytes(self.array()?) as usize,
        };
        let digits = self.take(length)?;
        if digits.len() > 8 {
            return Ok(None);
        }
        let sign = if digits.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [sign; 8];
        wide[..digits.len()].copy_from_slice(digits);
        Ok(Some(i64::from_le_bytes(wide)))
    }

    fn length(&self, length: u64) -> Result<usize, Flaw> {
        usize::try_from(length).map_err(|_| self.flaw(&format!("claims a text of {length} bytes")))
    }

    /// A run of bytes after its length.
    fn counted(&mut self, code: u8) -> Result<&'p [u8], Flaw> {
        let length = match code {
            op::SHORT_BINUNICODE | op::SHORT_BINBYTES | op::SHORT_BINSTRING => u64::from(self.byte()?),
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => u64::from_le_bytes(self.array()?),
            _ => u64::from(u32::from_le_bytes(self.array()?)),
        };
        let length = self.length(length)?;
        self.take(length)
    }

    fn text(&mut self, code: u8) -> Result<&'p str, Flaw> {
        let bytes = self.counted(code)?;
        std::str::from_utf8(bytes).map_err(|_| self.flaw("has a text that is not UTF-8"))
    }

    /// Up to the end of the line.
    fn line(&mut self) -> Result<&'p str, Flaw> {
        let rest = &self.bytes[self.at..];
        // Names are short. Without the bound, a file of lines that never end would be searched again and again.
        let rest = &rest[..rest.len().min(1000)];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| self.flaw("mentions a name that does not end"))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| self.flaw("mentions a name that is not UTF-8"))
    }
}
