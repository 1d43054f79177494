//! The calls that change what containerd has: leases, blobs, labels and names.

use std::time::Duration;

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_registry::Manifest;

use super::super::socket::STALL_TIME_MAX;
use super::exchange::Exchange;
use super::grpc::{ANSWER_BYTES_MAX, CallError, Channel, Scope};
use super::message::{Message, MessageError, bytes_in, number_in, text_in};
use super::services::Services;

/// What a message of a write wants.
const STAT: u64 = 0;
const WRITE: u64 = 1;
const COMMIT: u64 = 2;

/// When a lease ends by itself.
const EXPIRE_LABEL: &str = "containerd.io/gc.expire";
/// How long a blob may take to be on the disk when all of it was sent: a slow one writes some 30 GB meanwhile.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(10 * 60);
/// Longest answer to labels, which repeats them: as many as a manifest has references, 250 bytes each.
const LABELS_BYTES_MAX: usize = 4 << 20;

/// A blob on its way into containerd. What was written of one that is dropped stays as long as the lease.
pub(crate) struct Writing {
    exchange: Exchange,
    channel: Channel,
    /// Bytes that are there.
    offset: u64,
}

impl Services {
    /// Makes a lease that ends by itself at a moment of RFC 3339; its id.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn begin_lease(&self, namespace: &str, until: &str) -> Result<String, CallError> {
        let path = "/containerd.services.leases.v1.Leases/Create";
        let request = Message::default().entry(3, EXPIRE_LABEL, until);
        let answer = self.0.call(namespace.into(), path, &request, ANSWER_BYTES_MAX).await?;
        let id = self.read(lease_id(&answer))?;
        if id.is_empty() { Err(self.0.broken("made a lease without an id")) } else { Ok(id) }
    }

    /// Ends a lease. What nothing else keeps then goes, if `collect` before the call ends, else some time.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn end_lease(&self, namespace: &str, id: &str, collect: bool) -> Result<(), CallError> {
        let path = "/containerd.services.leases.v1.Leases/Delete";
        let request = Message::default().bytes(1, id).number(2, collect.into());
        self.0.call(namespace.into(), path, &request, ANSWER_BYTES_MAX).await.map(drop)
    }

    /// Begins a blob; `None` when it is there, and then is part of the lease as well. No other write may have the same
    /// `reference`.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn begin_write(
        &self,
        scope: Scope<'_>,
        reference: &str,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<Writing>, CallError> {
        let path = "/containerd.services.content.v1.Content/Write";
        let begin = Message::default().number(1, STAT).bytes(2, reference).number(3, size);
        let begun = self.0.exchange(scope, path, &begin.bytes(4, digest.as_str())).await;
        let (exchange, answer) = match begun {
            Err(CallError::Exists(_)) => return Ok(None),
            begun => begun?,
        };
        let offset = self.read(offset_after(&answer))?;
        if offset > size {
            return Err(self.0.broken(&format!("has {offset} bytes of {digest}, which has {size}")));
        }
        Ok(Some(Writing { exchange, channel: self.0.clone(), offset }))
    }

    /// Puts labels on a blob, beside those that it has.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn label(
        &self,
        scope: Scope<'_>,
        digest: &Digest,
        labels: &[(String, &Digest)],
    ) -> Result<(), CallError> {
        let path = "/containerd.services.content.v1.Content/Update";
        let (mut info, mut fields) = (Message::default().bytes(1, digest.as_str()), Message::default());
        for (key, value) in labels {
            info = info.entry(5, key, value.as_str());
            fields = fields.bytes(1, format!("labels.{key}"));
        }
        let request = Message::default().bytes(1, info).bytes(2, fields);
        self.0.call(scope, path, &request, LABELS_BYTES_MAX).await.map(drop)
    }

    /// Lets a name stand for this manifest, whatever it stood for before.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn name(
        &self,
        scope: Scope<'_>,
        name: &str,
        target: &Manifest,
    ) -> Result<(), CallError> {
        let descriptor = Message::default().bytes(1, &target.media_type).bytes(2, target.digest.as_str());
        let descriptor = descriptor.number(3, target.bytes.len() as u64);
        let request = Message::default().bytes(1, Message::default().bytes(1, name).bytes(3, descriptor));
        let path = "/containerd.services.images.v1.Images/Create";
        let created = match self.0.call(scope, path, &request, ANSWER_BYTES_MAX).await {
            Err(CallError::Exists(_)) => {
                let path = "/containerd.services.images.v1.Images/Update";
                let request = request.bytes(2, Message::default().bytes(1, "target"));
                self.0.call(scope, path, &request, ANSWER_BYTES_MAX).await
            }
            created => created,
        };
        created.map(drop)
    }
}

impl Writing {
    /// Bytes of the blob that are there: what follows is written next.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Writes the next bytes, at most 1 MiB: containerd reads no message over 16 MiB.
    ///
    /// # Errors
    /// [`CallError`]; the write is over then.
    pub(crate) async fn write(&mut self, data: &Bytes) -> Result<(), CallError> {
        let message = Message::default().number(1, WRITE).number(5, self.offset).bytes(6, data);
        let answer = self.exchange.ask(&message, STALL_TIME_MAX).await?;
        let after = offset_after(&answer).map_err(|error| self.channel.unreadable(error))?;
        self.offset += data.len() as u64;
        if after != self.offset {
            return Err(self
                .channel
                .broken(&format!("wrote up to {after} bytes of a blob and not to {}", self.offset)));
        }
        Ok(())
    }

    /// Ends a blob of which all bytes are there. containerd compares them with the digest.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn commit(mut self) -> Result<(), CallError> {
        let message = Message::default().number(1, COMMIT).number(5, self.offset);
        match self.exchange.ask(&message, COMMIT_TIME_MAX).await {
            Ok(_) => self.exchange.end().await,
            // Somebody else was faster.
            Err(CallError::Exists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The id of a lease that was made.
pub(crate) fn lease_id(answer: &Bytes) -> Result<String, MessageError> {
    text_in(&bytes_in(answer, 1)?, 1)
}

/// How many bytes of a blob are there after a message of its write.
pub(crate) fn offset_after(answer: &Bytes) -> Result<u64, MessageError> {
    number_in(answer, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What containerd 1.6.20 answered to the messages of a write.
    const STATED: &[u8] = b"\x12\x0c\x08\xb6\xf2\x87\xd8\x06\x10\xa6\xa4\xff\xb2\x01\x1a\x0c\x08\xb6\xf2\x87\xd8\x06\x10\xa6\xa4\xff\xb2\x01(\xa7\x022Gsha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const COMMITTED: &[u8] = b"\x08\x02\x12\x0c\x08\xb6\xf2\x87\xd8\x06\x10\xa6\xa4\xff\xb2\x01\x1a\x0c\x08\xb6\xf2\x87\xd8\x06\x10\xa6\xa4\xff\xb2\x01 \xa7\x02(\xa7\x022Gsha256:04ff794d596556bf83776f19d915d0a12fbf1adeebab878e7a594fe5d8bb1417";
    /// And to a new lease.
    const LEASED: &[u8] = b"\nR\n\x0e371497534-gSW1\x12\x0c\x08\xb6\xf2\x87\xd8\x06\x10\xb5\xa6\x95\xb1\x01\x1a2\n\x17containerd.io/gc.expire\x12\x172026-11-21T21:04:06.37Z";

    #[test]
    fn what_containerd_answers_to_changes_is_read() {
        assert_eq!(lease_id(&Bytes::from_static(LEASED)).as_deref(), Ok("371497534-gSW1"));
        assert_eq!(offset_after(&Bytes::from_static(STATED)), Ok(0));
        assert_eq!(offset_after(&Bytes::from_static(COMMITTED)), Ok(295));
    }
}
