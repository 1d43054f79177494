//! Tells systemd how the node is (sd_notify): ready, reloading, stopping.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// A state that systemd understands (`sd_notify(3)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// The node answers.
    Ready,
    /// The configuration is being read again; `Ready` follows.
    Reloading,
    /// The node is on its way down.
    Stopping,
}

impl State {
    /// The datagram of this state. With `Type=notify-reload` systemd wants the monotonic time of a reload.
    fn message(self) -> String {
        match self {
            Self::Ready => "READY=1\n".to_owned(),
            Self::Stopping => "STOPPING=1\n".to_owned(),
            Self::Reloading => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
                format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000)
            }
        }
    }
}

/// The service manager that started this process, if one did.
pub(crate) struct Notifier(Option<String>);

impl Notifier {
    /// Finds the service manager's socket in the environment.
    pub(crate) fn new(environment: &[(String, String)]) -> Self {
        let socket = environment.iter().find(|(name, value)| name == "NOTIFY_SOCKET" && !value.is_empty());
        Self(socket.map(|(_, path)| path.clone()))
    }

    /// Tells the state. That the service manager cannot be told is no reason to stop serving, so it is only logged.
    pub(crate) fn tell(&self, state: State) {
        let Some(path) = &self.0 else { return };
        if let Err(error) = send(path, &state.message()) {
            tracing::warn!(%error, "cannot tell the service manager");
        }
    }
}

/// Sends one datagram to `path`; a leading `@` stands for the abstract name space.
fn send(path: &str, message: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    socket.send_to_addr(message.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_arrive_at_the_socket_of_the_service_manager() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(&[("NOTIFY_SOCKET".to_owned(), path.to_str().unwrap().to_owned())]);
        let mut buffer = [0; 128];
        for (state, expected) in [
            (State::Ready, "READY=1\n"),
            (State::Reloading, "RELOADING=1\nMONOTONIC_USEC="),
            (State::Stopping, "STOPPING=1\n"),
        ] {
            notifier.tell(state);
            let length = socket.recv(&mut buffer).unwrap();
            assert!(std::str::from_utf8(&buffer[..length]).unwrap().starts_with(expected));
        }
    }
}
