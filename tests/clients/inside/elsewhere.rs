//! Another host: a namespace whose programs reach a node by an address that is not loopback.

use std::path::Path;

use dockless_testkit::process::binary;

use super::network::Network;
use super::room::Room;
use super::tool::Tool;

/// A namespace as another host that reaches a node, and what is needed to pull from it there.
pub(crate) struct Elsewhere {
    pub(crate) room: Room,
    pub(crate) network: Network,
    /// `ADDRESS:PORT` as the namespace names the node.
    pub(crate) host: String,
}

impl Elsewhere {
    /// A program inside the namespace.
    pub(crate) fn tool(&self, program: &str) -> Tool {
        self.room.tool("nsenter").arg(format!("--net=/run/netns/{}", self.network.name())).arg(program)
    }

    /// `dockless trust`, of the node.
    pub(crate) fn trust(&self, words: &str) -> Tool {
        self.tool(&binary().display().to_string()).arg("trust").words(words).arg(&self.host)
    }

    /// Which of the places that clients look at have the node's certificate: those of docker, podman and containerd.
    pub(crate) fn files(&self) -> Vec<bool> {
        ["/etc/docker/certs.d", "/etc/containers/certs.d", "/etc/containerd/certs.d"]
            .map(|folder| Path::new(folder).join(&self.host).join("ca.crt").exists())
            .to_vec()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // A failed test leaves nothing in /etc either.
        let _ = self.trust("--undo --yes").run();
    }
}
