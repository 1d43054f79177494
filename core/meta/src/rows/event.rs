//! Events as they stand in their table: the answer to "what happened after" without doing it again.

use crate::event::Event;
use crate::record::RecordError;
use crate::record::field::{FieldReader, FieldWriter};

const MANIFEST_PUT: u8 = 1;
const TAG_SET: u8 = 2;
const TAG_DELETED: u8 = 3;
const MANIFEST_DELETED: u8 = 4;
const BLOB_LINKED: u8 = 5;
const BLOB_UNLINKED: u8 = 6;
const DOOMED: u8 = 7;

/// The events of one command.
pub(crate) fn encode(events: &[Event]) -> Vec<u8> {
    let mut writer = FieldWriter::default();
    writer.count(events.len());
    for event in events {
        write(&mut writer, event);
    }
    writer.finish()
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Event>, RecordError> {
    let mut reader = FieldReader::new(bytes);
    let events = reader.list(read)?;
    reader.end()?;
    Ok(events)
}

fn write(writer: &mut FieldWriter, event: &Event) {
    match event {
        Event::ManifestPut { repository, digest, media_type, size, subject, created } => {
            writer.byte(MANIFEST_PUT);
            writer.text(repository.as_str());
            writer.digest(digest);
            writer.text(media_type);
            writer.integer(*size);
            writer.optional(subject.as_ref(), FieldWriter::digest);
            writer.flag(*created);
        }
        Event::TagSet { repository, tag, digest, previous } => {
            writer.byte(TAG_SET);
            writer.text(repository.as_str());
            writer.text(tag.as_str());
            writer.digest(digest);
            writer.optional(previous.as_ref(), FieldWriter::digest);
        }
        Event::TagDeleted { repository, tag, digest } => {
            writer.byte(TAG_DELETED);
            writer.text(repository.as_str());
            writer.text(tag.as_str());
            writer.digest(digest);
        }
        Event::ManifestDeleted { repository, digest, subject } => {
            writer.byte(MANIFEST_DELETED);
            writer.text(repository.as_str());
            writer.digest(digest);
            writer.optional(subject.as_ref(), FieldWriter::digest);
        }
        Event::BlobLinked { repository, digest, size, mounted_from } => {
            writer.byte(BLOB_LINKED);
            writer.text(repository.as_str());
            writer.digest(digest);
            writer.integer(*size);
            writer.optional(mounted_from.as_ref(), |writer, from| writer.text(from.as_str()));
        }
        Event::BlobUnlinked { repository, digest } => {
            writer.byte(BLOB_UNLINKED);
            writer.text(repository.as_str());
            writer.digest(digest);
        }
        Event::Doomed { digest } => {
            writer.byte(DOOMED);
            writer.digest(digest);
        }
    }
}

fn read(reader: &mut FieldReader<'_>) -> Result<Event, RecordError> {
    Ok(match reader.byte()? {
        MANIFEST_PUT => Event::ManifestPut {
            repository: reader.repository()?,
            digest: reader.digest()?,
            media_type: reader.text()?.to_owned(),
            size: reader.integer()?,
            subject: reader.optional(FieldReader::digest)?,
            created: reader.flag()?,
        },
        TAG_SET => Event::TagSet {
            repository: reader.repository()?,
            tag: reader.tag()?,
            digest: reader.digest()?,
            previous: reader.optional(FieldReader::digest)?,
        },
        TAG_DELETED => Event::TagDeleted {
            repository: reader.repository()?,
            tag: reader.tag()?,
            digest: reader.digest()?,
        },
        MANIFEST_DELETED => Event::ManifestDeleted {
            repository: reader.repository()?,
            digest: reader.digest()?,
            subject: reader.optional(FieldReader::digest)?,
        },
        BLOB_LINKED => Event::BlobLinked {
            repository: reader.repository()?,
            digest: reader.digest()?,
            size: reader.integer()?,
            mounted_from: reader.optional(FieldReader::repository)?,
        },
        BLOB_UNLINKED => Event::BlobUnlinked { repository: reader.repository()?, digest: reader.digest()? },
        DOOMED => Event::Doomed { digest: reader.digest()? },
        _ => return Err(RecordError::Invalid("event")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::sample::{digest, repository, tag};

    #[test]
    fn every_event_is_read_as_it_was_written() {
        let (repository, digest, tag) = (repository("a/b"), digest("x"), tag("v1"));
        let (name, some) = (|| repository.clone(), || digest.clone());
        let events = [
            Event::ManifestPut {
                repository: name(),
                digest: some(),
                media_type: "m/t".to_owned(),
                size: 7,
                subject: Some(some()),
                created: true,
            },
            Event::TagSet { repository: name(), tag: tag.clone(), digest: some(), previous: Some(some()) },
            Event::TagSet { repository: name(), tag: tag.clone(), digest: some(), previous: None },
            Event::TagDeleted { repository: name(), tag: tag.clone(), digest: some() },
            Event::ManifestDeleted { repository: name(), digest: some(), subject: Some(some()) },
            Event::BlobLinked { repository: name(), digest: some(), size: 7, mounted_from: Some(name()) },
            Event::BlobUnlinked { repository: name(), digest: some() },
            Event::Doomed { digest: some() },
        ];
        let written = encode(&events);
        assert_eq!(decode(&written).as_deref(), Ok(&events[..]));
        for length in 0..written.len() {
            assert!(decode(&written[..length]).is_err(), "{length} bytes");
        }
    }
}
