//! Debian packages that the client tests need: looked for, installed by name when missing, never skipped.

use std::path::Path;

use crate::program::Program;

/// What the tests start, by the file that shows it is there, and the package that brings it.
const PACKAGES: [(&str, &str); 17] = [
    ("/usr/bin/docker", "docker.io"),
    ("/usr/sbin/dockerd", "docker.io"),
    ("/usr/bin/podman", "podman"),
    ("/usr/bin/skopeo", "skopeo"),
    ("/usr/bin/buildah", "buildah"),
    ("/usr/bin/containerd", "containerd"),
    ("/usr/bin/ctr", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/bin/busybox", "busybox-static"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/nsenter", "util-linux"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/htpasswd", "apache2-utils"),
    ("/usr/bin/curl", "curl"),
    ("/usr/sbin/debootstrap", "debootstrap"),
    ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
];

/// Installs what is missing; needs root, as the tests do.
pub(crate) fn install() -> Result<(), String> {
    let user = Program::new("id", "coreutils").arguments(["-u"]).output()?;
    if user.trim() != "0" {
        return Err(
            "the client tests need root: they start dockerd, containerd and network namespaces".to_owned()
        );
    }
    let wanted = missing(|path| Path::new(path).exists());
    if wanted.is_empty() {
        return Ok(());
    }
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"][..], &wanted].concat())?;
    let still = missing(|path| Path::new(path).exists());
    if still.is_empty() { Ok(()) } else { Err(format!("not there after installing: {}", still.join(" "))) }
}

fn apt(arguments: &[&str]) -> Result<(), String> {
    Program::new("apt-get", "a Debian 12 system; other systems need these programs installed beforehand")
        .arguments(arguments)
        .variable("DEBIAN_FRONTEND", "noninteractive")
        // A service that starts by itself would hold ports and sockets the tests do not know of.
        .variable("RUNLEVEL", "1")
        .run()
}

/// The packages of files that are not there, each once.
fn missing(exists: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut packages: Vec<&str> = Vec::new();
    for (path, package) in PACKAGES {
        if !exists(path) && !packages.contains(&package) {
            packages.push(package);
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn a_missing_program_asks_for_its_package_once() {
        assert_eq!(missing(|_| true), Vec::<&str>::new());
        assert_eq!(missing(|path| !path.contains("docker")), ["docker.io"]);
        assert_eq!(missing(|path| !path.ends_with("/ctr")), ["containerd"]);
    }
}
