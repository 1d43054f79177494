//! What the fake is given: leases, blobs in pieces, labels and names. What nothing keeps it takes away, as containerd
//! does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use dockless_oci::Digest;
use futures_util::stream;
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::mpsc;

use super::super::super::super::containerd::frames::{Frames, framed};
use super::super::super::super::containerd::message::{Fields, Message, Value, bytes_in, number_in, text_in};
use super::{Body, Containerd, Manner, Piece, answered, failed, status};

/// A code of gRPC, and words.
type Refusal = (u32, String);

const NAMESPACES: [&str; 4] = ["moby", "k8s.io", "default", "buildkit"];

/// What a fake was given.
#[derive(Default)]
pub(in super::super) struct Given {
    pub(in super::super) leases: BTreeMap<String, Lease>,
    leases_begun: usize,
    /// Writes that have not come to their end: the lease of each, and its bytes.
    pub(in super::super) ingests: BTreeMap<String, (String, Vec<u8>)>,
    pub(in super::super) labels: BTreeMap<Digest, BTreeMap<String, String>>,
    /// Blobs whose bytes were sent, in their order.
    pub(in super::super) sent: Vec<Digest>,
    /// Blobs that another namespace has.
    pub(in super::super) elsewhere: BTreeMap<Digest, Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Lease {
    pub(in super::super) namespace: String,
    pub(in super::super) until: String,
    keeps: BTreeSet<Digest>,
}

/// One write on its way.
struct Write {
    fake: Arc<Containerd>,
    lease: String,
    incoming: Incoming,
    frames: Frames,
    reference: String,
    expected: Option<Digest>,
    total: u64,
}

fn map_in(message: &Bytes, number: u64) -> BTreeMap<String, String> {
    let entries = Fields::new(message.clone()).map(Result::unwrap).filter(|(at, _)| *at == number);
    let entry = |value| match value {
        Value::Bytes(entry) => (text_in(&entry, 1).unwrap(), text_in(&entry, 2).unwrap()),
        other => panic!("{other:?}"),
    };
    entries.map(|(_, value)| entry(value)).collect()
}

impl Containerd {
    /// The answer to a call that changes something; `None` for any other.
    pub(super) fn change(
        &self,
        method: &str,
        namespace: &str,
        lease: &str,
        request: &Bytes,
    ) -> Option<Result<Message, Refusal>> {
        let text = |number| text_in(request, number).unwrap();
        Some(match method {
            "leases.v1.Leases/Create" => Ok(self.begin_lease(namespace, &map_in(request, 3))),
            "leases.v1.Leases/Delete" => {
                let known = self.given.lock().unwrap().leases.remove(&text(1));
                assert_eq!(known.unwrap().namespace, namespace);
                if number_in(request, 2).unwrap() == 1 {
                    self.collect();
                }
                self.ended.notify_one();
                Ok(Message::default())
            }
            "content.v1.Content/Update" => self.label(request),
            "images.v1.Images/Create" | "images.v1.Images/Update" => {
                assert!(self.given.lock().unwrap().leases.contains_key(lease), "{lease}");
                self.set_name(method.ends_with("Update"), namespace, request)
            }
            _ => return None,
        })
    }

    fn begin_lease(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Message {
        let mut given = self.given.lock().unwrap();
        given.leases_begun += 1;
        let id = format!("lease-{}", given.leases_begun);
        let until = labels["containerd.io/gc.expire"].clone();
        let lease = Lease { namespace: namespace.to_owned(), until, keeps: BTreeSet::new() };
        given.leases.insert(id.clone(), lease);
        Message::default().bytes(1, Message::default().bytes(1, id))
    }

    fn label(&self, request: &Bytes) -> Result<Message, Refusal> {
        let info = bytes_in(request, 1).unwrap();
        let digest = Digest::parse(&text_in(&info, 1).unwrap()).unwrap();
        if !self.blobs.lock().unwrap().contains_key(&digest) {
            return Err((5, format!("{digest}: not found")));
        }
        let labels = map_in(&info, 5);
        let fields = Fields::new(bytes_in(request, 2).unwrap()).map(|field| match field.unwrap() {
            (1, Value::Bytes(path)) => String::from_utf8(path.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        });
        let named: BTreeSet<_> = labels.keys().map(|key| format!("labels.{key}")).collect();
        assert_eq!(fields.collect::<BTreeSet<_>>(), named, "what is not named is not taken");
        self.given.lock().unwrap().labels.entry(digest).or_default().extend(labels);
        Ok(Message::default())
    }

    fn set_name(&self, update: bool, namespace: &str, request: &Bytes) -> Result<Message, Refusal> {
        let image = bytes_in(request, 1).unwrap();
        let (name, target) = (text_in(&image, 1).unwrap(), bytes_in(&image, 3).unwrap());
        let digest = Digest::parse(&text_in(&target, 2).unwrap()).unwrap();
        let size = self.blobs.lock().unwrap()[&digest].len() as u64;
        assert!(text_in(&target, 1).unwrap().starts_with("application/vnd.oci.image."));
        assert_eq!(number_in(&target, 3).unwrap(), size);
        let namespace = NAMESPACES.into_iter().find(|known| *known == namespace).unwrap();
        let mut names = self.names.lock().unwrap();
        let known = names.iter_mut().find(|(of, held, _)| *of == namespace && *held == name);
        match (known, update) {
            (Some((_, _, held)), true) => {
                let mask = bytes_in(request, 2).unwrap();
                assert_eq!(text_in(&mask, 1).unwrap(), "target", "all else is the user's");
                *held = digest;
            }
            (Some(_), false) => return Err((6, format!("image {name:?}: already exists"))),
            (None, true) => return Err((5, format!("image {name:?}: not found"))),
            (None, false) => names.push((namespace, name, digest)),
        }
        Ok(Message::default())
    }

    /// Takes away what neither a name nor a lease keeps.
    pub(in super::super) fn collect(&self) {
        let mut given = self.given.lock().unwrap();
        let leased = given.leases.values().flat_map(|lease| &lease.keeps);
        let mut next: Vec<_> = leased.cloned().collect();
        next.extend(self.names.lock().unwrap().iter().map(|(_, _, target)| target.clone()));
        let mut kept = BTreeSet::new();
        while let Some(digest) = next.pop() {
            if kept.insert(digest.clone())
                && let Some(labels) = given.labels.get(&digest)
            {
                let keeping =
                    labels.iter().filter(|(key, _)| key.starts_with("containerd.io/gc.ref.content"));
                next.extend(keeping.map(|(_, kept)| Digest::parse(kept).unwrap()));
            }
        }
        self.blobs.lock().unwrap().retain(|digest, _| kept.contains(digest));
        let Given { ingests, leases, .. } = &mut *given;
        ingests.retain(|_, (lease, _)| leases.contains_key(lease));
    }

    /// Takes a blob.
    #[expect(clippy::disallowed_methods, reason = "the fake is no part of the node")]
    pub(super) async fn write(self: &Arc<Self>, lease: &str, incoming: Incoming) -> Response<Body> {
        let mut write = Write {
            fake: self.clone(),
            lease: lease.to_owned(),
            incoming,
            frames: Frames::new((1 << 20) + 1000),
            reference: String::new(),
            expected: None,
            total: 0,
        };
        let Some(first) = write.receive().await else { return failed(3, "nothing was sent") };
        let begun = match write.begin(&first) {
            Ok(begun) => begun,
            Err((code, words)) => return failed(code, &words),
        };
        let (pieces, body) = mpsc::channel::<Piece>(1);
        tokio::spawn(async move { write.run(begun, pieces).await });
        let body = stream::unfold(body, |mut body| async move { Some((body.recv().await?, body)) });
        answered(StreamBody::new(body).boxed_unsync())
    }
}

impl Write {
    /// The next message; `None` when the client is gone, or has no more.
    async fn receive(&mut self) -> Option<Bytes> {
        loop {
            if let Some(message) = self.frames.next().unwrap() {
                return Some(message);
            }
            self.frames.push(&self.incoming.frame().await?.ok()?.into_data().ok()?);
        }
    }

    fn begin(&mut self, first: &Bytes) -> Result<Message, Refusal> {
        assert_eq!(number_in(first, 1).unwrap(), 0, "STAT");
        let expected = Digest::parse(&text_in(first, 4).unwrap()).unwrap();
        (self.reference, self.total) = (text_in(first, 2).unwrap(), number_in(first, 3).unwrap());
        let mut given = self.fake.given.lock().unwrap();
        let lease = given.leases.get_mut(&self.lease).expect("all is written under a lease");
        if self.fake.blobs.lock().unwrap().contains_key(&expected) {
            lease.keeps.insert(expected);
            return Err((6, "blob exists: already exists".to_owned()));
        }
        let held = given.elsewhere.get(&expected).cloned().unwrap_or_default();
        let begun = answer(0, held.len());
        let before = given.ingests.insert(self.reference.clone(), (self.lease.clone(), held));
        assert_eq!(before, None, "two writes under one reference");
        self.expected = Some(expected);
        Ok(begun)
    }

    async fn run(mut self, begun: Message, pieces: mpsc::Sender<Piece>) {
        let mut next = begun;
        loop {
            let _ = pieces.send(Ok(Frame::data(framed(next.as_ref())))).await;
            let Some(message) = self.receive().await else { return };
            let action = number_in(&message, 1).unwrap();
            let manner = *self.fake.manner.lock().unwrap();
            match manner {
                Manner::HangsAt(at) if at == action => {
                    self.fake.hanging.notify_one();
                    return std::future::pending().await;
                }
                Manner::DropsAt(at) if at == action => {
                    let _ = pieces.send(Err(std::io::Error::other("cut"))).await;
                    return;
                }
                _ => {}
            }
            let taken = match manner {
                Manner::RefusesAt(at) if at == action => Err((9, "no space left on device".to_owned())),
                _ => self.take(action, &message),
            };
            match taken {
                Ok(held) => next = answer(action, if manner == Manner::Misplaces { held - 1 } else { held }),
                Err((code, words)) => {
                    let _ = pieces.send(Ok(Frame::trailers(status(code, &words)))).await;
                    return;
                }
            }
            if action == 2 {
                // containerd says the last word twice.
                for _ in 0..2 {
                    let _ = pieces.send(Ok(Frame::data(framed(next.as_ref())))).await;
                }
                let _ = pieces.send(Ok(Frame::trailers(status(0, "")))).await;
                return;
            }
        }
    }

    /// Takes a message; how many bytes there are then.
    fn take(&self, action: u64, message: &Bytes) -> Result<usize, Refusal> {
        let mut given = self.fake.given.lock().unwrap();
        let Given { ingests, leases, sent, .. } = &mut *given;
        let (_, held) = ingests.get_mut(&self.reference).ok_or((5, "gone".to_owned()))?;
        let (offset, data) = (number_in(message, 5).unwrap() as usize, bytes_in(message, 6).unwrap());
        match offset {
            0 => held.clear(),
            offset if offset != held.len() => return Err((11, "must occur at current offset".to_owned())),
            _ => {}
        }
        held.extend_from_slice(&data);
        let (length, expected) = (held.len(), self.expected.clone().unwrap());
        if sent.last() != Some(&expected) && !data.is_empty() {
            sent.push(expected.clone());
        }
        if action == 2 {
            if length as u64 != self.total || Digest::sha256(held) != expected {
                return Err((9, "unexpected commit digest or size".to_owned()));
            }
            let (_, held) = ingests.remove(&self.reference).unwrap();
            leases.get_mut(&self.lease).unwrap().keeps.insert(expected.clone());
            self.fake.blobs.lock().unwrap().insert(expected, held);
        }
        Ok(length)
    }
}

fn answer(action: u64, offset: usize) -> Message {
    let time = Message::default().number(1, 1_700_000_000);
    Message::default().number(1, action).bytes(2, &time).bytes(3, time).number(4, offset as u64)
}
