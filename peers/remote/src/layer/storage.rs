//! Where engines keep their layers on disk.

mod docker;
mod podman;

pub(crate) use docker::DockerStorage;
pub(crate) use podman::PodmanStorage;
