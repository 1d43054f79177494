//! A node in memory, and requests to it in few words.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dockless_meta::MemoryLedger;
use dockless_oci::Digest;
use dockless_registry::access::{Access, Action, Pattern, Rule};
use dockless_registry::{Parts, Registry, Source};
use dockless_runtime::disk::write_file_durable;
use dockless_runtime::simulation::Simulation;
use dockless_runtime::{Disk as _, MetricRegistry, Runtime};
use dockless_store::MemoryStore;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::connection::{Connection, Peer, Scheme};
use crate::{Door, DoorParts, NodeFacts, Settings};

/// `alice:secret` and `bob:hunter2`, bcrypt at its lowest cost.
const HTPASSWD: &str = "alice:$2y$05$pmSmFUWRsxz8WqigIjVXquFkHN1JWSYnpOqQZBRRpAqEfR2f.0k06\n\
                        bob:$2y$05$Ghud5urZ7Hv60dCpqKB6PeJaWT/Um8l8smA8KhPTKOTfiTDfspyLG\n";

/// What the tests push where the content does not matter.
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(super) struct Node {
    pub(super) simulation: Simulation,
    pub(super) door: Arc<Door>,
    pub(super) connection: Connection,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Node {
    /// Without access control.
    pub(super) fn open() -> Self {
        let simulation = Simulation::new(7);
        Self::new(
            simulation,
            Access::anonymous(),
            Settings::default(),
            dockless_registry::Settings::default(),
            Vec::new(),
        )
    }

    /// Without access control, with other settings of the registry.
    pub(super) fn with(registry: dockless_registry::Settings) -> Self {
        Self::new(Simulation::new(7), Access::anonymous(), Settings::default(), registry, Vec::new())
    }

    /// alice may do everything, bob may pull `team/**`, anybody may pull `public/**`.
    pub(super) fn guarded() -> Self {
        Self::guarded_with(Settings::default())
    }

    /// As [`Node::guarded`], with other settings of the door.
    pub(super) fn guarded_with(settings: Settings) -> Self {
        Self::guarded_with_sources(settings, |_| Vec::new())
    }

    /// As [`Node::guarded_with`], with others to ask.
    pub(super) fn guarded_with_sources(
        settings: Settings,
        sources: impl FnOnce(&Runtime) -> Vec<Arc<dyn Source>>,
    ) -> Self {
        let simulation = Simulation::new(7);
        let sources = sources(&simulation.runtime());
        let disk = simulation.disk();
        disk.create_dir_all(Path::new("/etc")).unwrap();
        write_file_durable(&*disk, Path::new("/etc/htpasswd"), HTPASSWD.as_bytes(), true).unwrap();
        let rule = |user: &str, pattern: &str, actions: &[Action]| Rule {
            users: vec![user.to_owned()],
            repositories: vec![Pattern::parse(pattern).unwrap()],
            actions: actions.to_vec(),
        };
        let rules = vec![
            rule("alice", "**", &Action::ALL),
            rule("bob", "team/**", &[Action::Pull]),
            rule("anonymous", "public/**", &[Action::Pull]),
        ];
        let (runtime, file) = (simulation.runtime(), "/etc/htpasswd".into());
        let access = Access::from_htpasswd(runtime, file, rules, [1; 32], Default::default()).unwrap();
        Self::new(simulation, access, settings, dockless_registry::Settings::default(), sources)
    }

    fn new(
        simulation: Simulation,
        access: Access,
        settings: Settings,
        registry: dockless_registry::Settings,
        sources: Vec<Arc<dyn Source>>,
    ) -> Self {
        let runtime = simulation.runtime();
        let metrics = Arc::new(MetricRegistry::new());
        let parts = Parts {
            ledger: MemoryLedger::new(),
            blobs: MemoryStore::new(runtime.clone(), dockless_store::Settings::default()),
            runtime: runtime.clone(),
            settings: registry,
            sources,
            metrics: &metrics,
        };
        let facts = NodeFacts { version: "1.2.3".to_owned(), ..NodeFacts::default() };
        let door = Door::new(DoorParts {
            registry: Registry::new(parts),
            access: Arc::new(access),
            runtime,
            settings,
            metrics,
            tls: None,
            facts,
        });
        let peer = Peer::Tcp("192.0.2.1:4711".parse().unwrap());
        Self { simulation, door: door.unwrap(), connection: Connection::new(peer, Scheme::Http, false) }
    }

    /// Sends `METHOD TARGET` with headers and a body.
    pub(super) fn send(&self, line: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let body = body.into();
        let mut request = Request::builder().method(method).uri(target);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", "node.example:5000");
        }
        if !body.is_empty() {
            request = request.header("content-length", body.len());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        self.simulation.block_on(async {
            let response = self.door.handle(request, &self.connection).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: parts.status, headers: parts.headers, body }
        })
    }

    /// Sends `METHOD TARGET` alone.
    pub(super) fn ask(&self, line: &str) -> Answer {
        self.send(line, &[], Bytes::new())
    }

    /// Sends `METHOD TARGET` as a user.
    pub(super) fn ask_as(&self, authorization: &str, line: &str) -> Answer {
        self.send(line, &[("authorization", authorization)], Bytes::new())
    }

    /// Pushes a blob in one request.
    pub(super) fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        let line = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
        self.send(&line, &[], bytes.to_vec()).expect(201);
        digest
    }

    /// Pushes a manifest by a reference.
    pub(super) fn push_manifest(&self, repository: &str, reference: &str, bytes: &[u8]) -> Answer {
        let line = format!("PUT /v2/{repository}/manifests/{reference}");
        self.send(&line, &[("content-type", OCI_MANIFEST)], bytes.to_vec())
    }
}

impl Answer {
    /// Checks the status.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Checks that it is an error with this code, told as every error is.
    #[track_caller]
    pub(super) fn expect_error(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.json()["errors"][0]["code"], code);
        answer
    }

    /// A header, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An image manifest; `note` makes each another one.
pub(super) fn manifest(note: &str) -> Vec<u8> {
    let config = Digest::sha256(b"{}");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[],"annotations":{{"note":"{note}"}}}}"#
    )
    .into_bytes()
}
