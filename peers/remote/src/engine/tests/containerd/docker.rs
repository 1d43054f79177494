//! docker with the containerd store: names by its API, bytes in place or by export.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use dockless_oci::digest::Algorithm;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;

use super::super::super::name::EngineName;
use super::super::fake::{Fake, entry};
use super::super::loads::files;
use super::loads::Pushed;
use super::*;

/// A docker that answers as 26.1.5 was seen to.
struct Docker {
    images: Mutex<Vec<(Digest, Vec<&'static str>)>>,
    /// The files of an export.
    exported: Mutex<Vec<Vec<u8>>>,
    root: String,
    saves: AtomicUsize,
    /// The archive that was loaded last.
    loaded: Mutex<Vec<u8>>,
}

impl Docker {
    #[expect(clippy::disallowed_methods, reason = "the fake is no part of the node")]
    fn start(self: &Arc<Self>, path: &Path) -> Running {
        let listener = UnixListener::bind(path).unwrap();
        let fake = self.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let fake = fake.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let fake = fake.clone();
                        async move { Ok::<_, Infallible>(fake.serve(request).await) }
                    });
                    // A client that breaks off is nothing to this fake.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Running::new(task, path)
    }

    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if path == "/images/load" {
            let archive = request.into_body().collect().await.unwrap().to_bytes();
            *self.loaded.lock().unwrap() = archive.into();
            return Response::new(r#"{"stream":"Loaded image: team/app:1"}"#.into());
        }
        self.answer(&path)
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let images = self.images.lock().unwrap();
        let row = |(id, names): &(Digest, Vec<&str>)| {
            let (digests, tags): (Vec<&str>, Vec<&str>) =
                names.iter().copied().partition(|name| name.contains('@'));
            format!(r#"{{"Id":"{id}","RepoTags":{tags:?},"RepoDigests":{digests:?}}}"#)
        };
        let body = match path {
            "/version" => r#"{"Version":"26.1.5+dfsg1","Components":[{"Name":"Engine"}]}"#.to_owned(),
            "/info" => format!(
                r#"{{"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"DockerRootDir":"{}"}}"#,
                self.root
            ),
            "/images/json" => format!("[{}]", images.iter().map(row).collect::<Vec<_>>().join(",")),
            _ if path.ends_with("/get") => {
                self.saves.fetch_add(1, Ordering::SeqCst);
                let mut archive = Vec::new();
                for file in &*self.exported.lock().unwrap() {
                    archive.extend(entry(
                        &format!("blobs/sha256/{}", Digest::sha256(file).hex()),
                        b'0',
                        file,
                    ));
                }
                archive.extend(entry("oci-layout", b'0', br#"{"imageLayoutVersion":"1.0.0"}"#));
                archive.extend(vec![0; 1024]);
                return Response::new(archive.into());
            }
            _ => {
                let name = path.strip_prefix("/images/").unwrap().strip_suffix("/json").unwrap();
                let asked = EngineName::parse(name);
                let found =
                    images.iter().find(|image| image.1.iter().any(|name| EngineName::parse(name) == asked));
                let Some(found) = found else {
                    let unknown = r#"{"message":"no such image"}"#.as_bytes().into();
                    return Response::builder().status(404).body(unknown).unwrap();
                };
                row(found)
            }
        };
        Response::new(body.into())
    }
}

/// A docker that has the image as `app:1`, its index, and `y:2`, its manifest; whether its directory can be read.
fn docker(in_place: bool) -> (Node, Arc<Docker>, App) {
    let mut node = Node::new();
    let app = App::put(&node.fake);
    let root = node.directory.path().join("docker");
    let docker = Docker {
        images: Mutex::new(vec![(app.index.0.clone(), vec!["app:1"]), (app.manifest.0.clone(), vec!["y:2"])]),
        exported: Mutex::new(node.fake.blobs.lock().unwrap().values().cloned().collect()),
        root: root.display().to_string(),
        saves: AtomicUsize::new(0),
        loaded: Mutex::default(),
    };
    if in_place {
        for (digest, bytes) in &*node.fake.blobs.lock().unwrap() {
            write(&content(&root).join(digest.hex()), bytes);
        }
    }
    let docker = Arc::new(docker);
    // Before the other one goes, and takes the socket with it.
    let place = node.directory.path().join("docker-engine");
    write(&place.join("here"), b"");
    node._running = docker.start(&place.join("engine.sock"));
    node.engine = Place::engine(&place, node.clock.clone(), Share::All, 64 << 20);
    (node, docker, app)
}

fn content(root: &Path) -> PathBuf {
    root.join("containerd/daemon/io.containerd.content.v1.content/blobs/sha256")
}

#[tokio::test]
async fn docker_answers_original_bytes_in_place_and_by_export() {
    for in_place in [true, false] {
        let (node, docker, app) = docker(in_place);
        let status = node.engine.status().await;
        assert_eq!(status.description, "docker 26.1.5+dfsg1, overlayfs over containerd");
        assert_eq!((status.images, status.problem, status.note.is_none()), (Some(2), None, in_place));
        let saves = || docker.saves.load(Ordering::SeqCst);
        let (index, manifest) = (served(&app.index, OCI_INDEX), served(&app.manifest, OCI_MANIFEST));
        let by_digest = node.get("app", manifest.digest.as_str()).await;
        assert_eq!(by_digest.map(|found| found.is_some()), Ok(in_place));
        assert_eq!(saves(), 0, "nothing is exported to look for a digest");
        assert_eq!(node.get("app", "1").await, Ok(Some(index)));
        assert_eq!(node.get("app", manifest.digest.as_str()).await, Ok(Some(manifest.clone())));
        assert_eq!(node.get("y", "2").await, Ok(Some(manifest)), "of what was exported already");
        for (digest, bytes) in &app.layers {
            assert_eq!(node.read("app", digest).await.as_deref(), Some(&bytes[..]));
        }
        assert_eq!(saves(), usize::from(!in_place));
        docker.images.lock().unwrap().remove(0);
        assert_eq!(node.get("app", "1").await, Ok(None), "gone");
        assert_eq!(node.read("app", &app.config).await, None, "gone");
        assert!(node.read("y", &app.config).await.is_some());
    }
}

#[tokio::test]
async fn an_image_that_has_no_tag_is_found_by_its_digest() {
    for in_place in [false, true] {
        let (node, docker, app) = docker(in_place);
        let digest = &app.manifest.0;
        let pinned = vec![&*format!("pinned@{digest}").leak(), format!("moby-dangling@{digest}").leak()];
        *docker.images.lock().unwrap() = vec![(digest.clone(), pinned)];
        let manifest = served(&app.manifest, OCI_MANIFEST);
        assert_eq!(node.get("pinned", digest.as_str()).await, Ok(Some(manifest)));
        assert_eq!(node.read("pinned", &app.config).await.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(node.get("moby-dangling", digest.as_str()).await, Ok(None));
        assert_eq!(node.engine.repositories(&Principal::Anonymous).await, Ok(Vec::new()));
        assert_eq!(node.engine.status().await.images, Some(1));
    }
}

#[tokio::test]
async fn docker_does_not_offer_an_image_of_which_something_is_missing() {
    let (node, docker, app) = docker(true);
    #[expect(clippy::disallowed_methods, reason = "somebody removes it")]
    std::fs::remove_file(content(Path::new(&docker.root)).join(app.layers[1].0.hex())).unwrap();
    assert_eq!(node.get("app", "1").await, Ok(None));
    assert_eq!(node.get("y", "2").await, Ok(None));
    assert_eq!(docker.saves.load(Ordering::SeqCst), 0, "docker has no more of it");
}

#[tokio::test]
async fn an_export_without_a_layer_is_not_offered_and_one_that_was_evicted_is_made_again() {
    let (node, docker, app) = docker(false);
    let all = docker.exported.lock().unwrap().clone();
    docker.exported.lock().unwrap().retain(|file| *file != app.layers[1].1);
    for _ in 0..5 {
        assert_eq!(node.get("app", "1").await, Ok(None));
        assert_eq!(node.read("app", &app.layers[1].0).await, None);
    }
    assert_eq!(docker.saves.load(Ordering::SeqCst), 2, "once for the manifest, once for the layer");
    *docker.exported.lock().unwrap() = all;
    node.clock.advance(Duration::from_secs(60));
    assert!(node.get("app", "1").await.unwrap().is_some());
    assert_eq!(docker.saves.load(Ordering::SeqCst), 3);
    let spool = node.directory.path().join("docker-engine/spool/blobs/sha256");
    remove_below(&spool, app.layers[1].0.hex());
    for (digest, bytes) in &app.layers {
        assert_eq!(node.read("app", digest).await.as_deref(), Some(&bytes[..]));
    }
    assert_eq!(docker.saves.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_docker_that_came_back_with_another_store_is_noticed() {
    for in_place in [false, true] {
        let (mut node, docker, app) = docker(in_place);
        let socket = node.directory.path().join("docker-engine/engine.sock");
        let unpacked = Arc::new(Fake::new(vec![super::super::app()]));
        let index = served(&app.index, OCI_INDEX);
        assert_eq!(node.get("app", "1").await, Ok(Some(index.clone())));
        for _ in 0..2 {
            drop(node._running);
            node._running = unpacked.start(&socket);
            node.clock.advance(Duration::from_secs(2));
            let made = node.get("app", "1").await.unwrap().unwrap();
            assert_eq!(
                node.read("app", &super::super::app().id()).await.unwrap(),
                super::super::app().config
            );
            assert_ne!(made.digest, index.digest);
            drop(node._running);
            node._running = docker.start(&socket);
            node.clock.advance(Duration::from_secs(2));
            assert_eq!(node.get("app", "1").await, Ok(Some(index.clone())));
            for (digest, bytes) in &app.layers {
                assert_eq!(node.read("app", digest).await.as_deref(), Some(&bytes[..]));
            }
        }
    }
}

#[tokio::test]
async fn a_docker_that_came_back_at_once_with_another_store_is_noticed_by_its_answer() {
    let (mut node, docker, app) = docker(true);
    let socket = node.directory.path().join("docker-engine/engine.sock");
    let unpacked = Arc::new(Fake::new(vec![super::super::app()]));
    let index = served(&app.index, OCI_INDEX);
    assert_eq!(node.get("app", "1").await, Ok(Some(index.clone())));
    drop(node._running);
    node._running = unpacked.start(&socket);
    assert_eq!(node.get("app", "1").await, Ok(None), "what it has is none of that kind");
    let made = node.get("app", "1").await.unwrap().unwrap();
    assert_ne!(made, index);
    drop(node._running);
    node._running = docker.start(&socket);
    let first = node.get("app", "1").await;
    assert!(matches!(first, Err(SourceError::Damaged(_))), "{first:?}");
    assert_eq!(node.get("app", "1").await, Ok(Some(index)));
}

#[tokio::test]
async fn a_directory_that_can_be_read_later_is_read_later() {
    let (node, docker, app) = docker(false);
    assert!(node.get("app", "1").await.unwrap().is_some());
    assert!(node.engine.status().await.note.is_some());
    for (digest, bytes) in &*node.fake.blobs.lock().unwrap() {
        write(&content(Path::new(&docker.root)).join(digest.hex()), bytes);
    }
    remove_below(&node.directory.path().join("docker-engine/spool/blobs/sha256"), app.layers[1].0.hex());
    node.clock.advance(Duration::from_secs(60));
    assert_eq!(node.read("app", &app.layers[1].0).await.as_deref(), Some(&app.layers[1].1[..]));
    assert_eq!((docker.saves.load(Ordering::SeqCst), node.engine.status().await.note), (1, None));
}

#[tokio::test]
async fn docker_is_given_an_image_as_it_was_pushed() {
    let (node, docker, _) = docker(false);
    let image = Pushed::new("a").await;
    node.load(&image).await.unwrap();
    let loaded = || files(docker.loaded.lock().unwrap().clone());
    let sent = loaded();
    let is_there = |bytes: &Vec<u8>| sent.iter().filter(|file| *file == bytes).count() == 1;
    assert!(image.blobs.iter().all(is_there), "each blob once");
    let index: serde_json::Value = serde_json::from_slice(sent.last().unwrap()).unwrap();
    let entry = serde_json::json!({
        "mediaType": OCI_INDEX, "digest": image.target(), "size": image.load.target.manifest.bytes.len(),
        "annotations": {"io.containerd.image.name": "docker.io/team/app:1"},
    });
    assert_eq!(index["manifests"], serde_json::json!([entry]));
    // docker would not find what has another name.
    let mut other = image.load.clone();
    other.target.manifest.digest = Digest::of(Algorithm::Sha512, &other.target.manifest.bytes);
    node.engine.load(&other).await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(loaded().last().unwrap()).unwrap();
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["docker.io/team/app:1"]));
}

/// Removes the file whose name ends so, however deep it lies.
#[expect(clippy::disallowed_methods, reason = "somebody empties the spool")]
fn remove_below(directory: &Path, hex: &str) {
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            remove_below(&entry, hex);
        } else if entry.to_str().unwrap().ends_with(hex) {
            std::fs::remove_file(&entry).unwrap();
        }
    }
}
