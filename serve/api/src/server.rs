//! Sockets for the door: listeners, limits, and an orderly end.

mod accept;
pub(crate) mod bare_error;
mod file_stream;
mod http;
mod http1;
mod limit;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod timer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dockless_runtime::{Shutdown, shutdown, timeout};
use futures_util::future::join_all;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use crate::door::Door;

/// Connections to the owner's socket, apart from all others: a full node must still answer its owner.
const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Open files assumed where the system does not say: POSIX's smallest usual limit.
const OPEN_FILES_FALLBACK: u64 = 1024;

/// After connections were cut, their tasks need a moment to notice.
const CUT_TIME: Duration = Duration::from_secs(5);

/// A socket that is bound and listens.
#[derive(Debug)]
pub enum ListenerSocket {
    /// TCP, version 4 or 6.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

/// A listener and what may be spoken on it.
#[derive(Debug)]
pub struct BoundListener {
    /// The socket.
    pub socket: ListenerSocket,
    /// Whether requests may come in plain HTTP; if not, they are refused with words that say so.
    pub plain: bool,
    /// Whether TLS is spoken; if not, a TLS client gets `400` in plain HTTP. Never on unix sockets.
    pub tls: bool,
    /// Whether `/admin/v1` answers here. Only for a unix socket that nobody but the owner can open.
    pub admin: bool,
}

impl BoundListener {
    /// Where it listens, for logs.
    fn place(&self) -> String {
        match &self.socket {
            ListenerSocket::Tcp(listener) => {
                listener.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string())
            }
            ListenerSocket::Unix(_) => "a unix socket".to_owned(),
        }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Connections that were still busy at the end of the drain time and were cut.
    pub cut: usize,
}

/// Accepts and serves until `shutdown`, then lets requests that run come to their end for at most
/// [`Settings::drain_timeout`](crate::Settings::drain_timeout). The listening sockets are closed first.
pub async fn serve(door: Arc<Door>, listeners: Vec<BoundListener>, shutdown: Shutdown) -> Served {
    let (force, forced) = self::shutdown();
    let connections_max = door.settings.connections_max.unwrap_or_else(connections_allowed).max(1);
    let everyone = Places::new(connections_max);
    let owner = Places::new(ADMIN_CONNECTIONS_MAX);
    let server = Arc::new(http::Server::new(door.clone(), shutdown.clone(), forced));
    if let Some(tls) = &door.tls {
        let (tls, shutdown) = (tls.clone(), shutdown.clone());
        door.runtime.spawn("certificate renewal", async move { tls.keep_fresh(shutdown).await });
    }
    let loops = listeners.into_iter().map(|listener| {
        let places = if listener.admin { &owner } else { &everyone };
        accept::run(server.clone(), listener, places.semaphore.clone(), shutdown.clone())
    });
    // The accept loops own their sockets: when they are over, the ports are free.
    join_all(loops).await;
    shutdown.requested().await;
    door.draining.store(true, Ordering::Relaxed);
    let clock = door.runtime.clock.clone();
    let all_gone = async || {
        everyone.all_free().await;
        owner.all_free().await;
    };
    if timeout(&*clock, door.settings.drain_timeout, all_gone()).await.is_ok() {
        return Served { cut: 0 };
    }
    let cut = everyone.taken() + owner.taken();
    tracing::warn!(cut, "requests were still running at the end of the drain time and are cut");
    force.trigger();
    // A task that does not end now is stuck elsewhere; the process ends all the same.
    let _ = timeout(&*clock, CUT_TIME, all_gone()).await;
    Served { cut }
}

/// A number of places for connections.
struct Places {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl Places {
    fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { semaphore: Arc::new(Semaphore::new(count)), count }
    }

    fn taken(&self) -> usize {
        self.count - self.semaphore.available_permits()
    }

    async fn all_free(&self) {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        // An error means that the semaphore is closed, which nobody does.
        let _ = self.semaphore.acquire_many(count).await;
    }
}

/// 95 % of the open files that the process may have: the rest is for the store, the ledger and the listeners.
fn connections_allowed() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    usize::try_from(limit.unwrap_or(OPEN_FILES_FALLBACK) / 100 * 95).unwrap_or(usize::MAX)
}
