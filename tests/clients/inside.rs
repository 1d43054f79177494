//! What the client tests stand on: the node, the room a client lives in, images, daemons and programs.

pub(crate) mod daemon;
pub(crate) mod elsewhere;
pub(crate) mod layout;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod room;
pub(crate) mod tar;
pub(crate) mod tool;
mod trixie;

pub(crate) use daemon::{Containerd, Dockerd, DockerdOptions, PodmanService};
pub(crate) use elsewhere::Elsewhere;
pub(crate) use layout::{Flavour, Layout, Stored};
pub(crate) use node::Node;
pub(crate) use room::Room;
