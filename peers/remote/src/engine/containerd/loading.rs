//! Puts an image into containerd: blobs, then manifests, then the name, under a lease so that nothing of it goes
//! meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use dockless_oci::manifest::ReferenceKind;
use dockless_oci::{Digest, media_type};
use dockless_runtime::{Runtime, timeout};
use dockless_store::{Blob, READ_BYTES_MAX};

use super::super::ground::Ground;
use super::super::load::{LOAD_TIME_MAX, Load, LoadError, LoadManifest, open};
use super::grpc::Scope;
use super::services::Services;

/// How long a lease lasts that nobody ends: twice as long as what is done under it.
const LEASE_TIME: Duration = LOAD_TIME_MAX.saturating_mul(2);
/// Which blobs a manifest keeps.
const KEEP_LABEL: &str = "containerd.io/gc.ref.content";

/// A lease, ended when dropped.
struct Lease {
    runtime: Runtime,
    services: Services,
    namespace: &'static str,
    id: Option<String>,
}

struct Loading<'a> {
    services: &'a Services,
    lease: &'a Lease,
    load: &'a Load,
}

/// Loads an image into a namespace under this name.
///
/// # Errors
/// [`LoadError`]; the name then stands for what it stood for.
pub(super) async fn load(
    ground: &Ground,
    services: &Services,
    namespace: &'static str,
    name: &str,
    load: &Load,
) -> Result<(), LoadError> {
    let lease = Lease::begin(ground.runtime.clone(), services.clone(), namespace).await?;
    let loading = Loading { services, lease: &lease, load };
    let loaded = timeout(&*ground.runtime.clock, LOAD_TIME_MAX, loading.run(name)).await;
    let loaded = loaded.unwrap_or_else(|_| {
        let (address, minutes) = (&ground.address, LOAD_TIME_MAX.as_secs() / 60);
        Err(LoadError::Unavailable(format!("the engine at {address} did not take {name} in {minutes} min")))
    });
    lease.end(loaded.is_err()).await;
    loaded
}

impl Loading<'_> {
    async fn run(&self, name: &str) -> Result<(), LoadError> {
        let mut written = HashSet::new();
        for part in self.load.parts() {
            if written.insert(&part.digest)
                && let Some(blob) = open(&*self.load.blobs, part).await?
            {
                self.write(&part.digest, &blob).await?;
            }
        }
        for entry in self.load.manifests() {
            let digest = &entry.manifest.digest;
            self.write(digest, &Blob::from(entry.manifest.bytes.clone())).await?;
            // Also on one that was there: whoever brought it may have left out what keeps the rest.
            self.services.label(self.lease.scope(), digest, &labels(entry)).await?;
        }
        Ok(self.services.name(self.lease.scope(), name, &self.load.target.manifest).await?)
    }

    async fn write(&self, digest: &Digest, blob: &Blob) -> Result<(), LoadError> {
        let reference = format!("dockless-{}-{digest}", self.lease.id.as_deref().unwrap_or_default());
        let begun = self.services.begin_write(self.lease.scope(), &reference, digest, blob.size);
        let Some(mut writing) = begun.await? else { return Ok(()) };
        while writing.offset() < blob.size {
            let piece = blob.read(writing.offset(), READ_BYTES_MAX).await?;
            writing.write(&piece).await?;
        }
        Ok(writing.commit().await?)
    }
}

/// What keeps all that a manifest refers to as long as the manifest stays, as containerd's own clients call it.
fn labels(entry: &LoadManifest) -> Vec<(String, &Digest)> {
    let configs = usize::from(!media_type::is_index(&entry.manifest.media_type));
    let key = |at: usize, kind| match kind {
        ReferenceKind::Manifest => format!("{KEEP_LABEL}.m.{at}"),
        ReferenceKind::Blob if at < configs => format!("{KEEP_LABEL}.config"),
        ReferenceKind::Blob => format!("{KEEP_LABEL}.l.{}", at - configs),
    };
    let references = entry.references.iter().enumerate();
    references.map(|(at, reference)| (key(at, reference.kind), &reference.digest)).collect()
}

impl Lease {
    async fn begin(runtime: Runtime, services: Services, namespace: &'static str) -> Result<Self, LoadError> {
        let until_ms = runtime.clock.unix_ms().saturating_add(LEASE_TIME.as_millis() as u64);
        let until = i64::try_from(until_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let until = until.unwrap_or(jiff::Timestamp::MAX).to_string();
        let id = services.begin_lease(namespace, &until).await?;
        Ok(Self { runtime, services, namespace, id: Some(id) })
    }

    fn scope(&self) -> Scope<'_> {
        Scope { namespace: Some(self.namespace), lease: self.id.as_deref() }
    }

    /// Ends it; what was written goes at once if `collect`, unless something keeps it.
    async fn end(mut self, collect: bool) {
        if let Some(id) = &self.id
            && let Err(error) = self.services.end_lease(self.namespace, id, collect).await
        {
            tracing::debug!(%error, "a lease of containerd is left to its end");
        }
        self.id = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (services, namespace) = (self.services.clone(), self.namespace);
        self.runtime.spawn("end a lease of containerd", async move {
            // One that cannot be ended ends by itself.
            let _ = services.end_lease(namespace, &id, true).await;
        });
    }
}
