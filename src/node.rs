//! A node: the one place that names every part, puts them together, and takes them apart again.

mod address;
mod bind;
mod data;
mod engines;
mod listening;
mod load;
mod port_holder;
mod signals;

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use dockless_api::tls::Certificates;
use dockless_api::{BoundListener, Door, DoorParts, ListenerSocket, NodeFacts};
use dockless_meta::LocalLedger;
use dockless_registry::access::{Access, OpenError, open_or_create_key};
use dockless_registry::{Parts, Registry, Source};
use dockless_runtime::disk::CountedDisk;
use dockless_runtime::metric::Counter;
use dockless_runtime::{MetricRegistry, Runtime, ShutdownTrigger, shutdown};
use dockless_store::{DataDirectory, FilesystemStore};

use tokio::sync::oneshot;

use crate::config::Settings;
use crate::failure::Failure;
use crate::notify::{Notifier, State};
use crate::telemetry::LogHandle;
use bind::Bound;
use listening::Listening;
use signals::{Signals, Wish};

/// Reads the configuration again, as it was read at the start.
pub(crate) type Again<'a> = &'a dyn Fn() -> Result<Settings, Failure>;

/// What a node is started with.
pub(crate) struct Start<'a> {
    /// What it was told.
    pub(crate) settings: Settings,
    /// Its data directory.
    pub(crate) data: PathBuf,
    /// Changes what is logged.
    pub(crate) log: LogHandle,
    /// The service manager.
    pub(crate) notifier: Notifier,
    /// Reads the configuration again.
    pub(crate) again: Again<'a>,
    /// Whether the first line of output is JSON.
    pub(crate) json: bool,
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// What keeps it from starting, or from stopping cleanly.
pub(crate) async fn run(start: Start<'_>) -> Result<(), Failure> {
    let Start { settings, data, .. } = &start;
    let metrics = Arc::new(MetricRegistry::new());
    let runtime = machine(&metrics);
    let mut signals = Signals::catch()?;
    let data =
        std::path::absolute(data).map_err(|error| Failure::failed(format!("{}: {error}", data.display())))?;
    let directory = data::open(&runtime, &data).await?;
    let admin = bind::bind_private(&runtime, &directory.admin_socket()).await?;
    let bound = bind::bind(&runtime, &settings.listen).await?;
    let access = Arc::new(open_access(&runtime, settings, &directory).await?);
    access.register(&metrics);
    let registry = open_registry(&runtime, settings, &directory, &access, &metrics);
    let (registry, tls) = tokio::try_join!(registry, open_certificates(&runtime, settings, &directory))?;
    let listening = Listening::new(&bound, settings);
    listening.warn(settings, access.required(), tls.as_deref());
    let parts = DoorParts {
        registry: registry.clone(),
        access,
        runtime: runtime.clone(),
        settings: settings.door(),
        metrics,
        tls: tls.clone(),
        facts: NodeFacts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data: data.clone(),
            listeners: listening.urls.clone(),
        },
    };
    let (stop, served) = serve(parts, listeners(admin, bound, settings))?;
    listening.announce(&data, start.json);
    start.notifier.tell(State::Ready);
    let end = async {
        // An error means that the task is gone, and with it the sockets.
        let _ = served.await;
        registry.stop().await.map_err(failed("cannot stop the registry cleanly"))
    };
    let reload = || start.reload(&runtime, tls.as_ref());
    let ended = until_stopped(&start.notifier, &mut signals, &stop, end, reload).await;
    listening.remove_sockets(&runtime, &directory);
    ended
}

/// Opens the doors; gives what closes them, and what completes once they are closed.
fn serve(
    parts: DoorParts,
    listeners: Vec<BoundListener>,
) -> Result<(ShutdownTrigger, oneshot::Receiver<()>), Failure> {
    let runtime = parts.runtime.clone();
    let door = Door::new(parts).map_err(|error| Failure::usage(error.to_string()))?;
    let (stop, stopping) = shutdown();
    let (over, served) = oneshot::channel();
    let serving = dockless_api::serve(door, listeners, stopping);
    runtime.spawn("serve", async move {
        serving.await;
        // The receiver is gone when a second signal stops the node at once.
        let _ = over.send(());
    });
    Ok((stop, served))
}

/// Obeys signals until the node has come to its `end`.
async fn until_stopped(
    notifier: &Notifier,
    signals: &mut Signals,
    stop: &ShutdownTrigger,
    end: impl Future<Output = Result<(), Failure>>,
    reload: impl Fn(),
) -> Result<(), Failure> {
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            ended = &mut end => return ended,
            wish = signals.next() => match wish {
                Wish::Reload => reload(),
                Wish::Stop => break,
            },
        }
    }
    notifier.tell(State::Stopping);
    tracing::info!("stopping: running requests may end; a second signal stops at once");
    stop.trigger();
    tokio::select! {
        ended = &mut end => {
            tracing::info!("stopped");
            ended
        }
        () = signals.stop() => Err(Failure::failed("stopped at once, as a second signal asked for")),
    }
}

/// This machine, its syncs counted.
fn machine(metrics: &MetricRegistry) -> Runtime {
    let syncs = Counter::default();
    metrics.register("disk_syncs", "Syncs of files and directories: what durability costs", syncs.clone());
    let real = Runtime::real();
    Runtime { disk: Arc::new(CountedDisk::new(real.disk, syncs)), ..real }
}

/// Makes what decides who may do what.
async fn open_access(
    runtime: &Runtime,
    settings: &Settings,
    directory: &DataDirectory,
) -> Result<Access, Failure> {
    let Some(htpasswd) = settings.access.htpasswd.clone() else { return Ok(Access::anonymous()) };
    let (within, settings, keys) = (runtime.clone(), settings.clone(), directory.keys());
    let open = move || -> Result<Access, Failure> {
        let key = match settings.token_key(&*within.disk)? {
            Some(key) => key,
            None => open_or_create_key(&within, &keys).map_err(|error| Failure::failed(error.to_string()))?,
        };
        let access = Access::from_htpasswd(within, htpasswd, settings.rules(), key, settings.access());
        access.map_err(|error| {
            let failure = Failure::usage(error.to_string());
            match error {
                OpenError::Unreadable { .. } => {
                    failure.hint("`access.htpasswd` names a file; make one with: htpasswd -B -c FILE USER")
                }
                _ => failure,
            }
        })
    };
    runtime.blocking("open access", open).await.map_err(failed("cannot read the users"))?
}

/// Opens the ledger and the store, side by side, and the registry on them.
async fn open_registry(
    runtime: &Runtime,
    settings: &Settings,
    directory: &DataDirectory,
    access: &Arc<Access>,
    metrics: &MetricRegistry,
) -> Result<Registry, Failure> {
    let ledger = LocalLedger::open(runtime.clone(), directory.ledger(), settings.ledger());
    let blobs = FilesystemStore::open(runtime.clone(), directory.store(), settings.store());
    let (ledger, blobs) = tokio::join!(ledger, blobs);
    let ledger = ledger.map_err(failed("cannot open the ledger"))?;
    let blobs = blobs.map_err(failed("cannot open the store"))?;
    let engines = engines::open(runtime, settings, directory, access, metrics);
    if settings.engine.load {
        for engine in &engines {
            let (ledger, blobs, engine) = (ledger.clone(), blobs.clone(), engine.clone());
            let loader = load::Loader { ledger, blobs, clock: runtime.clock.clone(), engine };
            runtime.spawn("load into an engine", loader.run());
        }
    }
    Ok(Registry::new(Parts {
        ledger,
        blobs,
        runtime: runtime.clone(),
        settings: settings.registry(directory.path()),
        sources: engines.into_iter().map(|engine| engine as Arc<dyn Source>).collect(),
        metrics,
    }))
}

/// Reads the certificates that were given, or makes the node's own.
async fn open_certificates(
    runtime: &Runtime,
    settings: &Settings,
    directory: &DataDirectory,
) -> Result<Option<Arc<Certificates>>, Failure> {
    if settings.http.plain_http {
        return Ok(None);
    }
    let refused = failed("cannot open the certificates");
    let opened = match (&settings.tls.certificate, &settings.tls.key) {
        (Some(certificate), Some(key)) => {
            let opened = Certificates::given(runtime, certificate, key).await;
            let hint = "`tls.certificate` and `tls.key` name PEM files that this user may read";
            opened.map_err(|error| refused(error).hint(hint))?
        }
        _ => Certificates::own(runtime, &directory.keys(), &settings.tls.names).await.map_err(refused)?,
    };
    Ok(Some(opened))
}

/// The sockets as the door takes them.
fn listeners(admin: tokio::net::UnixListener, bound: Vec<Bound>, settings: &Settings) -> Vec<BoundListener> {
    let of = |bound: Bound| match bound {
        Bound::Tcp(listener, address) => BoundListener {
            socket: ListenerSocket::Tcp(listener),
            admin: false,
            plain: settings.http.plain_http || address::Address::Tcp(address).is_local(),
            tls: !settings.http.plain_http,
        },
        Bound::Unix(listener, _) => {
            BoundListener { socket: ListenerSocket::Unix(listener), admin: false, plain: true, tls: false }
        }
    };
    let admin = BoundListener { socket: ListenerSocket::Unix(admin), admin: true, plain: true, tls: false };
    std::iter::once(admin).chain(bound.into_iter().map(of)).collect()
}

impl Start<'_> {
    /// Reads the configuration again and takes over what can be changed while the node runs.
    fn reload(&self, runtime: &Runtime, tls: Option<&Arc<Certificates>>) {
        self.notifier.tell(State::Reloading);
        match (self.again)() {
            Ok(settings) => {
                self.log.set(&settings.log);
                tracing::info!("read the configuration again");
                if !self.settings.same_but_logs(&settings) {
                    tracing::warn!(
                        "changes other than those of `log.level` and `log.access` count from the next start on"
                    );
                }
            }
            Err(failure) => tracing::error!("the configuration stays as it was: {}", failure.message),
        }
        if let Some(tls) = tls.cloned() {
            runtime.spawn("certificate reload", async move {
                if let Err(error) = tls.refresh().await {
                    tracing::error!(%error, "the certificates stay as they were");
                }
            });
        }
        self.notifier.tell(State::Ready);
    }
}

/// Makes a failure of an error, in a sentence that begins with what failed.
fn failed<E: Display>(what: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::failed(format!("{what}: {error}"))
}
