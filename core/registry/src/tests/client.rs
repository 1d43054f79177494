//! A client that does random things to a registry and notes what it saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dockless_oci::{Digest, Reference, Tag};
use dockless_runtime::simulation::Random;
use serde_json::json;

use super::fixture::{asked, image, name, push_blob, tag};
use super::linear::{Call, Effect, is_linearizable};
use crate::{Caller, Error, PutRequest, Registry, TagCondition};

pub(super) const REPOSITORIES: [&str; 2] = ["a", "b/c"];
pub(super) const TAGS: [&str; 2] = ["v1", "latest"];
pub(super) const BLOBS: [&[u8]; 2] = [b"first layer", b"second layer"];
pub(super) const MANIFESTS: usize = 3;
const STEPS: usize = 12;

/// One value that calls agree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Tag(usize, usize),
    Manifest(usize, usize),
    Blob(usize, usize),
}

/// What all clients saw, and the clock that orders it.
#[derive(Clone, Default)]
pub(super) struct History {
    clock: Arc<AtomicU64>,
    calls: Arc<Mutex<BTreeMap<Value, Vec<Call>>>>,
}

impl History {
    pub(super) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub(super) fn add(&self, called: u64, effects: Vec<(Value, Effect)>) {
        let returned = self.now();
        let mut calls = self.calls.lock().unwrap();
        for (value, effect) in effects {
            calls.entry(value).or_default().push(Call { called, returned, effect });
        }
    }

    pub(super) fn check(&self, seed: u64) {
        for (value, calls) in &*self.calls.lock().unwrap() {
            assert!(is_linearizable(calls), "seed {seed}: no order explains {value:?}: {calls:#?}");
        }
    }
}

fn manifest(number: usize) -> Vec<u8> {
    image(&[BLOBS[number % BLOBS.len()]], json!({"annotations": {"number": number.to_string()}}))
}

pub(super) fn manifest_digest(number: usize) -> Digest {
    Digest::sha256(&manifest(number))
}

fn number_of(bytes: &[u8]) -> usize {
    (0..MANIFESTS).find(|number| manifest(*number) == bytes).expect("only these were ever pushed")
}

/// One client with its own chance.
pub(super) struct Client {
    pub(super) registry: Registry,
    pub(super) random: Random,
    pub(super) history: History,
    /// Everyone at the same tag at once, or all over the place and now and then.
    pub(super) crowded: bool,
}

impl Client {
    pub(super) async fn run(mut self, runtime: dockless_runtime::Runtime) {
        for _ in 0..STEPS {
            if !self.crowded {
                let pause = Duration::from_micros(self.random.below(300) as u64);
                runtime.clock.sleep(pause).await;
            }
            self.step().await;
        }
    }

    async fn step(&mut self) {
        let spread = if self.crowded { 1 } else { 2 };
        let (repository, tag) = (self.random.below(spread), self.random.below(spread));
        let number = self.random.below(MANIFESTS);
        let blob = self.random.below(BLOBS.len());
        let called = self.history.now();
        let effects = match self.random.below(13) {
            0 | 1 => self.put(repository, tag, number, None).await,
            2 => self.put(repository, tag, number, Some(TagCondition::Absent)).await,
            3 => {
                let expected = manifest_digest(self.random.below(MANIFESTS));
                self.put(repository, tag, number, Some(TagCondition::MatchOneOf(vec![expected]))).await
            }
            4 => self.put_both(repository, number).await,
            5 => self.set_tag(repository, tag, number).await,
            6 => self.get(repository, tag).await,
            7 => self.delete_tag(repository, tag).await,
            8 => self.delete_manifest(repository, number).await,
            9 => self.push(repository, blob).await,
            10 => self.mount(repository, blob).await,
            11 => self.get_blob(repository, blob).await,
            _ => self.delete_blob(repository, blob).await,
        };
        self.history.add(called, effects);
    }

    async fn put_request(&self, repository: usize, request: PutRequest) -> Result<(), Error> {
        self.registry.put_manifest(&asked(REPOSITORIES[repository]), request).await.map(drop)
    }

    async fn put(
        &self,
        repository: usize,
        at: usize,
        number: usize,
        condition: Option<TagCondition>,
    ) -> Vec<(Value, Effect)> {
        let done = self.put_request(
            repository,
            request(Reference::Tag(tag(TAGS[at])), Vec::new(), number, condition.clone()),
        );
        let expected = (0..MANIFESTS)
            .find(|other| condition == Some(TagCondition::MatchOneOf(vec![manifest_digest(*other)])));
        let value = Value::Tag(repository, at);
        match (done.await, condition, expected) {
            (Ok(()), None, _) => put_effects(repository, number, &[(value, Effect::Set(number))]),
            (Ok(()), Some(TagCondition::Absent), _) => {
                put_effects(repository, number, &[(value, Effect::SetIfAbsent(number))])
            }
            (Ok(()), _, Some(expected)) => {
                put_effects(repository, number, &[(value, Effect::SetIf { expected, to: number })])
            }
            (Err(Error::TagChanged), Some(TagCondition::Absent), _) => vec![(value, Effect::IsSome)],
            (Err(Error::TagChanged), _, Some(expected)) => vec![(value, Effect::IsNot(expected))],
            (other, condition, _) => panic!("{other:?} to a put on {condition:?}"),
        }
    }

    async fn put_both(&self, repository: usize, number: usize) -> Vec<(Value, Effect)> {
        let tags = TAGS.iter().map(|text| tag(text)).collect();
        let request = request(Reference::Digest(manifest_digest(number)), tags, number, None);
        self.put_request(repository, request).await.unwrap();
        let set = |at| (Value::Tag(repository, at), Effect::Set(number));
        put_effects(repository, number, &[set(0), set(1)])
    }

    async fn set_tag(&self, repository: usize, at: usize, number: usize) -> Vec<(Value, Effect)> {
        let digest = manifest_digest(number);
        match self.registry.set_tag(&name(REPOSITORIES[repository]), &tag(TAGS[at]), &digest).await {
            Ok(()) => vec![
                (Value::Manifest(repository, number), Effect::Is(Some(0))),
                (Value::Tag(repository, at), Effect::Set(number)),
            ],
            Err(Error::ManifestUnknown) => vec![(Value::Manifest(repository, number), Effect::Is(None))],
            Err(error) => panic!("{error:?} to a tag"),
        }
    }

    pub(super) async fn get(&self, repository: usize, at: usize) -> Vec<(Value, Effect)> {
        let reference = Reference::Tag(tag(TAGS[at]));
        let seen = match self.registry.manifest(&asked(REPOSITORIES[repository]), &reference).await {
            Ok(manifest) => Some(number_of(&manifest.bytes)),
            Err(Error::ManifestUnknown) => None,
            Err(error) => panic!("{error:?} to a get"),
        };
        vec![(Value::Tag(repository, at), Effect::Is(seen))]
    }

    async fn delete_tag(&self, repository: usize, at: usize) -> Vec<(Value, Effect)> {
        let effect = match self.registry.delete_tag(&name(REPOSITORIES[repository]), &tag(TAGS[at])).await {
            Ok(()) => Effect::Clear,
            Err(Error::ManifestUnknown) => Effect::Is(None),
            Err(error) => panic!("{error:?} to a delete"),
        };
        vec![(Value::Tag(repository, at), effect)]
    }

    async fn delete_manifest(&self, repository: usize, number: usize) -> Vec<(Value, Effect)> {
        let deleted =
            self.registry.delete_manifest(&name(REPOSITORIES[repository]), &manifest_digest(number)).await;
        let (own, of_tags) = match deleted {
            Ok(()) => (Effect::Clear, Effect::ClearIf(number)),
            Err(Error::ManifestUnknown) => (Effect::Is(None), Effect::IsNot(number)),
            Err(error) => panic!("{error:?} to a delete"),
        };
        let mut effects = vec![(Value::Manifest(repository, number), own)];
        effects.extend((0..TAGS.len()).map(|at| (Value::Tag(repository, at), of_tags.clone())));
        effects
    }

    async fn push(&self, repository: usize, blob: usize) -> Vec<(Value, Effect)> {
        let digest = Digest::sha256(BLOBS[blob]);
        push_blob(&self.registry, REPOSITORIES[repository], BLOBS[blob], &digest).await.unwrap();
        vec![(Value::Blob(repository, blob), Effect::Set(0))]
    }

    async fn mount(&mut self, repository: usize, blob: usize) -> Vec<(Value, Effect)> {
        let digest = Digest::sha256(BLOBS[blob]);
        let from = if self.random.one_in(2) { Some(name(REPOSITORIES[1 - repository])) } else { None };
        let target = name(REPOSITORIES[repository]);
        let mounted = self.registry.mount(&Caller::anonymous(), &target, &digest, from.as_ref()).await;
        // Held already is as good as set anew at that moment.
        let effect = if mounted.unwrap() { Effect::Set(0) } else { Effect::Is(None) };
        vec![(Value::Blob(repository, blob), effect)]
    }

    pub(super) async fn get_blob(&self, repository: usize, blob: usize) -> Vec<(Value, Effect)> {
        let digest = Digest::sha256(BLOBS[blob]);
        let effect = match self.registry.blob(&asked(REPOSITORIES[repository]), &digest).await {
            Ok(content) => {
                assert_eq!(content.size, BLOBS[blob].len() as u64);
                Effect::Is(Some(0))
            }
            Err(Error::BlobUnknown) => Effect::Is(None),
            Err(error) => panic!("{error:?} to a get"),
        };
        vec![(Value::Blob(repository, blob), effect)]
    }

    async fn delete_blob(&self, repository: usize, blob: usize) -> Vec<(Value, Effect)> {
        let digest = Digest::sha256(BLOBS[blob]);
        let effect = match self.registry.delete_blob(&name(REPOSITORIES[repository]), &digest).await {
            Ok(()) => Effect::Clear,
            Err(Error::BlobUnknown) => Effect::Is(None),
            Err(Error::BlobReferenced { .. }) => Effect::IsSome,
            Err(error) => panic!("{error:?} to a delete"),
        };
        vec![(Value::Blob(repository, blob), effect)]
    }
}

fn request(
    reference: Reference,
    tags: Vec<Tag>,
    number: usize,
    if_match: Option<TagCondition>,
) -> PutRequest {
    PutRequest { reference, tags, content_type: None, bytes: manifest(number).into(), if_match }
}

/// A put keeps the manifest, whatever it does to tags.
fn put_effects(repository: usize, number: usize, tags: &[(Value, Effect)]) -> Vec<(Value, Effect)> {
    let mut effects = vec![(Value::Manifest(repository, number), Effect::Set(0))];
    effects.extend_from_slice(tags);
    effects
}
