//! Blobs in files, sent by the system: whole bodies whatever happens, and only where nothing else is in the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_runtime::disk::{RealDisk, read_exact_at, write_all_at};
use dockless_runtime::{Disk as _, OpenMode, Runtime};
use dockless_store::{FilesystemStore, READ_BYTES_FIRST};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::disk::SendingDisk;
use super::fixture::{Client, Live, Speaks};
use super::protocols::tls_client;
use crate::Settings;
use crate::server::http1::PARK_AFTER;
use crate::server::timer::SpawnExecutor;
use crate::tls::Certificates;

/// Far more than the sockets of both ends hold.
const SIZE: usize = 24 << 20;

/// A server whose blobs are files, and one of them.
struct Files {
    live: Live,
    tls: Arc<Certificates>,
    disk: Arc<SendingDisk>,
    content: Vec<u8>,
    digest: Digest,
    directory: TempDir,
}

impl Files {
    async fn new(settings: Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(SendingDisk::default());
        let runtime = Runtime { disk: disk.clone(), ..Runtime::real() };
        let limits = dockless_store::Settings { free_bytes_min: 0, ..dockless_store::Settings::default() };
        let store =
            FilesystemStore::open(runtime.clone(), directory.path().join("store"), limits).await.unwrap();
        let tls = Certificates::own(&runtime, directory.path(), &[]).await.unwrap();
        let speaks = Speaks { plain: true, tls: true };
        let live = Live::over(store, settings, Some(tls.clone()), speaks).await;
        // No zeros: a stand-in would show.
        let content: Vec<u8> =
            (0..SIZE).map(|at| u8::try_from((at ^ (at >> 9)) % 255 + 1).unwrap()).collect();
        let digest = live.push(content.clone()).await;
        Self { live, tls, disk, content, digest, directory }
    }

    fn get(&self, more: &str) -> String {
        format!("GET /v2/a/blobs/{} HTTP/1.1\r\nHost: x\r\n{more}\r\n", self.digest)
    }

    /// The blob's file.
    fn path(&self) -> PathBuf {
        fn find(directory: &Path) -> Option<PathBuf> {
            RealDisk.list(directory).unwrap().into_iter().find_map(|entry| {
                let path = directory.join(entry.name);
                if entry.is_dir {
                    return find(&path);
                }
                (RealDisk.stat(&path).unwrap().size == SIZE as u64).then_some(path)
            })
        }
        find(&self.directory.path().join("store")).unwrap()
    }

    /// A download that has begun, and stands still because nobody reads.
    async fn begun(&self) -> Client<TcpStream> {
        let mut client = self.live.connect().await;
        client.send(&self.get("Connection: close\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        while self.disk.sent() == 0 {
            tokio::task::yield_now().await;
        }
        client
    }

    /// Waits until no connection is left.
    async fn all_gone(&self) {
        while self.live.door.metrics.connections.get() != 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_and_ranges_sent_by_the_system_are_right_and_the_connection_goes_on() {
    let files = Files::new(Settings::default()).await;
    let mut client = files.live.connect().await;
    let head = files.get("").replacen("GET", "HEAD", 1);
    let ranges = ["bytes=0-0", "bytes=1-9000000", "bytes=5000000-", "bytes=-700001"];
    let ahead: String = ranges.iter().map(|range| files.get(&format!("Range: {range}\r\n"))).collect();
    client.send(&(files.get("") + &ahead + &head + &files.get(""))).await;
    assert!(client.answer().await.1 == files.content);
    let ends = [(0, 1), (1, 9_000_001), (5_000_000, SIZE), (SIZE - 700_001, SIZE)];
    for ((from, to), range) in ends.into_iter().zip(ranges) {
        let (head, body) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 206") && body == files.content[from..to], "{range}");
    }
    assert!(client.head().await.contains(&format!("content-length: {SIZE}\r\n")));
    assert!(client.answer().await.1 == files.content);
    let read = READ_BYTES_FIRST as u64 * 3 * 5;
    let all = 2 * SIZE as u64 + 9_000_000 + (SIZE as u64 - 5_000_000) + 700_001;
    assert!(files.disk.sent() > all - read, "all but the ends: {} of {all}", files.disk.sent());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_stood_still_in_an_answer_and_was_parked_after_it_sends_files_again() {
    let files = Files::new(Settings::default()).await;
    let clock = files.live.door.runtime.clock.clone();
    let mut client = files.live.connect().await;
    for _ in 0..2 {
        client.send(&files.get("")).await;
        clock.sleep(PARK_AFTER * 2).await;
        assert!(client.answer().await.1 == files.content);
        clock.sleep(PARK_AFTER * 2).await;
    }
    assert!(files.disk.sent() > SIZE as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_ranges_are_sent_between_their_heads() {
    let files = Files::new(Settings::default()).await;
    let mut client = files.live.connect().await;
    client.send(&files.get("Range: bytes=0-3000000, 10000000-10000000, 20000000-\r\n")).await;
    let (head, body) = client.answer().await;
    assert!(head.contains("multipart/byteranges"), "{head}");
    for (from, to) in [(0, 3_000_001), (10_000_000, 10_000_001), (20_000_000, SIZE)] {
        let line = format!("bytes {from}-{}/{SIZE}\r\n\r\n", to - 1);
        let at = body.windows(line.len()).position(|window| window == line.as_bytes()).unwrap() + line.len();
        assert!(body[at..at + to - from] == files.content[from..to], "{line}");
    }
    assert!(files.disk.sent() > 6_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_http2_are_read_and_written() {
    let files = Files::new(Settings::default()).await;
    let mut client = Client(tls_client(&files.live, &files.tls, &["http/1.1"]).await);
    client.send(&files.get("")).await;
    assert!(client.answer().await.1 == files.content);
    let executor = SpawnExecutor(Runtime::real());
    let stream = TokioIo::new(TcpStream::connect(files.live.address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
    Runtime::real().spawn("client", async move {
        let _ = connection.await;
    });
    let target = format!("http://127.0.0.1/v2/a/blobs/{}", files.digest);
    let response = sender.send_request(Request::get(target).body(Empty::<Bytes>::new()).unwrap()).await;
    assert!(response.unwrap().into_body().collect().await.unwrap().to_bytes() == files.content);
    assert_eq!(files.disk.sent(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_in_small_steps_gets_everything_and_the_counters_know() {
    let files = Files::new(Settings::default()).await;
    let mut client = files.begun().await;
    let mut step = [0; 10_007];
    let mut read = Vec::new();
    loop {
        let some = client.0.read(&mut step).await.unwrap();
        if some == 0 {
            break;
        }
        read.extend_from_slice(&step[..some]);
    }
    assert!(read == files.content);
    files.all_gone().await;
    let metrics = files.live.ask("GET /metrics HTTP/1.1").await;
    let value = |name: &str| {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("dockless_{name} ")) && !line.contains('{'));
        line.unwrap().rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()
    };
    assert!((SIZE..SIZE + 10_000).contains(&value("http_sent_bytes_total")), "{metrics}");
    assert_eq!(value("http_answers_aborted_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_cut_short_cuts_the_answer() {
    let files = Files::new(Settings::default()).await;
    let mut client = files.begun().await;
    RealDisk.open(&files.path(), OpenMode::ReadWrite).unwrap().set_len(SIZE as u64 - 1).unwrap();
    let (read, _) = client.rest_bytes().await;
    assert!(read.len() < SIZE && read == files.content[..read.len()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_turned_in_what_is_still_to_be_sent_cuts_the_answer() {
    let files = Files::new(Settings::default()).await;
    let mut client = files.begun().await;
    let file = RealDisk.open(&files.path(), OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    read_exact_at(&*file, &mut byte, SIZE as u64 - 1).unwrap();
    write_all_at(&*file, &[byte[0] ^ 1], SIZE as u64 - 1).unwrap();
    let (read, _) = client.rest_bytes().await;
    assert!(read.len() < SIZE && read == files.content[..read.len()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_removed_meanwhile_is_sent_to_its_end() {
    let files = Files::new(Settings::default()).await;
    let mut client = files.begun().await;
    RealDisk.remove(&files.path()).unwrap();
    assert!(client.rest_bytes().await == (files.content.clone(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_or_takes_nothing_is_let_go_and_a_stop_waits_for_one_that_reads() {
    let settings = Settings { idle_timeout: Duration::from_millis(200), ..Settings::default() };
    let files = Files::new(settings).await;
    drop(files.begun().await);
    files.all_gone().await;
    let mut stuck = files.begun().await;
    files.all_gone().await;
    assert!(stuck.rest_bytes().await.0.len() < SIZE);
    let mut client = files.begun().await;
    files.live.stop();
    assert!(client.rest_bytes().await == (files.content.clone(), true));
    assert_eq!(files.live.ended().await.cut, 0);
}
