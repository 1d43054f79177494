//! How a node stops and reloads, and what it tells the service manager.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use dockless_runtime::disk::{RealDisk, write_file_durable};
use dockless_testkit::Process;
use dockless_testkit::process::Options;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A service manager that listens, and the options of a node that tells it.
fn service_manager() -> (TempDir, UnixDatagram, Options) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let environment = vec![("NOTIFY_SOCKET".to_owned(), path.to_str().unwrap().to_owned())];
    (directory, socket, Options { environment, ..Options::default() })
}

/// The next thing it was told.
fn told(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).expect("the node tells its state within a minute");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn the_service_manager_is_told_of_each_state() {
    let (_directory, socket, options) = service_manager();
    let node = Process::start(&options);
    assert_eq!(told(&socket), "READY=1\n");
    node.signal(Signal::HUP);
    assert!(told(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told(&socket), "READY=1\n");
    let (status, _) = node.stop();
    assert_eq!(told(&socket), "STOPPING=1\n");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_reload_takes_over_the_log_settings_and_survives_a_broken_file() {
    let (directory, socket, mut options) = service_manager();
    let file = directory.path().join("dockless.toml");
    let write = |text: &str| write_file_durable(&RealDisk, &file, text.as_bytes(), false).unwrap();
    write("log.access = false\n");
    options.arguments = vec!["--config".to_owned(), file.to_str().unwrap().to_owned()];
    let node = Process::start(&options);
    let _ = told(&socket);
    let reload = || {
        node.signal(Signal::HUP);
        (told(&socket), told(&socket))
    };
    let client = node.client();
    let _ = client.get("/v2/").header("user-agent", "unseen").send().await.expect(200);
    write("log.acess = true\n");
    let _ = reload();
    let _ = client.get("/v2/").header("user-agent", "still-unseen").send().await.expect(200);
    write("log.access = true\n");
    let _ = reload();
    let _ = client.get("/v2/").header("user-agent", "seen").send().await.expect(200);
    let _ = node.stderr_line("user_agent=seen");
    let logged = node.stderr();
    assert!(!logged.contains("unseen"), "{logged}");
    assert!(logged.contains("unknown key `log.acess`"), "{logged}");
}

#[tokio::test]
async fn a_running_request_ends_before_the_node_does_unless_asked_twice() {
    let (_directory, socket, options) = service_manager();
    for twice in [false, true] {
        let node = Process::start(&options);
        assert_eq!(told(&socket), "READY=1\n");
        let begun = node.client().post("/v2/a/blobs/uploads/").send().await.expect(202);
        let head = format!(
            "PATCH {} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\nconnection: close\r\n\r\n",
            begun.location()
        );
        let mut stream = tokio::net::TcpStream::connect(node.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // Its `100 Continue` says that the request runs.
        let mut buffer = [0; 64];
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..length].starts_with(b"HTTP/1.1 100 Continue\r\n"), "{}", buffer.escape_ascii());
        node.signal(Signal::TERM);
        assert_eq!(told(&socket), "STOPPING=1\n");
        if twice {
            assert_eq!(node.stop().0.code(), Some(1));
        } else {
            stream.write_all(b"data").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("HTTP/1.1 202"), "{answer}");
            assert_eq!(node.wait().code(), Some(0));
        }
    }
}
