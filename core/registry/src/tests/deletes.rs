//! Deletes: what goes, what stays, and that nothing deleted is served.

use dockless_oci::Digest;
use serde_json::json;

use super::fixture::{asked, image, image_of, name, on_both, tag};
use crate::Error;

#[test]
fn a_deleted_tag_leaves_its_manifest() {
    on_both(|machine| {
        let bytes = image_of("x");
        let digest = machine.put("a", "v1", &bytes).unwrap().digest;
        machine.put("a", "v2", &bytes).unwrap();
        machine.run(machine.registry.delete_tag(&name("a"), &tag("v1"))).unwrap();
        assert_eq!(machine.manifest("a", "v1"), Err(Error::ManifestUnknown));
        assert_eq!(machine.manifest("a", "v2").unwrap(), bytes);
        assert_eq!(machine.manifest("a", digest.as_str()).unwrap(), bytes);
        let again = machine.run(machine.registry.delete_tag(&name("a"), &tag("v1")));
        assert_eq!(again, Err(Error::ManifestUnknown));
        let nowhere = machine.run(machine.registry.delete_tag(&name("nowhere"), &tag("v1")));
        assert_eq!(nowhere, Err(Error::ManifestUnknown));
    });
}

#[test]
fn a_deleted_manifest_takes_its_tags_along_in_its_repository_only() {
    on_both(|machine| {
        let (bytes, other) = (image_of("x"), image_of("y"));
        let digest = machine.put("a", "v1", &bytes).unwrap().digest;
        for (repository, reference, bytes) in
            [("a", "v2", &bytes), ("a", "kept", &other), ("b", "v1", &bytes)]
        {
            machine.put(repository, reference, bytes).unwrap();
        }
        assert_eq!(machine.manifest("a", "v1").unwrap(), bytes, "now in memory");
        machine.run(machine.registry.delete_manifest(&name("a"), &digest)).unwrap();
        for reference in ["v1", "v2", digest.as_str()] {
            assert_eq!(machine.manifest("a", reference), Err(Error::ManifestUnknown), "{reference}");
        }
        assert_eq!(machine.tags("a"), ["kept"]);
        assert_eq!(machine.manifest("b", "v1").unwrap(), bytes);
        let again = machine.run(machine.registry.delete_manifest(&name("a"), &digest));
        assert_eq!(again, Err(Error::ManifestUnknown));
    });
}

#[test]
fn a_blob_goes_when_no_manifest_of_the_repository_needs_it() {
    on_both(|machine| {
        let digest = machine.push_blob("a", b"layer");
        machine.push_blob("b", b"layer");
        let manifest = machine.put("a", "v1", &image(&[b"layer"], json!({}))).unwrap().digest;
        assert_eq!(machine.blob("a", &digest).unwrap(), &b"layer"[..], "now in memory");
        let delete = |repository: &str| machine.run(machine.registry.delete_blob(&name(repository), &digest));
        assert_eq!(delete("a"), Err(Error::BlobReferenced { by: manifest.clone() }));
        assert_eq!(delete("b"), Ok(()));
        assert_eq!(
            machine.blob("b", &digest),
            Err(Error::BlobUnknown),
            "though it is in memory and on the disk"
        );
        machine.run(machine.registry.delete_manifest(&name("a"), &manifest)).unwrap();
        assert_eq!(delete("a"), Ok(()));
        assert_eq!(machine.blob("a", &digest), Err(Error::BlobUnknown));
        assert_eq!(delete("a"), Err(Error::BlobUnknown));
        machine.push_blob("a", b"layer");
        assert_eq!(machine.blob("a", &digest).unwrap(), &b"layer"[..], "doomed, and revived");
        assert!(machine.registry.inner.view().unwrap().doomed(None, 10).unwrap().is_empty());
    });
}

#[test]
fn an_open_blob_is_read_to_its_end_though_it_is_deleted() {
    on_both(|machine| {
        let bytes = vec![1; 500_000];
        let digest = machine.push_blob("a", &bytes);
        let content = machine.run(machine.registry.blob(&asked("a"), &digest)).unwrap();
        let crate::BlobBody::File(blob) = content.body else { panic!("too large for the memory") };
        machine.run(machine.registry.delete_blob(&name("a"), &digest)).unwrap();
        assert_eq!(machine.run(blob.read(400_000, 100_000)).unwrap(), vec![1; 100_000]);
    });
}

#[test]
fn content_of_another_kind_is_not_found() {
    on_both(|machine| {
        let bytes = image_of("x");
        let manifest = machine.put("a", "v1", &bytes).unwrap().digest;
        let blob = machine.push_blob("a", b"layer");
        assert_eq!(machine.blob("a", &manifest), Err(Error::BlobUnknown));
        assert_eq!(machine.manifest("a", blob.as_str()), Err(Error::ManifestUnknown));
        let delete = machine.run(machine.registry.delete_blob(&name("a"), &manifest));
        assert_eq!(delete, Err(Error::BlobUnknown));
        let delete = machine.run(machine.registry.delete_manifest(&name("a"), &Digest::sha256(b"layer")));
        assert_eq!(delete, Err(Error::ManifestUnknown));
    });
}
