//! A root of Debian 13 (trixie) below the target folder, for the engines that are newer than this machine's.

use std::fs;
use std::path::Path;

use crate::program::Program;

/// The name of the folder among the tools, and of the release.
const NAME: &str = "trixie";
/// The packages that the tests want, with what these depend on.
const PACKAGES: &str = "containerd,docker-cli,docker.io,podman,runc";
/// What the tests start of them.
const STARTED: [&str; 6] = [
    "usr/bin/containerd",
    "usr/bin/ctr",
    "usr/bin/docker",
    "usr/sbin/dockerd",
    "usr/bin/podman",
    "usr/sbin/runc",
];
/// Where debootstrap puts packages.
const ARCHIVES: &str = "var/cache/apt/archives";
/// A package that has to be unpacked first: it brings the links that all others go through, such as `/lib`.
const FIRST: &str = "base-files_";
/// The file that is written last; it names what the root was made of.
const STAMP: &str = ".ready";

/// Makes the root, unless there is one that was made to its end.
///
/// The packages are unpacked and not set up: what the tests start needs neither users nor services of its own, and no
/// program of an unfinished root runs.
pub(crate) fn make(tools: &Path) -> Result<(), String> {
    let root = tools.join(NAME);
    if fs::read_to_string(root.join(STAMP)).is_ok_and(|made_of| made_of == PACKAGES) {
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", root.display());
    if root.exists() {
        fs::remove_dir_all(&root).map_err(failed)?;
    }
    fs::create_dir_all(&root).map_err(failed)?;
    Program::new("debootstrap", "the Debian package of that name")
        .arguments(["--variant=minbase", "--force-check-gpg", "--download-only"])
        .arguments([format!("--include={PACKAGES}").as_str(), NAME])
        .arguments([root.as_os_str(), mirror()?.as_ref()])
        .run()?;
    unpack(&root)?;
    for folder in [ARCHIVES, "var/lib/apt/lists", "debootstrap"] {
        fs::remove_dir_all(root.join(folder)).map_err(failed)?;
    }
    if let Some(lost) = STARTED.iter().find(|path| !root.join(path).is_file()) {
        return Err(format!("the packages {PACKAGES} of Debian's {NAME} brought no /{lost}"));
    }
    fs::write(root.join(STAMP), PACKAGES).map_err(failed)
}

/// Unpacks what was downloaded.
fn unpack(root: &Path) -> Result<(), String> {
    let folder = root.join(ARCHIVES);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries: Result<Vec<_>, _> = fs::read_dir(&folder).map_err(failed)?.collect();
    let names = entries.map_err(failed)?.into_iter().map(|entry| entry.file_name());
    let mut names: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".deb")).collect();
    names.sort_by_key(|name| !name.to_string_lossy().starts_with(FIRST));
    println!("==> dpkg-deb --extract: {} packages into {}", names.len(), root.display());
    for name in names {
        let archive = folder.join(name);
        Program::new("dpkg-deb", "the Debian package dpkg")
            .arguments(["--extract".as_ref(), archive.as_os_str(), root.as_os_str()])
            .output()?;
    }
    Ok(())
}

/// Where this machine gets its own Debian from: the newer one is there too.
fn mirror() -> Result<String, String> {
    if let Some(mirror) = main_archive(&sources()?) {
        return Ok(mirror);
    }
    // Nothing is said of an archive whose lists were never fetched, or were removed to save space.
    Program::new("apt-get", "a Debian system").arguments(["update", "--quiet"]).run()?;
    main_archive(&sources()?).ok_or_else(|| {
        "none of apt's sources on this machine is Debian's archive; a Debian 13 is made from it".to_owned()
    })
}

/// apt's own account of its sources, however they are written down: a label and an address in each line.
fn sources() -> Result<String, String> {
    Program::new("apt-get", "a Debian system")
        .arguments(["indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"])
        .output()
}

/// The address of Debian's archive among these lines; security updates and backports have other labels.
fn main_archive(lines: &str) -> Option<String> {
    let mut sources = lines.lines().filter_map(|line| line.rsplit_once(' '));
    sources.find(|(label, _)| *label == "Debian").map(|(_, address)| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::main_archive;

    #[test]
    fn the_archive_is_found_among_other_sources() {
        let lines = "Tools Inc. https://tools.example/apt/\nDebian Backports http://mirror.example/backports/\n\
                     Debian-Security http://mirror.example/security/\nDebian http://mirror.example/debian/\n\
                     Debian http://other.example/debian/\n";
        assert_eq!(main_archive(lines).as_deref(), Some("http://mirror.example/debian/"));
    }

    #[test]
    fn an_archive_of_which_nothing_was_fetched_is_none() {
        assert_eq!(main_archive(" http://mirror.example/debian/\n"), None);
        assert_eq!(main_archive(""), None);
    }
}
