//! Finds out which engine answers at a socket.

use std::sync::Arc;
use std::time::Duration;

use dockless_registry::SourceError;
use dockless_runtime::timeout;

use super::containerd::Containerd;
use super::containerd::docker::DockerOverContainerd;
use super::docker::Docker;
use super::docker::api::{ABOUT_BYTES_MAX, About, Version};
use super::driver::Driver;
use super::ground::Ground;
use super::socket::SocketError;

/// How long it may take to find out: an engine that works says what it is at once, even a busy one.
const ASK_TIME_MAX: Duration = Duration::from_secs(5);

/// The driver for the engine behind the socket.
///
/// # Errors
/// [`SourceError::Unavailable`]: nobody answers, or nobody we know.
pub(super) async fn find(ground: Arc<Ground>) -> Result<Arc<dyn Driver>, SourceError> {
    let (clock, address) = (ground.runtime.clock.clone(), ground.address.clone());
    let found = timeout(&*clock, ASK_TIME_MAX, ask(ground)).await;
    let found = found.unwrap_or_else(|_| {
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

async fn ask(ground: Arc<Ground>) -> Result<Arc<dyn Driver>, SourceError> {
    let unknown = |what: &str| SourceError::Unavailable(format!("the engine at {} {what}", ground.address));
    let version = match ground.socket.json::<Version>("/version", ABOUT_BYTES_MAX).await {
        // gRPC needs HTTP/2, and says so to a request of HTTP/1.1 in frames that are none of that.
        Err(SocketError::Foreign(_)) => return Ok(Arc::new(Containerd::new(ground).await?)),
        version => version?,
    };
    let about: Option<About> = ground.socket.json("/info", ABOUT_BYTES_MAX).await?;
    let (Some(version), Some(about)) = (version, about) else {
        return Err(unknown("is neither docker nor podman nor containerd"));
    };
    if about.has_containerd_store() {
        return Ok(Arc::new(DockerOverContainerd::new(ground, &version, &about).await));
    }
    Ok(Arc::new(Docker::new(ground.clone(), &version, &about).await))
}
