//! What clients do, in steps, and what they learn from it.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use dockless_oci::{Algorithm, Digest, Reference, RepositoryName, Tag, media_type};
use dockless_registry::{Asked, Caller, Error, PutRequest, Registry, UploadId};
use dockless_runtime::{Disk as _, OpenMode};
use dockless_store::BlobStore as _;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};

use super::machine::{DATA, Machine};
use super::witness::{Change, Fact, Witness};

/// One thing that clients do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Push a blob in so many requests.
    Push {
        to: &'static str,
        blob: Blob,
        requests: usize,
    },
    /// Begin to push a blob: its first half.
    PushHalf {
        to: &'static str,
        blob: Blob,
    },
    /// Go on with the only upload to this repository wherever it stands, and finish it.
    Resume {
        to: &'static str,
        blob: Blob,
    },
    /// Push an image of these blobs under tags, about a subject.
    Put {
        to: &'static str,
        image: Image,
    },
    /// Mount a blob from another repository, or from any.
    Mount {
        from: Option<&'static str>,
        to: &'static str,
        blob: Blob,
    },
    DeleteTag {
        of: &'static str,
        tag: &'static str,
    },
    DeleteManifest {
        of: &'static str,
        image: Image,
    },
    DeleteBlob {
        of: &'static str,
        blob: Blob,
    },
    /// The medium changes a byte of a blob's file, and something touches the file.
    Damage(Blob),
    /// The medium changes the first byte of the tables, which the next start notices.
    DamageTables,
    /// Read a blob, whatever comes of it.
    Read {
        of: &'static str,
        blob: Blob,
    },
    /// Nothing for some seconds: checkpoints and snapshots happen.
    Wait(u64),
    /// All of these at once.
    Together(Vec<Self>),
    /// A clean stop.
    Stop,
}

/// A blob, by what decides its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blob {
    pub(crate) seed: u8,
    pub(crate) length: usize,
    pub(crate) algorithm: Algorithm,
}

/// An image, by what decides its bytes, and where it is put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) blobs: Vec<Blob>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) note: &'static str,
    /// Bytes that make it longer.
    pub(crate) padding: usize,
    pub(crate) subject: Option<Box<Self>>,
}

/// Work that has nothing to do with any scenario's.
pub(crate) fn more_work(to: &'static str) -> [Step; 2] {
    [
        Step::Push { to, blob: blob(202), requests: 2 },
        Step::Put { to, image: image("more", &[blob(202)], &["more"]) },
    ]
}

/// A small blob.
pub(crate) fn blob(seed: u8) -> Blob {
    Blob { seed, length: 9_000, algorithm: Algorithm::Sha256 }
}

pub(crate) fn image(note: &'static str, blobs: &[Blob], tags: &[&'static str]) -> Image {
    Image { blobs: blobs.to_vec(), tags: tags.to_vec(), note, ..Image::default() }
}

impl Blob {
    pub(crate) fn bytes(self) -> Bytes {
        (0..self.length)
            .map(|at| (at / 7).to_le_bytes()[0] ^ (at >> 9).to_le_bytes()[0] ^ self.seed)
            .collect()
    }

    pub(crate) fn digest(self) -> Digest {
        Digest::of(self.algorithm, &self.bytes())
    }
}

impl Image {
    pub(crate) fn bytes(&self) -> Bytes {
        let descriptor = |blob: &Blob, kind: &str| serde_json::json!({"mediaType": kind, "digest": blob.digest().as_str(), "size": blob.length});
        let mut manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": descriptor(&self.blobs[0], "application/vnd.oci.image.config.v1+json"),
            "layers": self.blobs[1..].iter().map(|blob| descriptor(blob, media_type::OCI_LAYER)).collect::<Vec<_>>(),
            "annotations": {"note": self.note, "padding": "x".repeat(self.padding)},
        });
        if let Some(subject) = &self.subject {
            let bytes = subject.bytes();
            manifest["subject"] = serde_json::json!({
                "mediaType": media_type::OCI_MANIFEST,
                "digest": Digest::sha256(&bytes).as_str(),
                "size": bytes.len(),
            });
        }
        serde_json::to_vec(&manifest).unwrap().into()
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::sha256(&self.bytes())
    }
}

pub(crate) fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

/// Anybody's question about a repository.
pub(crate) fn asked(repository_name: &str) -> Asked {
    Asked::anonymous(&repository(repository_name))
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

/// How clients read an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The machine is losing power: after an error nobody knows anything.
    Always,
    /// Only what the ledger could not say is in doubt; any other error says that nothing was changed.
    WhenUnavailable,
}

/// Clients of one machine.
pub(crate) struct Clients<'a> {
    machine: &'a Machine,
    witness: RefCell<Witness>,
    doubt: Doubt,
}

impl<'a> Clients<'a> {
    pub(crate) fn new(machine: &'a Machine, witness: Witness, doubt: Doubt) -> Self {
        Self { machine, witness: RefCell::new(witness), doubt }
    }

    /// Does the steps in turn until one fails; what is known then.
    pub(crate) fn run(self, steps: &[Step]) -> (Witness, Result<(), Error>) {
        let done = self.machine.block_on(async {
            for step in steps {
                self.perform(step).await?;
            }
            Ok(())
        });
        (self.witness.into_inner(), done)
    }

    async fn perform(&self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Push { to, blob, requests } => self.push(to, *blob, *requests).await,
            Step::PushHalf { to, blob } => self.push_half(to, *blob).await,
            Step::Resume { to, blob } => self.resume(to, *blob).await,
            Step::Put { to, image } => self.put(to, image).await,
            Step::Mount { from, to, blob } => self.mount(*from, to, *blob).await,
            Step::DeleteTag { of, tag } => self.delete_tag(of, tag).await,
            Step::DeleteManifest { of, image } => self.delete_manifest(of, image).await,
            Step::DeleteBlob { of, blob } => self.delete_blob(of, *blob).await,
            Step::Damage(blob) => {
                self.damage(*blob);
                Ok(())
            }
            Step::DamageTables => {
                self.machine.disk.damage(&Path::new(DATA).join("ledger/tables.redb"), 0).unwrap();
                Ok(())
            }
            Step::Read { of, blob } => {
                let _ = self.registry().blob(&asked(of), &blob.digest()).await;
                Ok(())
            }
            Step::Wait(seconds) => {
                self.machine.simulation.runtime().clock.sleep(Duration::from_secs(*seconds)).await;
                Ok(())
            }
            Step::Together(steps) => {
                let all: Vec<LocalBoxFuture<'_, _>> =
                    steps.iter().map(|step| self.perform(step).boxed_local()).collect();
                join_all(all).await.into_iter().collect()
            }
            Step::Stop => self.registry().stop().await,
        }
    }

    fn registry(&self) -> &Registry {
        &self.machine.registry
    }

    /// Sends a request that changes facts, and keeps what its answer says about them.
    async fn request<T>(
        &self,
        change: Change,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let asked = self.witness.borrow_mut().ask(change);
        let answer = request.await;
        let mut witness = self.witness.borrow_mut();
        match &answer {
            Ok(_) => witness.acknowledge(asked),
            Err(Error::Unavailable(_)) => {}
            Err(_) if self.doubt == Doubt::WhenUnavailable => witness.refuse(asked),
            Err(_) => {}
        }
        answer
    }

    async fn push(&self, to: &str, blob: Blob, requests: usize) -> Result<(), Error> {
        let (to, bytes) = (self.uploads_to(to, blob), blob.bytes());
        let upload = self.registry().begin_upload(&Caller::anonymous(), &to, None).await?.id;
        for chunk in bytes.chunks(bytes.len().div_ceil(requests)) {
            self.send(&to, &upload, bytes.slice_ref(chunk)).await?;
        }
        self.finish(&to, &upload, blob).await
    }

    async fn push_half(&self, to: &str, blob: Blob) -> Result<(), Error> {
        let (to, bytes) = (self.uploads_to(to, blob), blob.bytes());
        let upload = self.registry().begin_upload(&Caller::anonymous(), &to, None).await?.id;
        self.send(&to, &upload, bytes.slice(..bytes.len() / 2)).await
    }

    /// An upload that is not known any more was lost with the power; then there is nothing to do.
    async fn resume(&self, to: &str, blob: Blob) -> Result<(), Error> {
        let (to, bytes) = (self.uploads_to(to, blob), blob.bytes());
        let uploads = self.machine.store.uploads().await?;
        let Some(upload) = uploads.iter().find(|upload| upload.repository == to) else { return Ok(()) };
        let held = usize::try_from(upload.offset).unwrap();
        self.send(&to, &upload.id, bytes.slice(held..)).await?;
        self.finish(&to, &upload.id, blob).await
    }

    fn damage(&self, blob: Blob) {
        let digest = blob.digest();
        let path = Path::new(DATA).join("store/blobs/sha256").join(&digest.hex()[..2]).join(digest.hex());
        self.machine.disk.damage(&path, blob.length as u64 / 2).unwrap();
        let file = self.machine.disk.open(&path, OpenMode::ReadWrite).unwrap();
        file.set_len(blob.length as u64).unwrap();
        self.witness.borrow_mut().damaged.insert(digest);
    }

    fn uploads_to(&self, to: &str, blob: Blob) -> RepositoryName {
        let (to, bytes) = (repository(to), blob.bytes());
        let mut witness = self.witness.borrow_mut();
        witness.uploading.insert(to.clone(), bytes.clone());
        witness.contents.insert(blob.digest(), bytes);
        to
    }

    async fn send(&self, to: &RepositoryName, upload: &UploadId, bytes: Bytes) -> Result<(), Error> {
        let mut writer = self.registry().append(&Caller::anonymous(), to, upload, None).await?;
        writer.write(bytes).await?;
        writer.close().await?;
        Ok(())
    }

    async fn finish(&self, to: &RepositoryName, upload: &UploadId, blob: Blob) -> Result<(), Error> {
        let (caller, digest) = (Caller::anonymous(), blob.digest());
        let change = vec![(Fact::Blob(to.clone(), digest.clone()), Some(digest.clone()))];
        self.request(change, self.registry().finish(&caller, to, upload, &digest)).await.map(|_| ())
    }

    async fn put(&self, to: &str, image: &Image) -> Result<(), Error> {
        let (to, bytes, digest) = (repository(to), image.bytes(), image.digest());
        let mut change = vec![(Fact::Manifest(to.clone(), digest.clone()), Some(digest.clone()))];
        change.extend(image.tags.iter().map(|name| (Fact::Tag(to.clone(), tag(name)), Some(digest.clone()))));
        {
            let mut witness = self.witness.borrow_mut();
            witness.contents.insert(digest.clone(), bytes.clone());
            if let Some(subject) = &image.subject {
                witness.subjects.insert(digest.clone(), subject.digest());
            }
        }
        let request = PutRequest {
            reference: Reference::Digest(digest),
            tags: image.tags.iter().map(|name| tag(name)).collect(),
            content_type: Some(media_type::OCI_MANIFEST.to_owned()),
            bytes,
            if_match: None,
        };
        self.request(change, self.registry().put_manifest(&Asked::anonymous(&to), request)).await.map(|_| ())
    }

    async fn mount(&self, from: Option<&str>, to: &str, blob: Blob) -> Result<(), Error> {
        let (from, to, digest) = (from.map(repository), repository(to), blob.digest());
        let caller = Caller::anonymous();
        let change = vec![(Fact::Blob(to.clone(), digest.clone()), Some(digest.clone()))];
        let mounted =
            self.request(change, self.registry().mount(&caller, &to, &digest, from.as_ref())).await?;
        assert!(mounted, "there is a blob to mount");
        Ok(())
    }

    async fn delete_tag(&self, of: &str, name: &str) -> Result<(), Error> {
        let (of, tag) = (repository(of), tag(name));
        self.request(vec![(Fact::Tag(of.clone(), tag.clone()), None)], self.registry().delete_tag(&of, &tag))
            .await
    }

    async fn delete_manifest(&self, of: &str, image: &Image) -> Result<(), Error> {
        let (of, digest) = (repository(of), image.digest());
        let mut change = vec![(Fact::Manifest(of.clone(), digest.clone()), None)];
        let tagged = |(fact, value): (&Fact, &Digest)| match fact {
            Fact::Tag(repository, _) if *repository == of && *value == digest => Some((fact.clone(), None)),
            _ => None,
        };
        change.extend(self.witness.borrow().settled().iter().filter_map(tagged));
        self.request(change, self.registry().delete_manifest(&of, &digest)).await
    }

    async fn delete_blob(&self, of: &str, blob: Blob) -> Result<(), Error> {
        let (of, digest) = (repository(of), blob.digest());
        let change = vec![(Fact::Blob(of.clone(), digest.clone()), None)];
        self.request(change, self.registry().delete_blob(&of, &digest)).await
    }
}
