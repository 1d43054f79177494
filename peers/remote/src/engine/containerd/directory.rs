//! The directory in which containerd keeps its blobs, for those who may read there: each blob is a file that is named by
//! its digest. Nothing is believed of it: what is read was hashed.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use dockless_oci::Digest;
use dockless_registry::{Blob, SourceError};
use dockless_runtime::disk::{ForeignFile, ForeignRoot};
use dockless_runtime::{Runtime, Stat};

use super::content::Content;
use super::opened::{Genuine, Opened, Reader};
use crate::layer::bounded::{Bounded, Calls, LOOK_TIME_MAX, NotDone};
use crate::layer::file::EngineFile;

/// How long it may take to look whether directories can be read: an engine must say what it is in not much more.
const OPEN_TIME_MAX: Duration = Duration::from_secs(3);

/// What is known of files of blobs; it outlives the engine's restarts.
#[derive(Default)]
pub(crate) struct Files {
    /// Those that are being read, so that all who read one share what is hashed of it.
    open: Mutex<HashMap<Digest, Weak<Opened>>>,
    genuine: Arc<Genuine>,
    calls: Calls,
}

/// One or more directories of blobs.
pub(crate) struct Directory {
    bounded: Bounded,
    files: Arc<Files>,
    roots: Vec<EngineFile>,
}

impl Files {
    /// What is held of a file, or what holds it from now on.
    fn opened(&self, digest: &Digest, file: ForeignFile, stat: Stat) -> Arc<Opened> {
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
                match disk.list(&root).and_then(|_| ForeignRoot::open(&root)) {
                    Ok(_) => roots.push(EngineFile::root(&root)),
                    Err(error) => reasons.push(format!("{}: {error}", root.display())),
                }
            }
            if roots.is_empty() { Err(reasons.join("; ")) } else { Ok(roots) }
        };
        let bounded = Bounded::new(runtime, files.calls.clone());
        let roots = bounded.open("look at blobs of an engine", OPEN_TIME_MAX, look).await;
        let roots = roots.map_err(|error| error.to_string())??;
        Ok(Self { bounded, files, roots })
    }

    /// What `look` finds in the first directory that has a file of this blob.
    async fn first<T: Send + 'static>(
        &self,
        digest: &Digest,
        look: impl Fn(&EngineFile) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, SourceError> {
        let name = Path::new("blobs").join(digest.algorithm().as_str()).join(digest.hex());
        let places: Vec<_> = self.roots.iter().map(|root| root.join(&name)).collect();
        let found = move || {
            for place in places {
                match look(&place) {
                    Ok(found) => return Ok(Some(found)),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(of_look(&place, &error)),
                }
            }
            Ok(None)
        };
        let found = self.bounded.look("look for a blob of an engine", LOOK_TIME_MAX, found).await;
        found.map_err(|NotDone(why)| SourceError::Refused(why))?
    }
}

/// What an error about the file of one blob says.
fn of_look(place: &EngineFile, error: &io::Error) -> SourceError {
    let said = format!("{place}: {error}");
    match error.kind() {
        // Links without an end among it.
        ErrorKind::InvalidData | ErrorKind::NotADirectory => SourceError::Damaged(said),
        // One file that the disk does not give says nothing about others; one that hangs is noticed by its limit.
        _ => SourceError::Refused(said),
    }
}

#[async_trait]
impl Content for Directory {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, SourceError> {
        self.first(digest, |place| place.stat().map(|stat| stat.size)).await
    }

    async fn open(&self, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        let open = |place: &EngineFile| {
            let file = place.open()?;
            let stat = file.stat()?;
            Ok((file, stat))
        };
        let Some((file, stat)) = self.first(digest, open).await? else { return Ok(None) };
        let opened = self.files.opened(digest, file, stat);
        // One for each who asks: who reads in order gets bytes before the whole is known to be right.
        let reader = Reader::new(self.bounded.clone(), self.files.genuine.clone(), opened);
        Ok(Some(Blob::new(stat.size, Arc::new(reader))))
    }
}
