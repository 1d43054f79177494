//! Names, digests and commands to test with, and what comes of them.

use bytes::Bytes;
use dockless_oci::digest::Digest;
use dockless_oci::manifest::{ManifestFacts, ReferenceFact, ReferenceKind};
use dockless_oci::media_type::OCI_MANIFEST;
use dockless_oci::name::{RepositoryName, Tag};

use crate::command::{Command, PutManifest, Rejection, TagCondition};
use crate::event::Event;
use crate::ledger::Ledger;

/// The repository of this name.
///
/// # Panics
/// When it is no name.
#[must_use]
pub fn repository(name: &str) -> RepositoryName {
    RepositoryName::parse(name).expect("tests name repositories well")
}

/// The tag of this name.
///
/// # Panics
/// When it is no name.
#[must_use]
pub fn tag(name: &str) -> Tag {
    Tag::parse(name).expect("tests name tags well")
}

/// The digest of a text.
#[must_use]
pub fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}

/// The size of the blob that [`layer`] names.
pub const LAYER_BYTES: u64 = 1_000;

/// A reference to a blob of [`LAYER_BYTES`].
#[must_use]
pub fn layer(text: &str) -> ReferenceFact {
    ReferenceFact { digest: digest(text), kind: ReferenceKind::Blob, size: LAYER_BYTES, foreign: false }
}

/// A manifest with these bytes, which need not be one.
#[must_use]
pub fn manifest(name: &str, bytes: &str) -> PutManifest {
    PutManifest {
        repository: repository(name),
        digest: digest(bytes),
        media_type: OCI_MANIFEST.to_owned(),
        bytes: Bytes::copy_from_slice(bytes.as_bytes()),
        facts: ManifestFacts::default(),
        tags: Vec::new(),
        only_if: None,
        immutable_tags: false,
        require_references: false,
    }
}

/// Puts the manifest with these bytes under these tags.
#[must_use]
pub fn put(name: &str, bytes: &str, tags: &[&str]) -> Command {
    let tags = tags.iter().map(|name| tag(name)).collect();
    Command::PutManifest(PutManifest { tags, ..manifest(name, bytes) })
}

/// Puts the manifest with these bytes that references blobs of [`LAYER_BYTES`].
#[must_use]
pub fn put_with_layers(name: &str, bytes: &str, layers: &[&str]) -> Command {
    let references = layers.iter().map(|text| layer(text)).collect();
    let facts = ManifestFacts { references, ..ManifestFacts::default() };
    Command::PutManifest(PutManifest { facts, ..manifest(name, bytes) })
}

/// Links the blob [`layer`] names.
#[must_use]
pub fn link(name: &str, text: &str) -> Command {
    Command::LinkBlob { repository: repository(name), digest: digest(text), size: LAYER_BYTES }
}

/// Takes that link away.
#[must_use]
pub fn unlink(name: &str, text: &str) -> Command {
    Command::UnlinkBlob { repository: repository(name), digest: digest(text) }
}

/// Mounts the blob [`layer`] names.
#[must_use]
pub fn mount(from: &str, name: &str, text: &str) -> Command {
    Command::MountBlob { from: repository(from), repository: repository(name), digest: digest(text) }
}

/// Deletes the manifest with these bytes.
#[must_use]
pub fn delete(name: &str, bytes: &str) -> Command {
    Command::DeleteManifest { repository: repository(name), digest: digest(bytes) }
}

/// Points a tag at the manifest with these bytes.
#[must_use]
pub fn set_tag(name: &str, tag_name: &str, bytes: &str) -> Command {
    Command::SetTag {
        repository: repository(name),
        tag: tag(tag_name),
        digest: digest(bytes),
        immutable: false,
    }
}

/// Deletes a tag.
#[must_use]
pub fn delete_tag(name: &str, tag_name: &str) -> Command {
    Command::DeleteTag { repository: repository(name), tag: tag(tag_name) }
}

/// The events of a command that is carried out.
pub(super) async fn done(ledger: &dyn Ledger, command: Command) -> Vec<Event> {
    ledger.submit(command).await.expect("an answer").outcome.expect("no rejection")
}

/// Why a command is refused.
pub(super) async fn refused(ledger: &dyn Ledger, command: Command) -> Rejection {
    let before = ledger.view().expect("a view").totals().expect("totals");
    let applied = ledger.submit(command).await.expect("an answer");
    let view = ledger.view().expect("a view");
    assert_eq!(view.index(), applied.index, "a refused command has its number");
    assert_eq!(view.totals().expect("totals"), before, "a refused command changes nothing");
    applied.outcome.expect_err("a rejection")
}

/// The commands behind the committed fixtures: every kind of the time, refused ones too. Frozen with them.
#[must_use]
pub fn life() -> Vec<Command> {
    let referrer = PutManifest {
        facts: ManifestFacts {
            subject: Some(digest("{\"one\":1}")),
            artifact_type: Some("application/vnd.example.signature".to_owned()),
            annotations: [("by".to_owned(), "someone".to_owned())].into(),
            ..ManifestFacts::default()
        },
        ..manifest("library/app", "{\"signature\":1}")
    };
    vec![
        Command::ExpectBlob { digest: digest("config") },
        link("library/app", "config"),
        link("library/app", "layer"),
        put_with_layers("library/app", "{\"one\":1}", &["config", "layer"]),
        put("library/app", "{\"two\":2}", &["latest", "v2"]),
        Command::PutManifest(referrer.clone()),
        mount("library/app", "mirror", "layer"),
        link("library/app", "old"),
        unlink("library/app", "config"),
        unlink("library/app", "old"),
        delete_tag("library/app", "never"),
        Command::ExpectBlob { digest: digest("next") },
        Command::PutManifest(PutManifest {
            repository: repository("mirror"),
            tags: vec![tag("latest")],
            only_if: Some(TagCondition::Absent),
            immutable_tags: true,
            ..referrer
        }),
        put("library/app", "{\"three\":3}", &["latest"]),
        delete("library/app", "{\"two\":2}"),
        delete_tag("library/app", "latest"),
        Command::ForgetBlob { digest: digest("old") },
        unlink("mirror", "layer"),
    ]
}
