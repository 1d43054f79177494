//! The cases of the seam: on the sources in memory, and on whole registries that have sources.

use std::sync::Arc;

use async_trait::async_trait;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_runtime::Runtime;
use dockless_runtime::simulation::Simulation;
use dockless_store::Blob;

use super::fixture::{check_nothing_is_left, liar, memory, offers};
use crate::conformance::{Bring, Lie, PrivateSource, Subject, cases};
use crate::tests::fixture::Machine;
use crate::{
    Action, Asked, BlobBody, Caller, Error, Manifest, Principal, Registry, Rule, Settings, Source,
    SourceBlob, SourceError, SourceKind, SourceStatus, SourceTraits,
};

/// A registry as a source: whoever asks it sees what its clients see.
struct Front {
    registry: Registry,
    traits: SourceTraits,
}

impl Front {
    fn new(registry: Registry) -> Arc<Self> {
        let traits = SourceTraits {
            label: "front".to_owned(),
            kind: SourceKind::Remote,
            absence_holds: std::time::Duration::ZERO,
            private: false,
        };
        Arc::new(Self { registry, traits })
    }
}

fn answer<T>(result: Result<T, Error>) -> Result<Option<T>, SourceError> {
    match result {
        Ok(content) => Ok(Some(content)),
        Err(Error::ManifestUnknown | Error::BlobUnknown | Error::NameUnknown) => Ok(None),
        Err(Error::Denied(why)) => Err(SourceError::Denied(why)),
        Err(error) => Err(SourceError::Unavailable(error.to_string())),
    }
}

fn caller(principal: &Principal) -> Caller {
    let everything = Rule {
        users: vec!["anonymous".into()],
        repositories: vec![crate::access::Pattern::parse("**").unwrap()],
        actions: Action::ALL.to_vec(),
    };
    match principal {
        Principal::Anonymous => Caller::anonymous(),
        Principal::Owner => Caller::administrator(),
        Principal::User(name) => Caller::with_rules(Some(name), vec![everything]),
    }
}

#[async_trait]
impl Source for Front {
    fn traits(&self) -> &SourceTraits {
        &self.traits
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        let head = answer(self.registry.manifest_head(asked, reference).await)?;
        let manifest = answer(self.registry.manifest(asked, reference).await)?;
        assert_eq!(head.map(|head| head.digest), manifest.as_ref().map(|manifest| manifest.digest.clone()));
        Ok(manifest)
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        let Some(content) = answer(self.registry.blob(asked, digest).await)? else { return Ok(None) };
        assert_eq!(self.registry.blob_size(asked, digest).await, Ok(content.size));
        Ok(Some(SourceBlob::InPlace(match content.body {
            BlobBody::File(blob) => blob,
            BlobBody::Cached(bytes) => Blob::from(bytes),
        })))
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        Ok(answer(self.registry.tags(asked, None, None).await)?.map(|page| page.items))
    }

    async fn repositories(&self, principal: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        let page = answer(self.registry.catalog(&caller(principal), None, None).await)?;
        Ok(page.map(|page| page.items).unwrap_or_default())
    }

    async fn status(&self) -> SourceStatus {
        let description = format!("a registry with {} sources", self.registry.sources().await.len());
        SourceStatus { description, images: None, problem: None, note: None }
    }
}

fn owner() -> Principal {
    Principal::User("owner".into())
}

/// Runs every case on a source of its own.
fn run_cases(what: &str, make: impl Fn(&Runtime) -> Subject) {
    for case in cases() {
        let simulation = Simulation::new(1);
        let subject = make(&simulation.runtime());
        eprintln_case(what, case.name);
        simulation.block_on((case.run)(subject));
    }
}

/// Runs every case on a registry with these sources.
fn run_cases_behind(what: &str, private: bool, make: impl Fn(&Runtime) -> Vec<Arc<dyn Source>>) {
    for case in cases() {
        let simulation = Simulation::new(1);
        let sources = make(&simulation.runtime());
        let machine = Machine::with_sources(simulation, Settings::default(), sources);
        eprintln_case(what, case.name);
        machine.run((case.run)(subject(Front::new(machine.registry.clone()), private)));
        check_nothing_is_left(&machine);
    }
}

fn subject(source: Arc<dyn Source>, private: bool) -> Subject {
    let stranger = private.then_some(Principal::Anonymous);
    Subject { source, offers: offers(), principal: owner(), stranger }
}

/// A panic of a case is shown with the case that it belongs to.
#[expect(clippy::print_stderr, reason = "shown by the test harness of a test that fails")]
fn eprintln_case(what: &str, case: &str) {
    eprintln!("{what}: it {case}");
}

const BRINGS: [Bring; 3] = [Bring::InPlace, Bring::Foreign, Bring::ForeignWithoutSize];

#[test]
fn sources_in_memory_pass_the_cases() {
    for bring in BRINGS {
        run_cases(&format!("{bring:?}"), |runtime| subject(memory(runtime, "memory", bring), false));
        let private = |runtime: &Runtime| {
            subject(PrivateSource::new(memory(runtime, "memory", bring), owner(), true), true)
        };
        run_cases(&format!("private, {bring:?}"), private);
    }
}

#[test]
fn a_registry_has_what_its_sources_have() {
    for bring in BRINGS {
        run_cases_behind(&format!("{bring:?}"), false, |runtime| vec![memory(runtime, "memory", bring)]);
    }
    run_cases_behind("both", false, |runtime| {
        vec![memory(runtime, "engine", Bring::InPlace), memory(runtime, "peer", Bring::Foreign)]
    });
    run_cases_behind("one repository each", false, |runtime| {
        let [first, second] =
            [memory(runtime, "engine", Bring::InPlace), memory(runtime, "peer", Bring::Foreign)];
        first.offer(vec![offers().remove(0)]);
        second.offer(vec![offers().remove(1)]);
        vec![first, second]
    });
}

#[test]
fn a_registry_keeps_private_what_a_source_answers_to_one_alone() {
    for bring in BRINGS {
        run_cases_behind(&format!("{bring:?}"), true, |runtime| {
            vec![PrivateSource::new(memory(runtime, "private", bring), owner(), true)]
        });
    }
}

#[test]
fn a_liar_beside_an_honest_source_changes_nothing() {
    // What is damaged in place shows after the first bytes were sent: the connection is cut then.
    for lie in Lie::ALL.into_iter().filter(|lie| *lie != Lie::DamagedInPlace) {
        run_cases_behind(&format!("{lie:?}"), false, |runtime| {
            // Both of one kind, so that the liar is asked first.
            vec![liar(runtime, "liar", Bring::Foreign, lie), memory(runtime, "honest", Bring::Foreign)]
        });
    }
}
