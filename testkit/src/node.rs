//! A whole node inside the test's process, behind plain HTTP on a free port of the loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dockless_api::{BoundListener, Door, DoorParts, ListenerSocket, NodeFacts, Served, serve};
use dockless_meta::{Ledger, LocalLedger, MemoryLedger, Totals};
use dockless_oci::RepositoryName;
use dockless_registry::{Access, Parts, Registry, Rule};
use dockless_runtime::{MetricRegistry, Runtime, ShutdownTrigger, shutdown};
use dockless_store::{BlobStore, DataDirectory, FilesystemStore, MemoryStore};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::client::Client;

/// The most tags per repository that `state` looks at.
const STATE_ITEMS_MAX: usize = 1000;

/// What a node keeps its content in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// Maps.
    Memory,
    /// The real drivers over a temporary directory.
    Disk,
}

/// Users and what they may do.
#[derive(Clone, Debug)]
pub struct Users {
    /// The lines of a password file.
    pub htpasswd: String,
    /// Who may do what; without any, every user may do everything.
    pub rules: Vec<Rule>,
    /// How tokens and logins behave.
    pub settings: dockless_registry::access::Settings,
}

/// A running node.
pub struct Node {
    address: SocketAddr,
    registry: Registry,
    ledger: Arc<dyn Ledger>,
    blobs: Arc<dyn BlobStore>,
    trigger: ShutdownTrigger,
    served: oneshot::Receiver<Served>,
    /// Dropped last: directories and the lock.
    _ground: Ground,
}

/// What of a node lies on the disk.
#[derive(Default)]
struct Ground {
    _lock: Option<DataDirectory>,
    _directory: Option<TempDir>,
    /// Holds the password file.
    _users: Option<TempDir>,
}

impl Node {
    /// Starts an empty node that is open to everyone.
    ///
    /// # Panics
    /// When the machine gives no port or no temporary directory, or the node does not start.
    pub async fn start(backing: Backing) -> Self {
        Self::open(backing, None).await
    }

    /// Starts an empty node in memory where users log in.
    ///
    /// # Panics
    /// As `start`, and when the users cannot be read.
    pub async fn start_locked(users: Users) -> Self {
        Self::open(Backing::Memory, Some(users)).await
    }

    async fn open(backing: Backing, users: Option<Users>) -> Self {
        let runtime = Runtime::real();
        let (ledger, blobs, mut ground) = match backing {
            Backing::Memory => {
                let ledger: Arc<dyn Ledger> = MemoryLedger::new();
                let settings = dockless_store::Settings::default();
                let blobs: Arc<dyn BlobStore> = MemoryStore::new(runtime.clone(), settings);
                (ledger, blobs, Ground::default())
            }
            Backing::Disk => open_disk(&runtime).await,
        };
        let metrics = Arc::new(MetricRegistry::new());
        let parts = Parts {
            ledger: Arc::clone(&ledger),
            blobs: Arc::clone(&blobs),
            runtime: runtime.clone(),
            settings: dockless_registry::Settings::default(),
            sources: Vec::new(),
            metrics: &metrics,
        };
        let registry = Registry::new(parts);
        let (access, users) = access(&runtime, users);
        ground._users = users;
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let door = Door::new(DoorParts {
            registry: registry.clone(),
            access: Arc::new(access),
            runtime: runtime.clone(),
            settings: dockless_api::Settings::default(),
            metrics,
            tls: None,
            facts: NodeFacts { version: "test".to_owned(), ..NodeFacts::default() },
        });
        let door = door.expect("the settings of the test are legal");
        let socket = ListenerSocket::Tcp(listener);
        let listener = BoundListener { socket, plain: true, tls: false, admin: false };
        let (trigger, requested) = shutdown();
        let (done, served) = oneshot::channel();
        runtime.spawn("test-node", async move {
            // The node may be dropped without being stopped: then nobody asks how it ended.
            let _ = done.send(serve(door, vec![listener], requested).await);
        });
        Self { address, registry, ledger, blobs, trigger, served, _ground: ground }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client without credentials.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Everything about content that anyone could ask for, as text to compare: totals, every upload and how much it
    /// holds, and of each of `repositories` its usage and tags.
    ///
    /// # Panics
    /// When ledger or store fail.
    pub async fn state(&self, repositories: &[&str]) -> String {
        let view = self.ledger.view().expect("the ledger answers");
        // Not the doomed files: a finish announces its digest while the bytes are still compared with it, so that a
        // wrong one leaves a row for the garbage collector.
        let totals = Totals { doomed: 0, ..view.totals().expect("the ledger answers") };
        let mut lines = vec![format!("{totals:?}")];
        for name in repositories {
            let repository: RepositoryName = name.parse().expect("the test gives a legal name");
            let tags = view.tags(&repository, None, STATE_ITEMS_MAX).expect("the ledger answers");
            let usage = view.usage(&repository).expect("the ledger answers");
            lines.push(format!("{name}: {usage:?} {tags:?}"));
        }
        for upload in self.blobs.uploads().await.expect("the store answers") {
            lines.push(format!("upload {} of {}: {}", upload.id, upload.repository, upload.offset));
        }
        lines.join("\n")
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// When a request is still running after the drain time, or the ledger cannot be closed.
    pub async fn stop(self) {
        self.trigger.trigger();
        let served = self.served.await.expect("the server task ends by itself");
        assert_eq!(served.cut, 0, "requests were still running");
        self.registry.stop().await.expect("the registry stops");
    }
}

fn temporary_directory() -> TempDir {
    TempDir::with_prefix("dockless-test-").expect("the temporary directory can be written")
}

async fn open_disk(runtime: &Runtime) -> (Arc<dyn Ledger>, Arc<dyn BlobStore>, Ground) {
    let directory = temporary_directory();
    let path = directory.path().join("data");
    let disk = Arc::clone(&runtime.disk);
    let opened = runtime.blocking("test-data", move || DataDirectory::open(&*disk, &path)).await;
    let data = opened.expect("opening does not panic").expect("the data directory can be opened");
    let ledger = LocalLedger::open(runtime.clone(), data.ledger(), dockless_meta::Settings::default()).await;
    let blobs =
        FilesystemStore::open(runtime.clone(), data.store(), dockless_store::Settings::default()).await;
    let ground = Ground { _lock: Some(data), _directory: Some(directory), _users: None };
    (ledger.expect("the ledger can be opened"), blobs.expect("the store can be opened"), ground)
}

fn access(runtime: &Runtime, users: Option<Users>) -> (Access, Option<TempDir>) {
    let Some(users) = users else { return (Access::anonymous(), None) };
    let directory = temporary_directory();
    let path = directory.path().join("htpasswd");
    dockless_runtime::disk::write_file_durable(&*runtime.disk, &path, users.htpasswd.as_bytes(), true)
        .expect("the temporary directory can be written");
    let key = *b"the key of the tests, 32 bytes..";
    let access = Access::from_htpasswd(runtime.clone(), path, users.rules, key, users.settings);
    (access.expect("the users of the test are legal"), Some(directory))
}
