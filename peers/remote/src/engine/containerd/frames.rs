//! Takes the messages of a call apart: gRPC puts a byte and a length before each.

use bytes::{Buf as _, Bytes, BytesMut};

/// A byte that says whether the message is compressed, and its length in four.
const HEAD_BYTES: usize = 5;

/// Why a stream holds no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// It was not asked for.
    #[error("a message is compressed")]
    Compressed,
    /// More bytes than the call allows.
    #[error("a message has {0} bytes, more than are read")]
    TooLarge(usize),
    /// It ends within a message.
    #[error("a message was cut short")]
    Cut,
}

/// The messages of one call, while they arrive.
#[derive(Debug)]
pub(crate) struct Frames {
    held: BytesMut,
    message_bytes_max: usize,
}

impl Frames {
    /// Before the first byte. No message may have more than `message_bytes_max` bytes.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self { held: BytesMut::new(), message_bytes_max }
    }

    /// Takes the next bytes. Whoever pushes asks [`Frames::next`] to the end first: then no more than one message and
    /// one push are held.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next message that is complete.
    ///
    /// # Errors
    /// [`FrameError`]; the stream must be given up.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(&[compressed, a, b, c, d]) = self.held.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        if compressed != 0 {
            return Err(FrameError::Compressed);
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > self.message_bytes_max {
            return Err(FrameError::TooLarge(length));
        }
        if self.held.len() < HEAD_BYTES + length {
            return Ok(None);
        }
        self.held.advance(HEAD_BYTES);
        Ok(Some(self.held.split_to(length).freeze()))
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// [`FrameError::Cut`] within a message.
    pub(crate) fn finish(&self) -> Result<(), FrameError> {
        if self.held.is_empty() { Ok(()) } else { Err(FrameError::Cut) }
    }
}

/// A message with its head. One of 4 GiB or more cannot be written, and none is asked for.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("what is sent is made here, and is short");
    let mut frame = BytesMut::with_capacity(HEAD_BYTES + message.len());
    frame.extend_from_slice(&[0]);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(message);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_message_is_refused() {
        let mut frames = Frames::new(4);
        frames.push(&framed(b"four"));
        frames.push(&[0, 0, 0, 0, 5]);
        assert_eq!(frames.next(), Ok(Some(Bytes::from_static(b"four"))));
        assert_eq!(frames.next(), Err(FrameError::TooLarge(5)), "before its bytes are waited for");
        let mut frames = Frames::new(4);
        frames.push(&[1, 0, 0, 0, 0]);
        assert_eq!(frames.next(), Err(FrameError::Compressed));
        let mut frames = Frames::new(4);
        frames.push(&[0, 0, 0, 0, 1]);
        assert_eq!((frames.next(), frames.finish()), (Ok(None), Err(FrameError::Cut)));
    }

    proptest! {
        #[test]
        fn messages_arrive_in_pieces_of_any_size(messages: Vec<Vec<u8>>, piece in 1_usize..40) {
            let sent: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
            let (mut frames, mut read) = (Frames::new(1000), Vec::new());
            for part in sent.chunks(piece) {
                frames.push(part);
                while let Some(message) = frames.next().unwrap() {
                    read.push(message.to_vec());
                }
            }
            prop_assert_eq!(frames.finish(), Ok(()));
            prop_assert_eq!(read, messages);
        }
    }
}
