//! Protobuf's wire format, as far as published models need it: ONNX files and SentencePiece vocabularies.
//!
//! Nothing is copied and nothing is allocated: a [`Message`] is a slice of the file, and reading it walks over its
//! fields. Nested messages are opened one at a time by whoever knows that a field is one, so that no file decides how
//! deep a reader goes.

/// Bytes that are no message, and where in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}")]
pub struct Broken {
    /// Byte of the file.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// An encoded message: a slice of a file.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Byte of the file at which it begins.
    at: usize,
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its number in the message's definition.
    pub number: u64,
    /// Byte of the file at which its value begins.
    pub at: usize,
    value: Value<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Varint(u64),
    Fixed32([u8; 4]),
    Fixed64,
    Bytes(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The message that a whole file is.
    pub fn file(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Its fields, in the order of the file; after an error there are no more.
    pub fn fields(self) -> impl Iterator<Item = Result<Field<'a>, Broken>> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let message = rest.take().filter(|message| !message.bytes.is_empty())?;
            let next = message.next();
            if let Ok((_, after)) = next {
                rest = Some(after);
            }
            Some(next.map(|(field, _)| field))
        })
    }

    fn next(self) -> Result<(Field<'a>, Self), Broken> {
        let (tag, start) = self.varint()?;
        let (value, after) = match tag & 7 {
            0 => start.varint().map(|(number, after)| (Value::Varint(number), after))?,
            1 => (Value::Fixed64, start.split(8)?.1),
            2 => {
                let (len, start) = start.varint()?;
                let len = usize::try_from(len).map_err(|_| start.broken(TRUNCATED))?;
                let (bytes, after) = start.split(len)?;
                return Ok((Field { number: tag >> 3, at: start.at, value: Value::Bytes(bytes) }, after));
            }
            5 => {
                let (bytes, after) = start.split(4)?;
                (Value::Fixed32(bytes.try_into().expect("four bytes were split off")), after)
            }
            _ => return Err(self.broken("a field of a kind that no model has")),
        };
        Ok((Field { number: tag >> 3, at: start.at, value }, after))
    }

    fn varint(self) -> Result<(u64, Self), Broken> {
        let mut number = 0;
        for (index, &byte) in self.bytes.iter().enumerate().take(10) {
            let part = u64::from(byte & 127);
            if index == 9 && part > 1 {
                break;
            }
            number |= part << (7 * index);
            if byte < 128 {
                return Ok((number, self.split(index + 1)?.1));
            }
        }
        Err(self.broken(if self.bytes.len() < 10 { TRUNCATED } else { "a number of more than 64 bits" }))
    }

    fn split(self, len: usize) -> Result<(&'a [u8], Self), Broken> {
        let (bytes, rest) = self.bytes.split_at_checked(len).ok_or_else(|| self.broken(TRUNCATED))?;
        Ok((bytes, Self { bytes: rest, at: self.at + len }))
    }

    fn broken(self, what: &'static str) -> Broken {
        Broken { at: self.at, what }
    }
}

const TRUNCATED: &str = "a value that goes on beyond its end";

impl<'a> Field<'a> {
    /// The number of an integer, a boolean or an enumeration.
    pub fn integer(&self) -> Result<u64, Broken> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(self.broken("this should be an integer")),
        }
    }

    /// A 32-bit float.
    pub fn float(&self) -> Result<f32, Broken> {
        match self.value {
            Value::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(self.broken("this should be a 32-bit float")),
        }
    }

    /// A string of bytes, or a packed list.
    pub fn bytes(&self) -> Result<&'a [u8], Broken> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.broken("this should be a string of bytes")),
        }
    }

    /// Text.
    pub fn text(&self) -> Result<&'a str, Broken> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.broken("text that is not UTF-8"))
    }

    /// A nested message.
    pub fn message(&self) -> Result<Message<'a>, Broken> {
        Ok(Message { bytes: self.bytes()?, at: self.at })
    }

    /// The entries that this field adds to a list of integers: one, or several packed together.
    pub fn integers(&self) -> impl Iterator<Item = Result<u64, Broken>> {
        let (one, mut packed) = match self.value {
            Value::Bytes(bytes) => (None, Some(Message { bytes, at: self.at })),
            _ => (Some(self.integer()), None),
        };
        let several = std::iter::from_fn(move || {
            let message = packed.take().filter(|message| !message.bytes.is_empty())?;
            let next = message.varint();
            if let Ok((_, after)) = next {
                packed = Some(after);
            }
            Some(next.map(|(number, _)| number))
        });
        one.into_iter().chain(several)
    }

    /// The error of a value that is not what it should be.
    pub fn broken(&self, what: &'static str) -> Broken {
        Broken { at: self.at, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<Field<'_>>, Broken> {
        Message::file(bytes).fields().collect()
    }

    #[test]
    fn every_kind_of_field_is_read_at_its_place() {
        let bytes = [
            &[0x08, 0xac, 0x02][..],               // 1: 300
            &[0x15, 0, 0, 0x80, 0x3f],             // 2: 1.0
            &[0x1a, 4, 0x08, 1, 0x12, 0],          // 3: {1: 1, 2: ""}
            &[0x21, 0, 0, 0, 0, 0, 0, 0, 0],       // 4: 64 bits
            &[0x2a, 3, 0x01, 0x80, 0x01],          // 5: [1, 128]
            &[0xf8, 0xff, 0xff, 0xff, 0x0f, 0x07], // the largest number: 7
        ]
        .concat();
        let fields = fields(&bytes).unwrap();
        assert_eq!(
            fields.iter().map(|field| field.number).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, (1 << 29) - 1]
        );
        assert_eq!(fields[0].integer(), Ok(300));
        assert_eq!(fields[0].integers().collect::<Vec<_>>(), [Ok(300)]);
        assert_eq!(fields[1].float(), Ok(1.0));
        assert_eq!(fields[2].at, 10);
        let nested: Vec<_> = fields[2].message().unwrap().fields().map(Result::unwrap).collect();
        assert_eq!((nested[0].integer(), nested[1].text(), nested[1].at), (Ok(1), Ok(""), 14));
        assert_eq!(fields[4].integers().collect::<Vec<_>>(), [Ok(1), Ok(128)]);
        assert_eq!(fields[5].integer(), Ok(7));
        let wrong = fields[3].integer().unwrap_err();
        assert_eq!((wrong.at, wrong.to_string().as_str()), (15, "at byte 15: this should be an integer"));
    }

    #[test]
    fn what_is_no_message_is_an_error_and_ends_the_walk() {
        let too_long = [&[0x08][..], &[0xff; 9], &[0x02]].concat();
        let endless = [0xff; 64];
        let lies = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let broken: [&[u8]; 7] = [&[0x80], &[0x08], &[0x0a, 2, 0], &[0x0d, 0, 0], &[0x0b], &too_long, &lies];
        for bytes in broken.into_iter().chain([&endless[..]]) {
            let mut walk = Message::file(bytes).fields();
            assert!(walk.next().unwrap().is_err(), "{bytes:?}");
            assert!(walk.next().is_none(), "{bytes:?}");
        }
        let packed = Field { number: 1, at: 0, value: Value::Bytes(&[1, 0x80]) };
        assert_eq!(packed.integers().map(|entry| entry.is_ok()).collect::<Vec<_>>(), [true, false]);
    }
}
