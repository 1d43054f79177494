//! Version 1 of a record. Frozen: add a version, never change what bytes of this one mean.
//!
//! After the byte of version stand the kind (one byte), the time and the fields of the command, in the order of the
//! code below. Integers are little-endian base 128; strings have their length first; a digest is a byte of algorithm
//! (1 blake3, 2 sha256, 3 sha512) and its raw bytes; what may be missing has a byte 0 or 1 first.

use bytes::Bytes;
use dockless_oci::manifest::{ManifestFacts, ReferenceFact, ReferenceKind};

use super::field::{FieldReader, FieldWriter, RecordError};
use crate::command::{Command, PutManifest, TagCondition};

/// The first byte of such a record.
pub const VERSION: u8 = 1;

const PUT_MANIFEST: u8 = 1;
const DELETE_TAG: u8 = 2;
const DELETE_MANIFEST: u8 = 3;
const EXPECT_BLOB: u8 = 4;
const LINK_BLOB: u8 = 5;
const MOUNT_BLOB: u8 = 6;
const UNLINK_BLOB: u8 = 7;
const FORGET_BLOB: u8 = 8;
const SET_TAG: u8 = 9;

const ANYTHING: u8 = 0;
const ABSENT: u8 = 1;
const MATCH_ONE: u8 = 2;
const EXISTS: u8 = 3;
const MATCH_ONE_OF: u8 = 4;

/// Bits of the last byte of a put.
const IMMUTABLE_TAGS: u8 = 1;
const REQUIRE_REFERENCES: u8 = 2;

/// Bytes of a record beside a manifest's own: names, digests, lengths.
const OVERHEAD_BYTES: usize = 1_024;

/// Writes a command that was accepted at `time_ms`.
pub(super) fn encode(time_ms: u64, command: &Command) -> Vec<u8> {
    let content = if let Command::PutManifest(put) = command { put.bytes.len() } else { 0 };
    let mut writer = FieldWriter::with_capacity(OVERHEAD_BYTES + content);
    writer.byte(VERSION);
    writer.byte(kind(command));
    writer.integer(time_ms);
    match command {
        Command::PutManifest(put) => write_put(&mut writer, put),
        Command::SetTag { repository, tag, digest, immutable } => {
            writer.text(repository.as_str());
            writer.text(tag.as_str());
            writer.digest(digest);
            writer.flag(*immutable);
        }
        Command::DeleteTag { repository, tag } => {
            writer.text(repository.as_str());
            writer.text(tag.as_str());
        }
        Command::DeleteManifest { repository, digest } | Command::UnlinkBlob { repository, digest } => {
            writer.text(repository.as_str());
            writer.digest(digest);
        }
        Command::ExpectBlob { digest } | Command::ForgetBlob { digest } => writer.digest(digest),
        Command::LinkBlob { repository, digest, size } => {
            writer.text(repository.as_str());
            writer.digest(digest);
            writer.integer(*size);
        }
        Command::MountBlob { from, repository, digest } => {
            writer.text(from.as_str());
            writer.text(repository.as_str());
            writer.digest(digest);
        }
    }
    writer.finish()
}

const fn kind(command: &Command) -> u8 {
    match command {
        Command::PutManifest(_) => PUT_MANIFEST,
        Command::SetTag { .. } => SET_TAG,
        Command::DeleteTag { .. } => DELETE_TAG,
        Command::DeleteManifest { .. } => DELETE_MANIFEST,
        Command::ExpectBlob { .. } => EXPECT_BLOB,
        Command::LinkBlob { .. } => LINK_BLOB,
        Command::MountBlob { .. } => MOUNT_BLOB,
        Command::UnlinkBlob { .. } => UNLINK_BLOB,
        Command::ForgetBlob { .. } => FORGET_BLOB,
    }
}

/// Reads what follows the byte of version.
pub(super) fn decode(bytes: &[u8]) -> Result<(u64, Command), RecordError> {
    let mut reader = FieldReader::new(bytes);
    let kind = reader.byte()?;
    let time_ms = reader.integer()?;
    let command = read_command(kind, &mut reader)?;
    reader.end()?;
    Ok((time_ms, command))
}

fn read_command(kind: u8, reader: &mut FieldReader<'_>) -> Result<Command, RecordError> {
    Ok(match kind {
        PUT_MANIFEST => Command::PutManifest(read_put(reader)?),
        SET_TAG => Command::SetTag {
            repository: reader.repository()?,
            tag: reader.tag()?,
            digest: reader.digest()?,
            immutable: reader.flag()?,
        },
        DELETE_TAG => Command::DeleteTag { repository: reader.repository()?, tag: reader.tag()? },
        DELETE_MANIFEST => {
            Command::DeleteManifest { repository: reader.repository()?, digest: reader.digest()? }
        }
        EXPECT_BLOB => Command::ExpectBlob { digest: reader.digest()? },
        LINK_BLOB => Command::LinkBlob {
            repository: reader.repository()?,
            digest: reader.digest()?,
            size: reader.integer()?,
        },
        MOUNT_BLOB => Command::MountBlob {
            from: reader.repository()?,
            repository: reader.repository()?,
            digest: reader.digest()?,
        },
        UNLINK_BLOB => Command::UnlinkBlob { repository: reader.repository()?, digest: reader.digest()? },
        FORGET_BLOB => Command::ForgetBlob { digest: reader.digest()? },
        _ => return Err(RecordError::Invalid("kind")),
    })
}

fn write_put(writer: &mut FieldWriter, put: &PutManifest) {
    writer.text(put.repository.as_str());
    writer.digest(&put.digest);
    writer.text(&put.media_type);
    writer.bytes(&put.bytes);
    write_facts(writer, &put.facts);
    writer.count(put.tags.len());
    for tag in &put.tags {
        writer.text(tag.as_str());
    }
    write_condition(writer, put.only_if.as_ref());
    let immutable = if put.immutable_tags { IMMUTABLE_TAGS } else { 0 };
    writer.byte(immutable | if put.require_references { REQUIRE_REFERENCES } else { 0 });
}

fn write_condition(writer: &mut FieldWriter, condition: Option<&TagCondition>) {
    match condition {
        None => writer.byte(ANYTHING),
        Some(TagCondition::Absent) => writer.byte(ABSENT),
        Some(TagCondition::Exists) => writer.byte(EXISTS),
        Some(TagCondition::MatchOneOf(digests)) => match &digests[..] {
            [digest] => {
                writer.byte(MATCH_ONE);
                writer.digest(digest);
            }
            digests => {
                writer.byte(MATCH_ONE_OF);
                writer.count(digests.len());
                digests.iter().for_each(|digest| writer.digest(digest));
            }
        },
    }
}

fn read_put(reader: &mut FieldReader<'_>) -> Result<PutManifest, RecordError> {
    let mut put = PutManifest {
        repository: reader.repository()?,
        digest: reader.digest()?,
        media_type: reader.text()?.to_owned(),
        bytes: Bytes::copy_from_slice(reader.bytes()?),
        facts: read_facts(reader)?,
        tags: reader.list(FieldReader::tag)?,
        only_if: read_condition(reader)?,
        immutable_tags: false,
        require_references: false,
    };
    let flags = reader.byte()?;
    if flags & !(IMMUTABLE_TAGS | REQUIRE_REFERENCES) != 0 {
        return Err(RecordError::Invalid("flag"));
    }
    put.immutable_tags = flags & IMMUTABLE_TAGS != 0;
    put.require_references = flags & REQUIRE_REFERENCES != 0;
    Ok(put)
}

fn read_condition(reader: &mut FieldReader<'_>) -> Result<Option<TagCondition>, RecordError> {
    Ok(Some(match reader.byte()? {
        ANYTHING => return Ok(None),
        ABSENT => TagCondition::Absent,
        EXISTS => TagCondition::Exists,
        MATCH_ONE => TagCondition::MatchOneOf(vec![reader.digest()?]),
        MATCH_ONE_OF => match reader.list(FieldReader::digest)? {
            // One digest has its own form: what means the same is written the same.
            digests if digests.len() == 1 => return Err(RecordError::Invalid("tag condition")),
            digests => TagCondition::MatchOneOf(digests),
        },
        _ => return Err(RecordError::Invalid("tag condition")),
    }))
}

/// Writes what was read from a manifest.
pub(crate) fn write_facts(writer: &mut FieldWriter, facts: &ManifestFacts) {
    writer.count(facts.references.len());
    for reference in &facts.references {
        writer.digest(&reference.digest);
        let kind = match reference.kind {
            ReferenceKind::Blob => 0,
            ReferenceKind::Manifest => 1,
        };
        writer.byte(kind | u8::from(reference.foreign) << 1);
        writer.integer(reference.size);
    }
    writer.optional(facts.subject.as_ref(), FieldWriter::digest);
    writer.optional(facts.artifact_type.as_deref(), FieldWriter::text);
    writer.map(&facts.annotations);
}

/// Reads what [`write_facts`] wrote.
pub(crate) fn read_facts(reader: &mut FieldReader<'_>) -> Result<ManifestFacts, RecordError> {
    Ok(ManifestFacts {
        references: reader.list(read_reference)?,
        subject: reader.optional(FieldReader::digest)?,
        artifact_type: reader.optional(|reader| Ok(reader.text()?.to_owned()))?,
        annotations: reader.map()?,
    })
}

fn read_reference(reader: &mut FieldReader<'_>) -> Result<ReferenceFact, RecordError> {
    let digest = reader.digest()?;
    let bits = reader.byte()?;
    if bits > 3 {
        return Err(RecordError::Invalid("reference"));
    }
    Ok(ReferenceFact {
        digest,
        kind: if bits & 1 == 0 { ReferenceKind::Blob } else { ReferenceKind::Manifest },
        foreign: bits & 2 != 0,
        size: reader.integer()?,
    })
}

/// No fewer bytes than a put takes as a record.
pub(super) fn size_bound(put: &PutManifest) -> usize {
    /// Algorithm, 64 bytes of the longest digest, kind and size.
    const REFERENCE_BYTES_MAX: usize = 76;
    /// A tag or a digest, and the length of a string.
    const SHORT_BYTES_MAX: usize = 138;
    let matched = match &put.only_if {
        Some(TagCondition::MatchOneOf(digests)) => digests.len(),
        _ => 0,
    };
    let facts = &put.facts;
    let annotations: usize = facts.annotations.iter().map(|(key, value)| key.len() + value.len() + 20).sum();
    OVERHEAD_BYTES
        + put.media_type.len()
        + put.bytes.len()
        + facts.references.len() * REFERENCE_BYTES_MAX
        + facts.artifact_type.as_ref().map_or(0, String::len)
        + annotations
        + (put.tags.len() + matched) * SHORT_BYTES_MAX
}
