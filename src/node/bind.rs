//! Opens the sockets a node listens on, with errors that say what stands in the way.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use dockless_runtime::Runtime;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket, UnixStream};

use super::address::Address;
use super::port_holder;
use crate::failure::Failure;

/// Connections the kernel keeps until they are accepted: as many as Linux allows by default (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Bytes that the kernel holds unsent for one connection before it asks for no more (tcp(7), `TCP_NOTSENT_LOWAT`).
/// Without it a reader that stands still costs the kernel as much as `tcp_wmem` allows, 4 MiB, and a few hundred of
/// them slow every connection of the machine. Half of what one frame holds keeps a fast reader as fast.
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// Longest path of a unix socket on Linux (unix(7)), its closing zero left out.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// A socket that listens.
pub(super) enum Bound {
    /// On an address.
    Tcp(TcpListener, SocketAddr),
    /// On a path.
    Unix(UnixListener, std::path::PathBuf),
}

/// Opens the sockets that the configuration names, or the default ones.
///
/// # Errors
/// The first that cannot be opened. A machine without IPv6 is no error where nobody asked for it.
pub(super) async fn bind(runtime: &Runtime, named: &[String]) -> Result<Vec<Bound>, Failure> {
    let addresses = named.iter().map(|text| text.parse::<Address>()).collect::<Result<Vec<_>, _>>();
    let mut addresses = addresses.map_err(Failure::usage)?;
    let by_default = addresses.is_empty();
    if by_default {
        addresses.extend(Address::defaults());
    }
    let mut bound = Vec::new();
    for address in &addresses {
        match address {
            Address::Unix(path) => bound.push(unix(runtime, path).await?),
            Address::Tcp(address) => match tcp(*address, &addresses) {
                Ok(listener) => bound.push(listener),
                Err(error) if by_default && address.is_ipv6() && has_no_such_address(&error) => {
                    tracing::info!(%address, "this machine has no IPv6 loopback; listening on IPv4 alone");
                }
                Err(error) => return Err(refused(runtime, *address, &error)),
            },
        }
    }
    Ok(bound)
}

/// Opens the socket of the admin API, which only this user may use.
pub(super) async fn bind_private(runtime: &Runtime, path: &Path) -> Result<UnixListener, Failure> {
    // The data directory is locked, so what stands there was left by a node that is gone.
    remove_stale(runtime, path).await?;
    open_unix(path, Some(rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR))
        .map_err(|error| unix_refused(path, &error))
}

/// Opens a TCP socket.
fn tcp(address: SocketAddr, all: &[Address]) -> io::Result<Bound> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the previous process to time out.
    socket.set_reuseaddr(true)?;
    let v4_beside = |other: &Address| {
        let Address::Tcp(other) = other else { return false };
        other.port() == address.port() && matches!(other.ip(), IpAddr::V4(ip) if ip.is_unspecified())
    };
    if address.is_ipv6() && all.iter().any(v4_beside) {
        // `[::]` takes IPv4 as well, unless somebody else is to have it.
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // Connections inherit it from the socket that accepts them.
    SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok(Bound::Tcp(listener, address))
}

/// Opens a unix socket for others, by the umask of this process.
async fn unix(runtime: &Runtime, path: &Path) -> Result<Bound, Failure> {
    match UnixStream::connect(path).await {
        Ok(_) => {
            let message = format!("cannot listen on `unix:{}`: another process does", path.display());
            return Err(Failure::failed(message).hint("stop it, or choose another path with `--listen`"));
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => remove_stale(runtime, path).await?,
        Err(_) => {}
    }
    let listener = open_unix(path, None).map_err(|error| unix_refused(path, &error))?;
    Ok(Bound::Unix(listener, path.to_owned()))
}

/// Makes and binds a unix socket. Its mode is set before it has a name, so that it is never open to others.
fn open_unix(path: &Path, mode: Option<rustix::fs::Mode>) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    if let Some(mode) = mode {
        rustix::fs::fchmod(&socket, mode)?;
    }
    socket.bind(path)?;
    socket.listen(BACKLOG)
}

/// Removes a socket that a process which is gone left behind. Anything that is not a socket stays.
async fn remove_stale(runtime: &Runtime, path: &Path) -> Result<(), Failure> {
    let is_socket = rustix::fs::stat(path)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Socket);
    if !is_socket {
        return Ok(());
    }
    let (disk, owned) = (runtime.disk.clone(), path.to_owned());
    let removed = runtime.blocking("remove socket", move || disk.remove(&owned)).await;
    match removed {
        Ok(Err(error)) => Err(unix_refused(path, &error)),
        _ => Ok(()),
    }
}

/// Whether the machine has no such address, rather than somebody else holding it.
fn has_no_such_address(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Why a TCP socket cannot be opened, and what to do about it.
fn refused(runtime: &Runtime, address: SocketAddr, error: &io::Error) -> Failure {
    let other = SocketAddr::new(address.ip(), if address.port() == 5000 { 5001 } else { 5000 });
    let elsewhere = format!("listen elsewhere, for example with `--listen {other}`");
    match error.kind() {
        ErrorKind::AddrInUse => {
            let holder = port_holder::find(&*runtime.disk, address);
            let holder = holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
            Failure::failed(format!("cannot listen on {address}: {holder} holds port {}", address.port()))
                .hint(format!("stop it, or {elsewhere}"))
        }
        ErrorKind::PermissionDenied => {
            Failure::failed(format!("cannot listen on {address}: ports below 1024 are for root"))
                .hint(format!("give the process CAP_NET_BIND_SERVICE, or {elsewhere}"))
        }
        ErrorKind::AddrNotAvailable => {
            let every = if address.is_ipv4() { "0.0.0.0" } else { "[::]" };
            Failure::failed(format!("cannot listen on {address}: this machine does not have that address"))
                .hint(format!("`--listen {every}:{}` stands for all that it has", address.port()))
        }
        _ => Failure::failed(format!("cannot listen on {address}: {error}")),
    }
}

/// Why a unix socket cannot be opened.
fn unix_refused(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::failed(format!("cannot listen on `unix:{}`: {error}", path.display()));
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        return failure.hint(format!(
            "the path of a socket has at most {SOCKET_PATH_BYTES_MAX} bytes; choose a shorter one"
        ));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_stands_still_costs_the_kernel_little() {
        let Bound::Tcp(listener, address) = tcp(SocketAddr::from(([127, 0, 0, 1], 0)), &[]).unwrap() else {
            panic!("a TCP address gives a TCP socket")
        };
        let connected = tokio::net::TcpStream::connect(address);
        let (accepted, _client) = tokio::join!(listener.accept(), connected);
        let (accepted, _) = accepted.unwrap();
        assert_eq!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
    }
}
