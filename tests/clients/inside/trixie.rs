//! Debian 13 (trixie) on this machine: a root of its own, which shares the network and a room with all that is outside.

use std::ffi::OsString;
use std::path::Path;

use super::room::tools;

/// The file of the root that says that it was made to its end.
const STAMP: &str = ".ready";

/// Writes a script into `room` that enters the root and runs its arguments there, and gives the words that start it.
/// What is written there outside of the room is forgotten with the last process there.
pub(super) fn entry(room: &Path) -> Vec<OsString> {
    let root = tools().join("trixie");
    assert!(
        root.join(STAMP).is_file(),
        "there is no whole {}: `cargo xtask test --clients` makes it",
        root.display()
    );
    let root = root.canonicalize().unwrap();
    let script = room.join("enter");
    std::fs::write(&script, steps(&root, room)).unwrap();
    vec!["unshare".into(), "--mount".into(), "sh".into(), "-e".into(), script.into()]
}

fn steps(root: &Path, room: &Path) -> String {
    let (root, room) = (root.display(), room.display());
    // pivot_root, and no chroot: docker unpacks layers behind a `/` that it mounts anew, so that it must be a mount.
    format!(
        r#"mount -t tmpfs tmpfs "{root}/tmp"
cd "{root}/tmp"
mkdir upper work all
mount -t overlay -o "lowerdir={root},upperdir=upper,workdir=work" overlay all
cd all
for folder in proc sys dev; do mount --rbind "/$folder" "$folder"; done
mkdir -p old ".{room}"
mount --rbind "{room}" ".{room}"
pivot_root . old
umount --lazy /old
cd "{room}"
exec "$@"
"#
    )
}
