//! The layers of a whole Debian, and of what is done in it, rebuilt to the byte out of docker's storage and podman's.

use rustix::fs::{XattrFlags, setxattr};
use serde_json::Value;

use super::scene::{Machine, Shown, serve};
use crate::inside::room::tools;
use crate::inside::{Node, PodmanService, Room};

/// What is changed in the layer above: removed and opaque directories, links of both kinds, a device, a pipe, holes,
/// names that are no text and long ones, times before 1970 and with fractions.
const CHANGES: &str = r#"
set -e
rm -r /var/lib/dpkg/info /etc/issue
rm -r /usr/share/perl5 && mkdir /usr/share/perl5 && echo anew > /usr/share/perl5/anew
mv /usr/bin/find /usr/bin/find-moved
mkdir /odd && cd /odd
ln /usr/bin/perl hard; ln hard harder; ln -s ../nowhere dangling; ln -s /odd absolute
mknod null c 1 3; mknod disk b 7 200; mkfifo pipe
truncate -s 200M holes; printf end | dd of=holes bs=1 seek=100000000 conv=notrunc 2>/dev/null
truncate -s 20M nothing-but-a-hole
: > empty; printf x > "$(printf 'caf\351 \001\n')"
long=$(printf '%0200d' 7); mkdir -p "$long/$long"; printf deep > "$long/$long/$long"
ln -s "$long/$long/$long" long-link
cp /usr/bin/bash bash; chmod 6755 bash; chown 12345:4000000000 bash
head -c 9000000 /dev/urandom > large
touch -d '1960-02-03 04:05:06' old; touch -d '2021-02-03 04:05:06.123456789' precise
"#;

/// A capability as the kernel keeps it with a file (`vfs_cap_data`): revision 2, effective, CAP_NET_RAW.
const NET_RAW: &[u8] = b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

#[test]
fn every_layer_of_a_debian_is_the_one_that_its_digest_names() {
    let machine = Machine::new();
    let (archive, added) = (machine.room.path("debian.tar"), machine.room.path("added"));
    std::fs::create_dir(&added).unwrap();
    std::fs::write(added.join("capable"), "may do more").unwrap();
    setxattr(added.join("capable"), "security.capability", NET_RAW, XattrFlags::empty()).unwrap();
    let tar =
        machine.room.tool("tar").words("--exclude ./.ready --xattrs --xattrs-include * --create --file");
    let tar = tar.arg(&archive).arg("--directory").arg(tools().join("trixie")).arg(".");
    tar.arg("--directory").arg(&added).arg("capable").ok();
    machine.docker("import").arg(&archive).arg("debian:13").ok();
    let folder = machine.room.path("changes");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("changes"), CHANGES).unwrap();
    let text = "FROM debian:13\nCOPY changes /changes\nRUN [\"/bin/sh\", \"/changes\"]\nRUN [\"/bin/sh\", \"-c\", \"rm -r /odd && mkdir /odd\"]\n";
    machine.build_in(&folder, text, "debian:changed");

    let node = serve(&[machine.engine.host()], &[]);
    let engines = node.verb("engines").ok();
    assert!(!engines.contains("exported"), "layers are read where they lie:\n{engines}");
    let shown = Shown::of(&node, "debian", "changed");
    assert_eq!(shown.layers.len(), 4);
    let inspected =
        machine.docker("image inspect debian:changed --format").arg("{{json .RootFS.Layers}}").ok();
    let diff_ids: Vec<Value> = serde_json::from_str(&inspected).unwrap();
    assert_eq!(diff_ids, shown.layers.iter().map(|(digest, _)| digest.as_str()).collect::<Vec<_>>());
    check_layers(&node, &machine.room, "debian", &shown);

    let room = Room::new();
    let service = PodmanService::start(&room);
    room.podman().words("pull --quiet --tls-verify=false").arg(node.image("debian:changed")).ok();
    room.podman().words("tag").arg(node.image("debian:changed")).arg("localhost/debian:changed").ok();
    let node = serve(&[&service.address()], &[]);
    let engines = node.verb("engines").ok();
    assert!(!engines.contains("exported"), "layers are read where they lie:\n{engines}");
    let again = Shown::of(&node, "debian", "changed");
    assert_eq!(again.layers, shown.layers);
    check_layers(&node, &room, "debian", &again);
}

/// Reads each layer from the node and compares it with its digest and size.
#[track_caller]
fn check_layers(node: &Node, room: &Room, repository: &str, shown: &Shown) {
    for (digest, size) in &shown.layers {
        let address = format!("http://{}/v2/{repository}/blobs/{digest}", node.host());
        let read = format!("curl --silent --fail {address} | sha256sum");
        let said = room.tool("sh").arg("-c").arg(&read).ok();
        assert_eq!(format!("sha256:{}", said.split(' ').next().unwrap()), *digest, "of {size} bytes");
    }
}
