//! Who holds a TCP port of this machine, read from `/proc` (proc(5)), for the error that says a port is busy.

use std::net::SocketAddr;
use std::path::Path;

use dockless_runtime::{Disk, OpenMode};

/// Most bytes read of a table of sockets: 150 bytes a socket, for more sockets than a machine has ports.
const TABLE_BYTES_MAX: usize = 16 << 20;

/// The state of a listening socket in the tables.
const LISTENING: &str = "0A";

/// A process that holds a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PortHolder {
    /// Its number; unknown when it belongs to another user and we are not root.
    pub(super) process: Option<(u32, String)>,
}

impl std::fmt::Display for PortHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.process {
            Some((process, name)) => write!(f, "`{name}` (process {process})"),
            None => f.write_str("a process of another user"),
        }
    }
}

/// Who listens on the port of `address`; `None` when nobody is seen to.
pub(super) fn find(disk: &dyn Disk, address: SocketAddr) -> Option<PortHolder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<_> = tables
        .iter()
        .filter_map(|path| read(disk, Path::new(path)))
        .flat_map(|table| listening_inodes(&table, address.port()))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    Some(PortHolder { process: process_with(disk, &inodes) })
}

/// The inodes of the sockets in `table` that listen on `port`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    let suffix = format!(":{port:04X}");
    let inode = |line: &str| -> Option<u64> {
        let mut fields = line.split_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        (local.ends_with(&suffix) && state == LISTENING).then_some(())?;
        fields.nth(5)?.parse().ok()
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// The first process that has one of the sockets open.
fn process_with(disk: &dyn Disk, inodes: &[u64]) -> Option<(u32, String)> {
    let wanted: Vec<_> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = disk.list(Path::new("/proc")).ok()?;
    let numbers = processes.iter().filter_map(|entry| entry.name.to_str()?.parse::<u32>().ok());
    for number in numbers {
        let directory = Path::new("/proc").join(number.to_string());
        // Processes end while we look, and those of other users are closed to us.
        let Ok(open) = disk.list(&directory.join("fd")) else { continue };
        let holds = open.iter().any(|entry| {
            // The seam knows no symbolic links, as a node's data has none; these are the kernel's.
            let link = rustix::fs::readlink(directory.join("fd").join(&entry.name), Vec::new());
            link.is_ok_and(|link| wanted.iter().any(|wanted| wanted.as_bytes() == link.as_bytes()))
        });
        if holds {
            let name = read(disk, &directory.join("comm")).unwrap_or_default();
            return Some((number, name.trim().to_owned()));
        }
    }
    None
}

/// The text of a file of the kernel, whose size is not known before it is read.
fn read(disk: &dyn Disk, path: &Path) -> Option<String> {
    let file = disk.open(path, OpenMode::Read).ok()?;
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    while text.len() < TABLE_BYTES_MAX {
        match file.read_at(&mut buffer, text.len() as u64).ok()? {
            0 => break,
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockless_runtime::disk::RealDisk;

    #[test]
    fn a_listening_socket_is_found_in_the_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     \x20  0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
                     \x20  1: 0100007F:1388 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
                     \x20  2: 0100007F:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n\
                     garbage\n";
        assert_eq!(listening_inodes(table, 5000), [4711]);
        assert_eq!(listening_inodes(table, 1), Vec::<u64>::new());
    }

    #[test]
    fn this_process_is_found_as_the_holder_of_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = find(&RealDisk, listener.local_addr().unwrap()).unwrap();
        assert_eq!(holder.process.map(|(process, _)| process), Some(std::process::id()));
    }
}
