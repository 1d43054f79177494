//! A layer far larger than the memory that a node may use, for many clients at once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use dockless_oci::digest::{Algorithm, Hasher};
use tokio::net::TcpSocket;

use super::scene::{Machine, Shown, serve};
use crate::inside::{Node, Room};

/// The size of the layer, in MiB, and the most that the node may use at any time.
const LAYER_MIB: u64 = 320;
const MEMORY_MAX_BYTES: u64 = 100 << 20;
/// Clients that read all of it at once.
const CLIENTS: usize = 20;
/// Bytes that each client takes before the next one does: none is far ahead of the others.
const STEP_BYTES: usize = 1 << 20;
/// Bytes that the system takes for a client before it reads them: without a bound that is most of what a node holds for
/// all who read at the same place.
const RECEIVE_BYTES: u32 = 256 << 10;

#[test]
fn a_large_layer_streams_to_twenty_clients_by_one_reading_in_bounded_memory() {
    let (machine, room) = (Machine::new(), Room::new());
    let node = serve(&[machine.engine.host()], &[]);
    machine.build("base:1", 3);
    let folder = room.path("empty");
    std::fs::create_dir(&folder).unwrap();
    let fill = format!(
        "FROM base:1\nRUN [\"/bin/busybox\", \"dd\", \"if=/dev/urandom\", \"of=/large\", \"bs=1M\", \"count={LAYER_MIB}\"]\n"
    );
    machine.build_in(&folder, &fill, "large:1");
    let shown = Shown::of(&node, "large", "1");
    let (digest, size) = &shown.layers[1];
    assert!(*size > LAYER_MIB << 20);

    let before = node.read_bytes();
    // One that takes the beginning and then nothing more holds nobody up.
    let mut slow = begin(&node, digest, *size);
    slow.read_exact(&mut [0; 1000]).unwrap();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| begin(&node, digest, *size)).collect();
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let (mut left, mut first, mut other) = (*size, vec![0; STEP_BYTES], vec![0; STEP_BYTES]);
    while left > 0 {
        let step = usize::try_from(left.min(STEP_BYTES as u64)).unwrap();
        clients[0].read_exact(&mut first[..step]).unwrap();
        hasher.update(&first[..step]);
        for client in &mut clients[1..] {
            client.read_exact(&mut other[..step]).unwrap();
            assert!(first[..step] == other[..step], "{left} bytes before the end");
        }
        left -= step as u64;
    }
    assert_eq!(hasher.finish().as_str(), digest);
    let peak = node.memory_peak_bytes();
    assert!(peak < MEMORY_MAX_BYTES, "the node used {peak} bytes");
    // Once for the checksum of the file, once for all who read it; a quarter for whoever fell behind.
    let read = node.read_bytes() - before;
    assert!(
        read > 2 * (LAYER_MIB << 20),
        "a file of {LAYER_MIB} MiB is checked first, and {read} bytes were read"
    );
    assert!(read < *size / 4 * 9, "{CLIENTS} clients cost {read} bytes of reading for {size}");
    drop(slow);
}

/// Asks for a layer, and reads until its first byte.
fn begin(node: &Node, digest: &str, size: u64) -> TcpStream {
    let mut stream = node.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
        socket.connect(node.address()).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    let ask = format!("GET /v2/large/blobs/{digest} HTTP/1.1\r\nHost: node\r\n\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(
        head.starts_with("http/1.1 200 ") && head.contains(&format!("content-length: {size}\r\n")),
        "{head}"
    );
    stream
}
