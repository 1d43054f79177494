//! Finds out which engine answers at a socket, and whether it is still that one.

use std::sync::Arc;
use std::time::Duration;

use dockless_registry::SourceError;
use dockless_runtime::timeout;

use super::containerd::docker::DockerOverContainerd;
use super::containerd::{self, Containerd};
use super::docker::Docker;
use super::docker::api::{ABOUT_BYTES_MAX, About, Version};
use super::driver::Driver;
use super::ground::Ground;
use super::socket::{Socket, SocketError};

/// How long it may take to find out: an engine that works says what it is at once, even a busy one.
const ASK_TIME_MAX: Duration = Duration::from_secs(5);

/// How long it may take to say the same again, before the question itself is asked.
const COMPARE_TIME_MAX: Duration = Duration::from_secs(2);

/// An engine that was found, and its driver.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) driver: Arc<dyn Driver>,
    kind: Arc<Kind>,
}

/// What is known from before.
pub(super) struct Before {
    pub(super) known: Known,
    /// Something makes it doubtful that it is still that one.
    pub(super) doubted: bool,
}

/// What an engine says of itself: how it is read follows from that.
enum Kind {
    /// docker or podman.
    Docker(Version, About),
    Containerd(containerd::About),
}

/// The driver for the engine behind the socket: the one `before`, unless another one answers there, or that one is in
/// doubt and does not say that it is the same.
///
/// # Errors
/// [`SourceError::Unavailable`]: nobody answers, or nobody we know.
pub(super) async fn find(ground: Arc<Ground>, before: Option<Before>) -> Result<Known, SourceError> {
    let (clock, address) = (ground.runtime.clock.clone(), ground.address.clone());
    if let Some(Before { known, doubted }) = before {
        let compared = timeout(&*clock, COMPARE_TIME_MAX, known.kind.is_still_at(&ground)).await;
        // One that says nothing is asked what it was to be asked: it may be busy, and that tells as well.
        if compared.ok().flatten().unwrap_or(!doubted) {
            return Ok(known);
        }
    }
    let found = timeout(&*clock, ASK_TIME_MAX, async { Ok(Kind::at(&ground).await?.known(ground).await) });
    let found = found.await.unwrap_or_else(|_| {
        let seconds = ASK_TIME_MAX.as_secs();
        Err(SourceError::Unavailable(format!(
            "the engine at {address} did not say what it is within {seconds} s: does it hang?"
        )))
    });
    // What refuses to say what it is has nothing to give.
    found.map_err(|error| match error {
        SourceError::Refused(words) => SourceError::Unavailable(words),
        error => error,
    })
}

impl Kind {
    async fn at(ground: &Ground) -> Result<Self, SourceError> {
        let version = match ground.socket.json::<Version>("/version", ABOUT_BYTES_MAX).await {
            // gRPC needs HTTP/2, and says so to a request of HTTP/1.1 in frames that are none of that.
            Err(SocketError::Foreign(_)) => {
                return Ok(Self::Containerd(containerd::About::of(ground).await?));
            }
            // Sometimes so early that they are not even read. Else it is any engine that stops.
            Err(SocketError::Silent(words)) => {
                let about = containerd::About::of(ground).await;
                return about.map(Self::Containerd).map_err(|_| SourceError::Unavailable(words));
            }
            version => version?,
        };
        match (version, about(&ground.socket).await?) {
            (Some(version), Some(about)) => Ok(Self::Docker(version, about)),
            _ => Err(SourceError::Unavailable(format!(
                "the engine at {} is neither docker nor podman nor containerd",
                ground.address
            ))),
        }
    }

    /// Whether the engine at the socket says of itself what this one said; `None` when it does not say it.
    async fn is_still_at(&self, ground: &Ground) -> Option<bool> {
        match self {
            Self::Docker(version, before) => match about(&ground.socket).await {
                Ok(now) => Some(now.is_some_and(|now| now.is_same(before, version.is_podman()))),
                // No docker says this.
                Err(SocketError::Foreign(_)) => Some(false),
                Err(_) => None,
            },
            Self::Containerd(before) => {
                containerd::About::of(ground).await.ok().map(|now| now.is_same(before))
            }
        }
    }

    async fn known(self, ground: Arc<Ground>) -> Known {
        let driver: Arc<dyn Driver> = match &self {
            Self::Docker(version, about) if about.has_containerd_store() => {
                Arc::new(DockerOverContainerd::new(ground, version, about).await)
            }
            Self::Docker(version, about) => Arc::new(Docker::new(ground, version, about).await),
            Self::Containerd(about) => Arc::new(Containerd::new(ground, about).await),
        };
        Known { driver, kind: Arc::new(self) }
    }
}

async fn about(socket: &Socket) -> Result<Option<About>, SocketError> {
    socket.json("/info", ABOUT_BYTES_MAX).await
}
