//! Messages of containerd's services in the wire form of Protocol Buffers, as far as it is used: fields of text, bytes,
//! numbers and messages. Fields that nobody asks for are passed over, of whatever kind they are.

use bytes::{Buf as _, Bytes};

/// The longest number, in bytes: ten times seven bits hold 64.
const NUMBER_BYTES_MAX: usize = 10;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    /// It ends within a field.
    #[error("the message was cut short")]
    Cut,
    /// A number, or a field's number, does not fit.
    #[error("the message has a number that is too large")]
    Number,
    /// A kind of field that does not exist, or is no longer used.
    #[error("the message has a field of an unknown kind")]
    Kind,
    /// Bytes that should be text.
    #[error("the message has text that is none")]
    Text,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A number, or what is written like one.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(Bytes),
    /// A number of fixed width, which nobody asks for.
    Other,
}

/// The fields of a message, in its order. Ends after the first error.
pub(crate) struct Fields(Bytes);

impl Fields {
    /// Copies nothing.
    pub(crate) fn new(message: Bytes) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u64, Value), MessageError> {
        let key = self.number()?;
        let number = key >> 3;
        // Fields are numbered from 1 to 2^29 - 1.
        if number == 0 || number >= 1 << 29 {
            return Err(MessageError::Number);
        }
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.number()?;
                Value::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return Err(MessageError::Kind),
        };
        Ok((number, value))
    }

    fn number(&mut self) -> Result<u64, MessageError> {
        let mut number = 0;
        for at in 0..NUMBER_BYTES_MAX {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if at + 1 == NUMBER_BYTES_MAX && bits > 1 {
                break;
            }
            number |= bits << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(MessageError::Number)
    }

    fn take(&mut self, length: usize) -> Result<Bytes, MessageError> {
        if length > self.0.remaining() {
            return Err(MessageError::Cut);
        }
        Ok(self.0.split_to(length))
    }
}

impl Iterator for Fields {
    type Item = Result<(u64, Value), MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0.clear();
        }
        Some(field)
    }
}

/// The last bytes that a message has under this number; empty when it has none, as the format wants it.
pub(crate) fn bytes_in(message: &Bytes, number: u64) -> Result<Bytes, MessageError> {
    let mut found = Bytes::new();
    for field in Fields::new(message.clone()) {
        if let (at, Value::Bytes(bytes)) = field?
            && at == number
        {
            found = bytes;
        }
    }
    Ok(found)
}

/// As [`bytes_in`], as text.
pub(crate) fn text_in(message: &Bytes, number: u64) -> Result<String, MessageError> {
    let bytes = bytes_in(message, number)?;
    String::from_utf8(bytes.into()).map_err(|_| MessageError::Text)
}

/// The last number that a message has under this number; 0 when it has none.
pub(crate) fn number_in(message: &Bytes, number: u64) -> Result<u64, MessageError> {
    let mut found = 0;
    for field in Fields::new(message.clone()) {
        if let (at, Value::Number(value)) = field?
            && at == number
        {
            found = value;
        }
    }
    Ok(found)
}

/// A message that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// With a field of text, bytes, or a message.
    pub(crate) fn bytes(mut self, number: u64, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.put(number << 3 | 2);
        self.put(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// With an entry of a field that maps text to text.
    pub(crate) fn entry(self, number: u64, key: &str, value: &str) -> Self {
        self.bytes(number, Self::default().bytes(1, key).bytes(2, value))
    }

    /// With a field that is a number.
    pub(crate) fn number(mut self, number: u64, value: u64) -> Self {
        self.put(number << 3);
        self.put(value);
        self
    }

    fn put(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 & 0x7f | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Value)>, MessageError> {
        Fields::new(Bytes::copy_from_slice(bytes)).collect()
    }

    /// What containerd 1.6.20 answered to `Get`.
    const RECORDED: &[u8] = b"\n\xf9\x01\n\rghcr.io/x/y:2\x1a\xcb\x01\n*application/vnd.oci.image.manifest.v1+json\x12Gsha256:706fa2f108c6a22f17ebde122792682f129681146e53b18b95252f5245a49979\x18\xcd\x05*&\n!org.opencontainers.image.ref.name\x12\x012*)\n\x18io.containerd.image.name\x12\rghcr.io/x/y:2:\x0c\x08\x82\xb1\x87\xd8\x06\x10\xc2\x83\xae\x9c\x02B\x0c\x08\xd2\xb9\x87\xd8\x06\x10\xa1\xb1\xa8\xb7\x01";

    #[test]
    fn what_containerd_answers_is_read() {
        let image = bytes_in(&Bytes::from_static(RECORDED), 1).unwrap();
        assert_eq!(text_in(&image, 1).as_deref(), Ok("ghcr.io/x/y:2"));
        let target = bytes_in(&image, 3).unwrap();
        let digest = "sha256:706fa2f108c6a22f17ebde122792682f129681146e53b18b95252f5245a49979";
        assert_eq!(text_in(&target, 2).as_deref(), Ok(digest));
        assert_eq!(number_in(&target, 3), Ok(717));
        assert_eq!((text_in(&target, 9), number_in(&target, 9)), (Ok(String::new()), Ok(0)));
    }

    #[test]
    fn the_last_one_counts_and_unknown_fields_are_passed_over() {
        let written = Message::default().bytes(1, "old").number(7, u64::MAX).bytes(1, "new");
        let bytes = [written.as_ref(), &[9 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0], &[9 << 3 | 5, 0, 0, 0, 0]];
        let message = Bytes::from(bytes.concat());
        assert_eq!(text_in(&message, 1).as_deref(), Ok("new"));
        assert_eq!(number_in(&message, 7), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (bytes, error) in [
            (&[0x0a, 2, b'a'][..], MessageError::Cut),
            (&[0x0a], MessageError::Cut),
            (&[0x08, 0x80], MessageError::Cut),
            (&[9 << 3 | 1, 0], MessageError::Cut),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], MessageError::Number),
            (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], MessageError::Cut),
            (&[0x00, 0x00], MessageError::Number),
            (&[0x0b], MessageError::Kind),
            (&[0x0f], MessageError::Kind),
        ] {
            assert_eq!(fields(bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(text_in(&Bytes::from_static(&[0x0a, 1, 0xff]), 1), Err(MessageError::Text));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(written: Vec<(u32, Result<u64, Vec<u8>>)>) {
            let (mut message, mut expected) = (Message::default(), Vec::new());
            for (number, value) in written {
                let number = u64::from(number % 1000) + 1;
                (message, _) = match value {
                    Ok(value) => (message.number(number, value), expected.push((number, Value::Number(value)))),
                    Err(value) => (
                        message.bytes(number, &value),
                        expected.push((number, Value::Bytes(value.into()))),
                    ),
                };
            }
            prop_assert_eq!(fields(message.as_ref()), Ok(expected));
        }
    }
}
