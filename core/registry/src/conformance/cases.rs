//! The cases.

use std::collections::BTreeSet;

use bytes::Bytes;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_runtime::BoxFuture;
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::{Case, Offer, Subject, read_blob};
use crate::source::{Asked, SourceBlob, SourceError};

/// Calls at once in the case of many.
const MANY: usize = 20;

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let case = |name, run| Case { name, run };
    vec![
        case("says the same of itself each time", says_the_same),
        case("has the manifest of each tag, and the same bytes under its digest", has_manifests),
        case("has each blob of what it offers, whole and in any range", has_blobs),
        case("has a blob in no repository that does not need it", keeps_repositories_apart),
        case("has nothing else", has_nothing_else),
        case("lists tags, each once", lists_tags),
        case("lists repositories, each once", lists_repositories),
        case("answers many at once", answers_many),
        case("goes on after calls that were dropped", survives_drops),
        case("gives a stranger nothing", refuses_strangers),
        case("says how it is", says_how_it_is),
    ]
}

type Running = BoxFuture<'static, ()>;

impl Subject {
    fn asked(&self, offer: &Offer) -> Asked {
        Asked { repository: offer.repository.clone(), namespace: None, principal: self.principal.clone() }
    }

    async fn check_manifest(&self, offer: &Offer, reference: Reference, expected: &Digest) {
        let manifest = self.source.manifest(&self.asked(offer), &reference).await;
        let manifest = manifest.unwrap_or_else(|error| panic!("{reference}: {error}"));
        let manifest = manifest.unwrap_or_else(|| panic!("{reference} of {} is not there", offer.repository));
        let offered = &offer.manifests[expected];
        assert_eq!(manifest.bytes, offered.bytes, "{reference}");
        assert_eq!((&manifest.digest, &manifest.media_type), (expected, &offered.media_type), "{reference}");
    }

    async fn check_all(&self) {
        for offer in &self.offers {
            for (tag, digest) in &offer.tags {
                self.check_manifest(offer, Reference::Tag(tag.clone()), digest).await;
            }
            for digest in offer.manifests.keys() {
                self.check_manifest(offer, Reference::Digest(digest.clone()), digest).await;
            }
            for (digest, bytes) in &offer.blobs {
                let read = read_blob(&*self.source, &self.asked(offer), digest).await;
                assert!(read == Ok(Some(bytes.clone())), "{digest} of {} has its bytes", offer.repository);
            }
        }
    }
}

fn says_the_same(subject: Subject) -> Running {
    async move {
        let traits = subject.source.traits().clone();
        assert!(!traits.label.is_empty(), "it has a name");
        subject.check_all().await;
        assert_eq!(*subject.source.traits(), traits);
    }
    .boxed()
}

fn has_manifests(subject: Subject) -> Running {
    async move {
        for offer in &subject.offers {
            for (tag, digest) in &offer.tags {
                subject.check_manifest(offer, Reference::Tag(tag.clone()), digest).await;
                subject.check_manifest(offer, Reference::Digest(digest.clone()), digest).await;
            }
        }
    }
    .boxed()
}

fn has_blobs(subject: Subject) -> Running {
    async move {
        subject.check_all().await;
        for offer in &subject.offers {
            for (digest, bytes) in &offer.blobs {
                let blob = subject.source.blob(&subject.asked(offer), digest).await;
                if let Some(SourceBlob::InPlace(blob)) = blob.expect("it was there a moment ago") {
                    let size = bytes.len() as u64;
                    assert_eq!(blob.size, size, "{digest}");
                    for offset in [size.saturating_sub(1), size / 2, size / 3, 0, size] {
                        let part = blob.read(offset, 1_000).await.expect("a range can be read");
                        let from = usize::try_from(offset).expect("a blob of a test fits into memory");
                        assert!(part.len() <= 1_000 && (offset == size) == part.is_empty(), "{digest}");
                        assert_eq!(part, bytes.slice(from..from + part.len()), "{digest} from {offset}");
                    }
                }
            }
        }
    }
    .boxed()
}

fn keeps_repositories_apart(subject: Subject) -> Running {
    async move {
        assert!(subject.offers.len() > 1, "the case needs two repositories");
        for offer in &subject.offers {
            let others = subject.offers.iter().flat_map(|other| other.blobs.keys());
            for digest in others.filter(|digest| !offer.blobs.contains_key(*digest)) {
                let read = read_blob(&*subject.source, &subject.asked(offer), digest).await;
                assert_eq!(read, Ok(None), "{digest} of {}", offer.repository);
            }
        }
    }
    .boxed()
}

fn has_nothing_else(subject: Subject) -> Running {
    async move {
        let nowhere = Offer::new("no/such/repository");
        let none = Digest::sha256(b"no such content");
        for offer in subject.offers.iter().chain([&nowhere]) {
            let asked = subject.asked(offer);
            for reference in [Reference::Tag(tag("no-such-tag")), Reference::Digest(none.clone())] {
                assert_eq!(subject.source.manifest(&asked, &reference).await, Ok(None), "{reference}");
            }
            assert_eq!(read_blob(&*subject.source, &asked, &none).await, Ok(None));
        }
        let held = subject.offers[0].tags.keys().next().cloned().unwrap_or_else(|| tag("latest"));
        let asked = subject.asked(&nowhere);
        assert_eq!(subject.source.manifest(&asked, &Reference::Tag(held)).await, Ok(None));
        assert_eq!(subject.source.tags(&asked).await, Ok(None));
    }
    .boxed()
}

fn lists_tags(subject: Subject) -> Running {
    async move {
        for offer in &subject.offers {
            let tags = subject.source.tags(&subject.asked(offer)).await.expect("it lists its tags");
            let mut tags = tags.expect("it has the repository");
            tags.sort_unstable();
            assert_eq!(tags, offer.tags.keys().cloned().collect::<Vec<Tag>>(), "{}", offer.repository);
        }
    }
    .boxed()
}

fn lists_repositories(subject: Subject) -> Running {
    async move {
        let listed =
            subject.source.repositories(&subject.principal).await.expect("it lists its repositories");
        let distinct: BTreeSet<RepositoryName> = listed.iter().cloned().collect();
        assert_eq!(distinct.len(), listed.len(), "each once");
        assert_eq!(distinct, subject.offers.iter().map(|offer| offer.repository.clone()).collect());
    }
    .boxed()
}

fn answers_many(subject: Subject) -> Running {
    async move {
        join_all((0..MANY).map(|_| subject.check_all())).await;
    }
    .boxed()
}

fn survives_drops(subject: Subject) -> Running {
    async move {
        for offer in &subject.offers {
            let asked = subject.asked(offer);
            for digest in offer.manifests.keys() {
                let reference = Reference::Digest(digest.clone());
                drop(subject.source.manifest(&asked, &reference).now_or_never());
            }
            for digest in offer.blobs.keys() {
                drop(subject.source.blob(&asked, digest).now_or_never());
                drop(subject.source.blob(&asked, digest).await);
            }
            drop(subject.source.tags(&asked).now_or_never());
            drop(subject.source.repositories(&subject.principal).now_or_never());
            drop(subject.source.status().now_or_never());
        }
        subject.check_all().await;
    }
    .boxed()
}

fn refuses_strangers(subject: Subject) -> Running {
    async move {
        let Some(stranger) = subject.stranger.clone() else { return };
        let nothing = |answer: Result<Option<Bytes>, SourceError>| {
            assert!(matches!(answer, Ok(None) | Err(SourceError::Denied(_))), "{answer:?}");
        };
        for offer in &subject.offers {
            let asked = Asked { principal: stranger.clone(), ..subject.asked(offer) };
            for digest in offer.manifests.keys() {
                // Whoever may have it asks first, so that anything kept for others would be at hand.
                let reference = Reference::Digest(digest.clone());
                subject.check_manifest(offer, reference.clone(), digest).await;
                let answer = subject.source.manifest(&asked, &reference).await;
                nothing(answer.map(|manifest| manifest.map(|manifest| manifest.bytes)));
            }
            for digest in offer.blobs.keys() {
                let own = read_blob(&*subject.source, &subject.asked(offer), digest).await;
                assert!(matches!(own, Ok(Some(_))), "{own:?}");
                nothing(read_blob(&*subject.source, &asked, digest).await);
            }
            let tags = subject.source.tags(&asked).await;
            assert!(matches!(tags, Ok(None) | Err(SourceError::Denied(_))), "{tags:?}");
        }
        let listed = subject.source.repositories(&stranger).await;
        assert!(listed.as_ref().is_ok_and(Vec::is_empty) || matches!(listed, Err(SourceError::Denied(_))));
        assert_ne!(stranger, subject.principal);
        subject.check_all().await;
    }
    .boxed()
}

fn says_how_it_is(subject: Subject) -> Running {
    async move {
        let status = subject.source.status().await;
        assert_eq!(status.problem, None, "nothing is wrong with it");
        assert!(!status.description.is_empty());
        let tags = subject.offers.iter().map(|offer| offer.tags.len() as u64).sum::<u64>();
        assert!(status.images.is_none_or(|images| images > 0 || tags == 0), "{status:?}");
    }
    .boxed()
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("a tag by the grammar")
}
