//! A containerd that answers as 1.6.20 was seen to, and misbehaves when told to.

mod changes;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dockless_oci::Digest;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;
use tokio::sync::Notify;

use super::super::super::containerd::frames::framed;
use super::super::super::containerd::message::{Message, text_in};
use super::super::fake::Running;
pub(super) use changes::Given;

/// What the fake does instead of what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nothing else.
    Well,
    /// Takes a call of a method that contains this, and never answers.
    Hangs(&'static str),
    /// Sends the first bytes of a blob, and no more.
    Stalls,
    /// Answers a call of such a method with an error.
    Fails(&'static str),
    /// Breaks off after half a blob.
    Cuts,
    /// Ends half a blob as if it were whole.
    Shortens,
    /// Turns a bit of each blob.
    Turns,
    /// Sends more than it said.
    Lengthens,
    /// Says that a message has 1 GiB.
    Oversize,
    /// Says that a message is compressed.
    Compresses,
    /// Ends an answer without saying how it went.
    Silent,
    /// Sends what is no message.
    Garbage,
    /// Answers as a web server.
    Plain,
    /// Takes a message of a write with this action, and never answers.
    HangsAt(u64),
    /// Breaks off at such a message.
    DropsAt(u64),
    /// Refuses such a message.
    RefusesAt(u64),
    /// Says that it wrote less than it did.
    Misplaces,
}

/// A name in a namespace, and what it stands for.
pub(super) type Name = (&'static str, String, Digest);

pub(super) struct Containerd {
    pub(super) names: Mutex<Vec<Name>>,
    pub(super) blobs: Mutex<BTreeMap<Digest, Vec<u8>>>,
    pub(super) manner: Mutex<Manner>,
    /// Where it says that its blobs are.
    pub(super) root: String,
    /// Closes the next connection.
    pub(super) closes: AtomicBool,
    /// Blobs that were sent.
    pub(super) reads: AtomicUsize,
    /// A call that hangs has come.
    pub(super) hanging: Notify,
    pub(super) given: Mutex<Given>,
    /// A lease has ended.
    pub(super) ended: Notify,
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;
type Piece = Result<Frame<Bytes>, std::io::Error>;

impl Containerd {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            names: Mutex::default(),
            blobs: Mutex::default(),
            manner: Mutex::new(Manner::Well),
            root: root.to_str().unwrap().to_owned(),
            closes: AtomicBool::new(false),
            reads: AtomicUsize::new(0),
            hanging: Notify::new(),
            given: Mutex::default(),
            ended: Notify::new(),
        }
    }

    pub(super) fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        self.blobs.lock().unwrap().insert(digest.clone(), bytes.to_vec());
        digest
    }

    pub(super) fn name(&self, namespace: &'static str, name: &str, target: &Digest) {
        self.names.lock().unwrap().push((namespace, name.to_owned(), target.clone()));
    }

    pub(super) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    #[expect(clippy::disallowed_methods, reason = "the fake is no part of the node")]
    pub(super) fn start(self: &Arc<Self>, path: &Path) -> Running {
        let listener = UnixListener::bind(path).unwrap();
        let fake = self.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                if fake.closes.swap(false, Ordering::SeqCst) {
                    continue;
                }
                let fake = fake.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let fake = fake.clone();
                        async move { Ok::<_, Infallible>(fake.serve(request).await) }
                    });
                    let server = http2::Builder::new(TokioExecutor::new());
                    // A client that breaks off is what the tests are about.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Running::new(task, path)
    }

    async fn serve(self: &Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        assert_eq!(head.headers["content-type"], "application/grpc");
        assert_eq!(head.headers["te"], "trailers");
        let text = |name| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let (namespace, lease) = (text("containerd-namespace"), text("containerd-lease"));
        let method = head.uri.path().rsplit_once("services.").unwrap().1;
        let manner = *self.manner.lock().unwrap();
        match manner {
            Manner::Hangs(what) if method.contains(what) => {
                self.hanging.notify_one();
                return std::future::pending().await;
            }
            Manner::Fails(what) if method.contains(what) => return failed(13, "the disk is on fire: 50%25"),
            Manner::Plain => return Response::builder().status(403).body(body_of(Vec::new())).unwrap(),
            _ => {}
        }
        if method == "content.v1.Content/Write" {
            return self.write(lease, body).await;
        }
        let request = body.collect().await.unwrap().to_bytes().slice(5..);
        let answer = match self.change(method, namespace, lease, &request) {
            Some(Ok(answer)) => vec![answer],
            Some(Err((code, words))) => return failed(code, &words),
            None => match self.answer(method, namespace, &request) {
                Some(answer) => answer,
                None => return failed(5, "not found"),
            },
        };
        answered(self.misbehave(manner, method, answer))
    }

    /// The messages that answer a call; `None` for what is not there.
    fn answer(&self, method: &str, namespace: &str, request: &Bytes) -> Option<Vec<Message>> {
        let names = self.names.lock().unwrap();
        let asked = text_in(request, 1).unwrap();
        let image = |(_, name, target): &Name| {
            let target =
                Message::default().bytes(1, "application/json").bytes(2, target.as_str()).number(3, 5);
            let time = Message::default().number(1, 1_700_000_000);
            let label = Message::default().bytes(1, "a").bytes(2, "b");
            Message::default().bytes(1, name).bytes(2, label).bytes(3, target).bytes(7, &time).bytes(8, time)
        };
        let here = names.iter().filter(|(of, _, _)| *of == namespace);
        let answer = match method {
            "version.v1.Version/Version" => Message::default().bytes(1, "1.6.20~ds1").bytes(2, "x"),
            "introspection.v1.Introspection/Plugins" => {
                assert_eq!(asked, "type==io.containerd.content.v1");
                let export = Message::default().bytes(1, "root").bytes(2, &self.root);
                let plugin = Message::default().bytes(1, "io.containerd.content.v1").bytes(5, export);
                Message::default().bytes(1, plugin)
            }
            "images.v1.Images/List" => here.fold(Message::default(), |list, name| list.bytes(1, image(name))),
            "images.v1.Images/Get" => {
                Message::default().bytes(1, image(here.into_iter().find(|(_, name, _)| *name == asked)?))
            }
            // The namespace that has the names has the blobs.
            _ if here.count() == 0 => return None,
            "content.v1.Content/Info" => {
                let size = self.blobs.lock().unwrap().get(&Digest::parse(&asked).unwrap())?.len();
                let info = Message::default().bytes(1, asked).number(2, size as u64);
                Message::default().bytes(1, info)
            }
            "content.v1.Content/Read" => {
                let blob = self.blobs.lock().unwrap().get(&Digest::parse(&asked).unwrap())?.clone();
                self.reads.fetch_add(1, Ordering::SeqCst);
                let piece = |(at, data)| Message::default().number(1, at as u64 * 100_000).bytes(2, data);
                return Some(blob.chunks(100_000).enumerate().map(piece).collect());
            }
            other => panic!("{other}"),
        };
        Some(vec![answer])
    }

    /// The bytes of an answer and how it ends.
    fn misbehave(&self, manner: Manner, method: &str, mut answer: Vec<Message>) -> Body {
        let half = answer.len() / 2;
        if method.ends_with("/Read") {
            match manner {
                Manner::Shortens => answer.truncate(half),
                Manner::Turns => answer[0] = Message::default().bytes(2, "turned"),
                Manner::Lengthens => answer.push(Message::default().bytes(2, "more")),
                _ => {}
            }
        }
        let mut pieces: Vec<Piece> =
            answer.iter().map(|message| Ok(Frame::data(framed(message.as_ref())))).collect();
        let raw = |bytes: &'static [u8]| vec![Ok(Frame::data(Bytes::from_static(bytes)))];
        match manner {
            Manner::Oversize => pieces = raw(&[0, 0x40, 0, 0, 0, 1]),
            Manner::Compresses => pieces = raw(&[1, 0, 0, 0, 1, 0]),
            Manner::Garbage => pieces = raw(&[0, 0, 0, 0, 2, 0x0a, 0x7f]),
            Manner::Silent => return body_of(pieces),
            Manner::Cuts if method.ends_with("/Read") => {
                pieces.truncate(half);
                pieces.push(Err(std::io::Error::other("cut")));
            }
            Manner::Stalls if method.ends_with("/Read") => {
                pieces.truncate(half);
                return StreamBody::new(stream::iter(pieces).chain(stream::pending())).boxed_unsync();
            }
            _ => {}
        }
        pieces.push(Ok(Frame::trailers(status(0, ""))));
        body_of(pieces)
    }
}

fn status(code: u32, words: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", code.into());
    headers.insert("grpc-message", words.parse().unwrap());
    headers
}

/// An answer that is nothing but an error.
fn failed(code: u32, words: &str) -> Response<Body> {
    let mut response = answered(body_of(Vec::new()));
    response.headers_mut().extend(status(code, words));
    response
}

fn answered(body: Body) -> Response<Body> {
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

fn body_of(pieces: Vec<Piece>) -> Body {
    StreamBody::new(stream::iter(pieces)).boxed_unsync()
}
