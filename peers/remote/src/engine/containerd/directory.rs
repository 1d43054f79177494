//! The directory in which containerd keeps its blobs, for those who may read there: each blob is a file that is named by
//! its digest. Nothing is believed of it: what is read was hashed.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use dockless_oci::Digest;
use dockless_registry::{Blob, SourceError};
use dockless_runtime::{DiskFile, OpenMode, Runtime, Stat};

use super::super::recent::Recent;
use super::content::Content;
use super::opened::{Opened, Reader};

/// What is known of files of blobs; it outlives the engine's restarts.
#[derive(Default)]
pub(crate) struct Files {
    /// Those that are being read, so that all who read one share what is hashed of it.
    open: Mutex<HashMap<Digest, Weak<Opened>>>,
    /// Those that were hashed and found right.
    genuine: Recent<Digest, Stat>,
}

/// One or more directories of blobs.
pub(crate) struct Directory {
    runtime: Runtime,
    files: Arc<Files>,
    roots: Vec<PathBuf>,
}

impl Files {
    /// Says that a file was hashed and found right.
    pub(super) fn remember(&self, digest: Digest, identity: Stat) {
        self.genuine.insert(digest, identity);
    }

    /// What is held of a file, or what holds it from now on.
    fn opened(&self, digest: &Digest, file: Arc<dyn DiskFile>, stat: Stat) -> Arc<Opened> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, opened| opened.strong_count() > 0);
        let held = open.get(digest).and_then(Weak::upgrade);
        held.filter(|held| held.identity() == stat).unwrap_or_else(|| {
            let genuine = self.genuine.get(digest) == Some(stat);
            let opened = Arc::new(Opened::new(digest.clone(), file, stat, genuine));
            open.insert(digest.clone(), Arc::downgrade(&opened));
            opened
        })
    }
}

impl Directory {
    /// Those of `candidates` that can be read.
    ///
    /// # Errors
    /// Why none of them can, in words.
    pub(crate) async fn open(
        runtime: Runtime,
        files: Arc<Files>,
        candidates: Vec<PathBuf>,
    ) -> Result<Self, String> {
        let disk = runtime.disk.clone();
        let look = move || {
            let (mut roots, mut reasons) = (Vec::new(), Vec::new());
            for root in candidates {
                match disk.list(&root) {
                    Ok(_) => roots.push(root),
                    Err(error) => reasons.push(format!("{}: {error}", root.display())),
                }
            }
            if roots.is_empty() { Err(reasons.join("; ")) } else { Ok(roots) }
        };
        let roots = runtime
            .blocking("look at blobs of an engine", look)
            .await
            .map_err(|error| error.to_string())??;
        Ok(Self { runtime, files, roots })
    }

    /// What `look` finds in the first directory that has a file of this blob.
    async fn first<T: Send + 'static>(
        &self,
        digest: &Digest,
        look: impl Fn(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, SourceError> {
        let name = Path::new("blobs").join(digest.algorithm().as_str()).join(digest.hex());
        let paths: Vec<_> = self.roots.iter().map(|root| root.join(&name)).collect();
        let found = self.runtime.blocking("look for a blob of an engine", move || {
            for path in paths {
                match look(&path) {
                    Ok(found) => return Ok(Some(found)),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(format!("{}: {error}", path.display())),
                }
            }
            Ok(None)
        });
        found.await.map_err(|error| error.to_string()).flatten().map_err(SourceError::Unavailable)
    }
}

#[async_trait]
impl Content for Directory {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, SourceError> {
        let disk = self.runtime.disk.clone();
        let look = move |path: &Path| disk.stat(path).map(|stat| stat.size);
        self.first(digest, look).await
    }

    async fn open(&self, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        let disk = self.runtime.disk.clone();
        let open = move |path: &Path| {
            let file = disk.open(path, OpenMode::Read)?;
            let stat = file.stat()?;
            Ok((file, stat))
        };
        let Some((file, stat)) = self.first(digest, open).await? else { return Ok(None) };
        let opened = self.files.opened(digest, file, stat);
        let reader = Reader::new(self.runtime.clone(), self.files.clone(), opened);
        Ok(Some(Blob::new(stat.size, Arc::new(reader))))
    }
}
