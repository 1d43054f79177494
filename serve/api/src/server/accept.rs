//! The loop of one listener: accepts while there is room, waits while there is none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::Shutdown;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::http::{Manners, Server, Socket};
use super::{BoundListener, ListenerSocket};
use crate::connection::Peer;

/// How long accepting rests after the system refused it for want of files or memory: something must end first.
const REST: Duration = Duration::from_millis(100);

/// Accepts until the shutdown.
pub(super) async fn run(
    server: Arc<Server>,
    listener: BoundListener,
    places: Arc<Semaphore>,
    shutdown: Shutdown,
) {
    let manners = Manners { plain: listener.plain, tls: listener.tls, admin: listener.admin };
    loop {
        let next = async {
            let place = place(&server, &listener, &places).await?;
            Some((place, accept(&listener.socket).await))
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = shutdown.requested() => return,
            next = next => match next {
                Some(next) => next,
                None => return,
            },
        };
        match accepted {
            Ok((socket, peer)) => {
                let server = server.clone();
                let runtime = server.door.runtime.clone();
                runtime.spawn("connection", async move {
                    server.connection(socket, peer, manners).await;
                    drop(place);
                });
            }
            // The client left before it was its turn.
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                server.door.metrics.pauses.inc();
                tracing::warn!(%error, listener = listener.place(), "accepting rests");
                server.door.runtime.clock.sleep(REST).await;
            }
        }
    }
}

/// A place for one more connection; waits while there is none. `None` never happens while the server lives.
async fn place(
    server: &Server,
    listener: &BoundListener,
    places: &Arc<Semaphore>,
) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = places.clone().try_acquire_owned() {
        return Some(place);
    }
    server.door.metrics.pauses.inc();
    tracing::warn!(
        listener = listener.place(),
        "the limit of connections is reached; accepting waits for one to end"
    );
    places.clone().acquire_owned().await.ok()
}

async fn accept(socket: &ListenerSocket) -> io::Result<(Socket, Peer)> {
    match socket {
        ListenerSocket::Tcp(listener) => {
            let (stream, address): (TcpStream, _) = listener.accept().await?;
            // Answers are written whole: waiting to fill a packet only adds delay. A socket that refuses is gone.
            let _ = stream.set_nodelay(true);
            Ok((Socket::Tcp(stream), Peer::Tcp(address)))
        }
        ListenerSocket::Unix(listener) => {
            let (stream, _): (UnixStream, _) = listener.accept().await?;
            Ok((Socket::Unix(stream), Peer::Unix))
        }
    }
}

/// Errors of `accept` that speak of the connection and not of us.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused | Kind::Interrupted
    )
}
