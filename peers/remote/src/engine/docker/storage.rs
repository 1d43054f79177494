//! Where the engine keeps its layers, for those who may read there.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use dockless_oci::Digest;

use crate::layer::bounded::Bounded;
use crate::layer::storage::{DockerStorage, NotOpen, PodmanStorage};
use crate::layer::{LayerError, LayerPlace};

/// The storage directory of docker or podman.
#[derive(Clone)]
pub(crate) enum Storage {
    /// `/var/lib/docker` or its like.
    Docker(DockerStorage),
    /// `/var/lib/containers/storage` or its like.
    Podman(PodmanStorage),
}

/// The directory that was opened last; it outlives the engine's restarts.
#[derive(Default)]
pub(crate) struct LastOpen(Mutex<Option<(Place, Storage)>>);

/// What is opened: podman's directory or docker's, where, and by which driver.
type Place = (bool, PathBuf, String);

impl LastOpen {
    /// Opens the directory `root` of an engine. While its disk hangs, the one that was opened before is taken to be
    /// as it was.
    ///
    /// # Errors
    /// Why layers cannot be read in place, in words.
    pub(crate) async fn open(
        &self,
        bounded: Bounded,
        podman: bool,
        root: &Path,
        driver: &str,
    ) -> Result<Storage, String> {
        let last = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (podman, root.to_owned(), driver.to_owned());
        match Storage::open(bounded, podman, root, driver).await {
            Ok(storage) => {
                *last() = Some((place, storage.clone()));
                Ok(storage)
            }
            Err(NotOpen::Unreadable(why)) => Err(why),
            Err(NotOpen::Unknown(why)) => {
                let before = last()
                    .as_ref()
                    .filter(|(before, _)| *before == place)
                    .map(|(_, storage)| storage.clone());
                before.ok_or(why)
            }
        }
    }
}

impl Storage {
    async fn open(bounded: Bounded, podman: bool, root: &Path, driver: &str) -> Result<Self, NotOpen> {
        if podman {
            return PodmanStorage::open(bounded, root).await.map(Self::Podman);
        }
        DockerStorage::open(bounded, root, driver).await.map(Self::Docker)
    }

    /// As [`DockerStorage::layers`].
    pub(crate) async fn layers(&self, diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        match self {
            Self::Docker(storage) => storage.layers(diff_ids).await,
            Self::Podman(storage) => storage.layers(diff_ids).await,
        }
    }

    /// As [`DockerStorage::config`].
    pub(crate) async fn config(&self, image: &Digest) -> Result<Option<Bytes>, LayerError> {
        match self {
            Self::Docker(storage) => storage.config(image).await,
            Self::Podman(storage) => storage.config(image).await,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "plants what an engine has, and removes it")]

    use std::sync::Arc;
    use std::sync::mpsc;
    use std::time::Duration;

    use dockless_runtime::{BoxFuture, Clock, Runtime};

    use super::*;
    use crate::layer::bounded::Calls;

    /// Every limit passes early.
    struct Hasty(Runtime);

    impl Clock for Hasty {
        fn monotonic(&self) -> Duration {
            self.0.clock.monotonic()
        }

        fn unix_ms(&self) -> u64 {
            0
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            self.0.clock.sleep(duration / 100)
        }
    }

    #[tokio::test]
    async fn while_a_disk_hangs_the_directory_that_was_open_stays_open() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["overlay", "overlay-layers"] {
            std::fs::create_dir(root.path().join(directory)).unwrap();
        }
        let (calls, real) = (Calls::default(), Runtime::real());
        let bounded = Bounded::new(real.clone(), calls.clone());
        let last = LastOpen::default();
        assert!(last.open(bounded.clone(), true, root.path(), "overlay").await.is_ok());
        let (release, hang) = mpsc::sync_channel::<()>(1);
        let (begun, begins) = mpsc::sync_channel(1);
        let hanging = bounded.open("hang", Duration::from_secs(60), move || {
            begun.send(()).unwrap();
            let _ = hang.recv();
        });
        let hasty = Runtime { clock: Arc::new(Hasty(real.clone())), ..real };
        let hasty = Bounded::new(hasty, calls);
        let (hung, ()) = tokio::join!(hanging, async {
            hasty.runtime.blocking("wait", move || begins.recv()).await.unwrap().unwrap();
            assert!(last.open(hasty.clone(), true, root.path(), "overlay").await.is_ok());
            let said = last.open(hasty.clone(), true, Path::new("/elsewhere"), "overlay").await.err();
            assert!(said.is_some_and(|why| why.contains("does the disk of the engine hang?")));
            drop(release);
        });
        assert_eq!(hung, Ok(()));
        std::fs::remove_dir(root.path().join("overlay")).unwrap();
        assert!(last.open(bounded, true, root.path(), "overlay").await.is_err());
    }
}
