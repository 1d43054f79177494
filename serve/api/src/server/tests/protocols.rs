//! TLS and plain HTTP on one port, HTTP/2 and HTTP/1.1, TCP and unix sockets.

use std::sync::Arc;

use bytes::Bytes;
use dockless_runtime::{Runtime, shutdown};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fixture::{Client, Live, Speaks};
use crate::server::timer::SpawnExecutor;
use crate::tls::Certificates;
use crate::{BoundListener, ListenerSocket, Settings, serve};

async fn with_tls(speaks: Speaks) -> (Live, Arc<Certificates>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let tls = Certificates::own(&Runtime::real(), directory.path(), &[]).await.unwrap();
    (Live::start(Settings::default(), Some(tls.clone()), speaks).await, tls, directory)
}

pub(super) async fn tls_client(live: &Live, tls: &Certificates, alpn: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(tls.trust().pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TcpStream::connect(live.address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_port_speaks_tls_and_plain_http() {
    let (live, tls, _directory) = with_tls(Speaks { plain: true, tls: true }).await;
    assert!(live.ask("GET /v2/ HTTP/1.1").await.starts_with("HTTP/1.1 200"));
    let mut client = Client(tls_client(&live, &tls, &["http/1.1"]).await);
    let chain = client.0.get_ref().1.peer_certificates().unwrap();
    assert_eq!(chain.len(), 2, "the authority is part of the chain");
    client.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.answer().await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tls_address_tells_plain_clients_what_to_do() {
    let (live, _tls, _directory) = with_tls(Speaks { plain: false, tls: true }).await;
    let answer = live.ask("GET /v2/ HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("use https://x"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_address_answers_a_tls_client_in_http() {
    let live = Live::plain(Settings::default()).await;
    let mut client = live.connect().await;
    client.send("\u{16}\u{3}\u{1}\u{0}\u{5}hello and what else a ClientHello has").await;
    let answer = client.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("plain HTTP only"),
        "{answer}"
    );
}

async fn over_http2<S>(stream: S)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let runtime = Runtime::real();
    let executor = SpawnExecutor(runtime.clone());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    runtime.spawn("client", async move {
        let _ = connection.await;
    });
    for _ in 0..3 {
        let request = Request::get("http://127.0.0.1/v2/").body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_spoken_inside_tls_and_in_the_open() {
    let (live, tls, _directory) = with_tls(Speaks { plain: true, tls: true }).await;
    over_http2(TcpStream::connect(live.address).await.unwrap()).await;
    let stream = tls_client(&live, &tls, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    over_http2(stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_blobs_are_whole_over_http2_also_side_by_side() {
    let (live, tls, _directory) = with_tls(Speaks { plain: true, tls: true }).await;
    let content: Vec<u8> = (0..5_u32 << 20).map(|n| u8::try_from((n ^ (n >> 9)) & 0xff).unwrap()).collect();
    let digest = live.push(content.clone()).await;
    let stream = tls_client(&live, &tls, &["h2"]).await;
    let runtime = Runtime::real();
    let executor = SpawnExecutor(runtime.clone());
    let (sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    runtime.spawn("client", async move {
        let _ = connection.await;
    });
    let downloads = (0..8).map(|_| {
        let mut sender = sender.clone();
        let target = format!("https://127.0.0.1/v2/a/blobs/{digest}");
        async move {
            let request = Request::get(target).body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        }
    });
    for body in futures_util::future::join_all(downloads).await {
        assert!(body == content);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owners_socket_answers_the_admin_api() {
    let live = Live::plain(Settings::default()).await;
    assert!(live.ask("GET /admin/v1/status HTTP/1.1").await.starts_with("HTTP/1.1 403"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let socket = ListenerSocket::Unix(UnixListener::bind(&path).unwrap());
    let listener = BoundListener { socket, plain: true, tls: false, admin: true };
    let (_stop, stopping) = shutdown();
    live.door.runtime.spawn("serve", {
        let serving = serve(live.door.clone(), vec![listener], stopping);
        async move {
            serving.await;
        }
    });
    let mut client = Client(UnixStream::connect(&path).await.unwrap());
    client.send("GET /admin/v1/status HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.answer().await.0.starts_with("HTTP/1.1 200"));
}
