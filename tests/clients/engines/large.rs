//! A layer far larger than the memory that a node may use.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::scene::{Machine, Shown, serve};
use crate::inside::Room;

/// The size of the layer, in MiB, and the most that the node may use at any time.
const LAYER_MIB: u64 = 320;
const MEMORY_MAX_BYTES: u64 = 100 << 20;
/// Clients that read all of it at once.
const CLIENTS: usize = 3;

#[test]
fn a_large_layer_streams_to_several_clients_in_bounded_memory() {
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

    // One that takes the beginning and then nothing more holds nobody up.
    let mut slow = TcpStream::connect(node.address()).unwrap();
    let ask = format!("GET /v2/large/blobs/{digest} HTTP/1.1\r\nHost: node\r\n\r\n");
    slow.write_all(ask.as_bytes()).unwrap();
    slow.read_exact(&mut [0; 1000]).unwrap();
    let read = format!("curl --silent --fail http://{}/v2/large/blobs/{digest} | sha256sum", node.host());
    let sums: Vec<String> = std::thread::scope(|scope| {
        let hash = || room.tool("sh").arg("-c").arg(&read).ok();
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(hash)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for sum in sums {
        assert_eq!(format!("sha256:{}", sum.split(' ').next().unwrap()), *digest);
    }
    let peak = node.memory_peak_bytes();
    assert!(peak < MEMORY_MAX_BYTES, "the node used {peak} bytes");
    drop(slow);
}
