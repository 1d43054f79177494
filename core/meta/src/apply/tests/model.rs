//! What the ledger should do, in the plainest way: no index, every question answered by looking at everything.

use std::collections::{BTreeMap, BTreeSet};

use dockless_oci::descriptor::Descriptor;
use dockless_oci::digest::Digest;
use dockless_oci::manifest::ReferenceKind;
use dockless_oci::name::{RepositoryName, Tag};

use super::{BLOBS, MANIFESTS, REPOSITORIES, TAGS};
use crate::answer::{Doomed, Totals, Usage};
use crate::command::{Command, PutManifest, Rejection, TagCondition};
use crate::conformance::sample::{digest, repository, tag};
use crate::event::Event;
use crate::view::View;

/// Repository and digest.
type Place = (String, Digest);

#[derive(Debug, Default)]
pub(super) struct Model {
    manifests: BTreeMap<Place, PutManifest>,
    tags: BTreeMap<(String, String), Digest>,
    links: BTreeMap<Place, u64>,
    doomed: BTreeMap<Digest, (u64, bool)>,
}

impl Model {
    pub(super) fn apply(&mut self, time_ms: u64, command: &Command) -> Result<Vec<Event>, Rejection> {
        match command.clone() {
            Command::PutManifest(put) => self.put(put),
            Command::SetTag { repository, tag, digest, immutable } => {
                self.set_tag(repository, tag, digest, immutable)
            }
            Command::DeleteTag { repository, tag } => {
                let key = (repository.to_string(), tag.to_string());
                let digest = self.tags.remove(&key).ok_or(Rejection::TagUnknown)?;
                Ok(vec![Event::TagDeleted { repository, tag, digest }])
            }
            Command::DeleteManifest { repository, digest } => self.delete_manifest(repository, digest),
            Command::ExpectBlob { digest } => {
                if self.size_anywhere(&digest).is_none() {
                    self.doomed.insert(digest, (time_ms, true));
                }
                Ok(Vec::new())
            }
            Command::ForgetBlob { digest } => {
                self.doomed.remove(&digest);
                Ok(Vec::new())
            }
            Command::LinkBlob { repository, digest, size } => {
                match self.size_anywhere(&digest) {
                    Some(stored) if stored != size => {
                        return Err(Rejection::SizeConflict { digest, stored, stated: size });
                    }
                    _ => self.doomed.remove(&digest),
                };
                let before = self.links.insert((repository.to_string(), digest.clone()), size);
                let event = Event::BlobLinked { repository, digest, size, mounted_from: None };
                Ok(if before.is_none() { vec![event] } else { Vec::new() })
            }
            Command::MountBlob { from, repository, digest } => {
                let source = self.links.get(&(from.to_string(), digest.clone())).copied();
                let size = source.ok_or(Rejection::SourceUnknown)?;
                let before = self.links.insert((repository.to_string(), digest.clone()), size);
                let event = Event::BlobLinked { repository, digest, size, mounted_from: Some(from) };
                Ok(if before.is_none() { vec![event] } else { Vec::new() })
            }
            Command::UnlinkBlob { repository, digest } => {
                let place = (repository.to_string(), digest.clone());
                if !self.links.contains_key(&place) {
                    return Err(Rejection::BlobUnknown);
                }
                if let Some(by) = self.referenced_by(&place.0, &digest) {
                    return Err(Rejection::BlobReferenced { by });
                }
                self.links.remove(&place);
                let mut events = vec![Event::BlobUnlinked { repository, digest: digest.clone() }];
                if self.size_anywhere(&digest).is_none() {
                    self.doomed.insert(digest.clone(), (time_ms, false));
                    events.push(Event::Doomed { digest });
                }
                Ok(events)
            }
        }
    }

    fn set_tag(
        &mut self,
        repository: RepositoryName,
        tag: Tag,
        digest: Digest,
        immutable: bool,
    ) -> Result<Vec<Event>, Rejection> {
        if !self.manifests.contains_key(&(repository.to_string(), digest.clone())) {
            return Err(Rejection::ManifestUnknown);
        }
        let key = (repository.to_string(), tag.to_string());
        match self.tags.get(&key) {
            Some(current) if *current == digest => Ok(Vec::new()),
            Some(current) if immutable => Err(Rejection::TagImmutable { tag, current: current.clone() }),
            _ => {
                let previous = self.tags.insert(key, digest.clone());
                Ok(vec![Event::TagSet { repository, tag, digest, previous }])
            }
        }
    }

    fn delete_manifest(
        &mut self,
        repository: RepositoryName,
        digest: Digest,
    ) -> Result<Vec<Event>, Rejection> {
        let place = (repository.to_string(), digest.clone());
        let removed = self.manifests.remove(&place).ok_or(Rejection::ManifestUnknown)?;
        let mut events = Vec::new();
        for name in TAGS {
            let key = (place.0.clone(), name.to_owned());
            if self.tags.get(&key) == Some(&digest) {
                self.tags.remove(&key);
                let (repository, digest) = (repository.clone(), digest.clone());
                events.push(Event::TagDeleted { repository, tag: tag(name), digest });
            }
        }
        events.push(Event::ManifestDeleted { repository, digest, subject: removed.facts.subject });
        Ok(events)
    }

    fn put(&mut self, put: PutManifest) -> Result<Vec<Event>, Rejection> {
        let name = put.repository.to_string();
        let tags: Vec<_> = put.tags.iter().map(|tag| (name.clone(), tag.to_string())).collect();
        if tags.is_empty() {
            let held = self.manifests.get(&(name.clone(), put.digest.clone()));
            check(&put, held.map(|held| held.digest.clone()))?;
        }
        for (key, tag) in tags.iter().zip(&put.tags) {
            let current = self.tags.get(key).cloned();
            check(&put, current.clone())?;
            match current {
                Some(current) if put.immutable_tags && current != put.digest => {
                    return Err(Rejection::TagImmutable { tag: tag.clone(), current });
                }
                _ => {}
            }
        }
        let mut missing = Vec::new();
        for reference in &put.facts.references {
            let place = (name.clone(), reference.digest.clone());
            let stored = match reference.kind {
                ReferenceKind::Blob => self.links.get(&place).copied(),
                ReferenceKind::Manifest => self.manifests.get(&place).map(|held| held.bytes.len() as u64),
            };
            if let Some(stored) = stored.filter(|stored| *stored != reference.size) {
                let digest = reference.digest.clone();
                return Err(Rejection::SizeConflict { digest, stored, stated: reference.size });
            }
            if put.require_references && stored.is_none() && !reference.foreign {
                missing.push(reference.digest.clone());
            }
        }
        if !missing.is_empty() {
            return Err(Rejection::ReferencesMissing { digests: missing });
        }
        let created = self.manifests.insert((name, put.digest.clone()), put.clone()).is_none();
        let mut events = vec![Event::ManifestPut {
            repository: put.repository.clone(),
            digest: put.digest.clone(),
            media_type: put.media_type,
            size: put.bytes.len() as u64,
            subject: put.facts.subject,
            created,
        }];
        for (key, tag) in tags.into_iter().zip(put.tags) {
            let previous = self.tags.insert(key, put.digest.clone());
            if previous.as_ref() != Some(&put.digest) {
                let (repository, digest) = (put.repository.clone(), put.digest.clone());
                events.push(Event::TagSet { repository, tag, digest, previous });
            }
        }
        Ok(events)
    }

    fn size_anywhere(&self, digest: &Digest) -> Option<u64> {
        self.links.iter().find(|((_, linked), _)| linked == digest).map(|(_, size)| *size)
    }

    fn referenced_by(&self, name: &str, digest: &Digest) -> Option<Digest> {
        let mut held = self.manifests.iter().filter(|((place, _), _)| place == name);
        held.find(|(_, put)| put.facts.references.iter().any(|reference| reference.digest == *digest))
            .map(|((_, by), _)| by.clone())
    }

    /// Compares every answer of a view.
    pub(super) fn check(&self, view: &View) {
        for name in REPOSITORIES {
            self.check_repository(view, name);
        }
        let catalog: BTreeSet<_> = self.manifests.keys().map(|(name, _)| name.as_str()).collect();
        let listed = view.repositories(None, 99).unwrap();
        assert_eq!(listed.iter().map(|name| name.as_str()).collect::<Vec<_>>(), Vec::from_iter(catalog));
        for name in BLOBS {
            let digest = digest(name);
            let holders = self.links.keys().filter(|(_, linked)| *linked == digest);
            let holders: Vec<_> = holders.map(|(name, _)| repository(name)).collect();
            assert_eq!(view.blob_holders(&digest, None, 99).unwrap(), holders);
        }
        let doomed = self.doomed.iter().map(|(digest, (since_ms, expected))| Doomed {
            digest: digest.clone(),
            since_ms: *since_ms,
            expected: *expected,
        });
        assert_eq!(view.doomed(None, 99).unwrap(), doomed.collect::<Vec<_>>());
        assert_eq!(view.totals().unwrap(), self.totals());
    }

    fn check_repository(&self, view: &View, name: &str) {
        let repo = repository(name);
        let tags = self.tags.iter().filter(|((place, _), _)| place == name);
        let tags: Vec<_> = tags.map(|((_, name), digest)| (tag(name), digest.clone())).collect();
        assert_eq!(view.tags(&repo, None, 99).unwrap(), tags);
        for bytes in MANIFESTS {
            let digest = digest(bytes);
            let held = self.manifests.get(&(name.to_owned(), digest.clone()));
            let found = view.manifest(&repo, &digest).unwrap();
            let found = found.map(|found| (found.media_type, found.bytes, found.facts));
            assert_eq!(found, held.map(|put| (put.media_type.clone(), put.bytes.clone(), put.facts.clone())));
            let head = view.manifest_head(&repo, &digest).unwrap();
            let head = head.map(|head| (head.media_type, head.size));
            assert_eq!(head, held.map(|put| (put.media_type.clone(), put.bytes.len() as u64)));
            let pointing = tags.iter().filter(|(_, target)| *target == digest);
            let pointing: Vec<_> = pointing.map(|(tag, _)| tag.clone()).collect();
            assert_eq!(view.tags_of(&repo, &digest, 99).unwrap(), pointing);
            assert_eq!(view.referrers(&repo, &digest, None, 99).unwrap(), self.referrers(name, &digest));
            assert_eq!(view.referenced_by(&repo, &digest).unwrap(), self.referenced_by(name, &digest));
        }
        for blob in BLOBS {
            let place = (name.to_owned(), digest(blob));
            assert_eq!(view.blob(&repo, &place.1).unwrap(), self.links.get(&place).copied());
            assert_eq!(view.referenced_by(&repo, &place.1).unwrap(), self.referenced_by(name, &place.1));
        }
        assert_eq!(view.usage(&repo).unwrap(), self.usage(name));
        assert_eq!(view.repository_exists(&repo).unwrap(), self.usage(name) != Usage::default());
    }

    fn referrers(&self, name: &str, subject: &Digest) -> Vec<Descriptor> {
        let held = self.manifests.iter().filter(|((place, _), _)| place == name);
        held.filter(|(_, put)| put.facts.subject.as_ref() == Some(subject))
            .map(|((_, digest), put)| {
                let size = put.bytes.len() as u64;
                let mut descriptor = Descriptor::new(put.media_type.clone(), digest.clone(), size);
                descriptor.artifact_type.clone_from(&put.facts.artifact_type);
                let annotations = &put.facts.annotations;
                descriptor.annotations = (!annotations.is_empty()).then(|| annotations.clone());
                descriptor
            })
            .collect()
    }

    fn usage(&self, name: &str) -> Usage {
        let manifests: Vec<_> = self.manifests.iter().filter(|((place, _), _)| place == name).collect();
        let links: Vec<_> = self.links.iter().filter(|((place, _), _)| place == name).collect();
        let manifest_bytes: usize = manifests.iter().map(|(_, put)| put.bytes.len()).sum();
        Usage {
            manifests: manifests.len() as u64,
            tags: self.tags.keys().filter(|(place, _)| place == name).count() as u64,
            blobs: links.len() as u64,
            bytes: manifest_bytes as u64 + links.iter().map(|(_, size)| **size).sum::<u64>(),
        }
    }

    fn totals(&self) -> Totals {
        let blobs: BTreeMap<_, _> = self.links.iter().map(|((_, digest), size)| (digest, *size)).collect();
        let contents = self.manifests.iter().map(|((_, digest), put)| (digest, put.bytes.len() as u64));
        let contents: BTreeMap<_, _> = contents.collect();
        let used = REPOSITORIES.iter().filter(|name| self.usage(name) != Usage::default());
        Totals {
            repositories: used.count() as u64,
            blobs: blobs.len() as u64,
            bytes: blobs.values().sum::<u64>() + contents.values().sum::<u64>(),
            manifests: self.manifests.len() as u64,
            tags: self.tags.len() as u64,
            doomed: self.doomed.len() as u64,
        }
    }
}

/// What a tag or a manifest is now against what the put says it must be.
fn check(put: &PutManifest, current: Option<Digest>) -> Result<(), Rejection> {
    let allowed = match (&put.only_if, &current) {
        (None, _) | (Some(TagCondition::Absent), None) | (Some(TagCondition::Exists), Some(_)) => true,
        (Some(TagCondition::MatchOneOf(digests)), Some(current)) => digests.iter().any(|one| one == current),
        _ => false,
    };
    if allowed { Ok(()) } else { Err(Rejection::TagChanged { current }) }
}
