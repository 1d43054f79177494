//! Logging in: with every client, with the right and the wrong password, and what a user sees who may not.

use std::fs;
use std::path::PathBuf;

use dockless_testkit::process::Options;

use crate::inside::tool::{Tool, says};
use crate::inside::{Dockerd, Flavour, Layout, Node, Room, Stored};

/// `alice` may everything, `bob` pulls and pushes in `bob/**`, everybody may pull `public/**`.
const RULES: &str = "\
[[access.rules]]
users = [\"alice\"]
repositories = [\"**\"]
actions = [\"pull\", \"push\", \"delete\", \"catalog\"]
[[access.rules]]
users = [\"bob\"]
repositories = [\"bob/**\"]
actions = [\"pull\", \"push\"]
[[access.rules]]
users = [\"*\", \"anonymous\"]
repositories = [\"public/**\"]
actions = [\"pull\"]
";

/// A node with users, and an image of alice's that others may not see and one that all may.
struct Guarded {
    node: Node,
    room: Room,
    stored: Stored,
}

impl Guarded {
    /// Where a client without a store of its own pulls to: nothing is there yet.
    fn pulled(&self) -> PathBuf {
        let folder = self.room.path("pulled");
        let _ = fs::remove_dir_all(&folder);
        folder
    }
}

fn guarded() -> Guarded {
    let room = Room::new();
    let user =
        |name: &str, password: &str| room.tool("htpasswd").words("-nbB -C 5").arg(name).arg(password).ok();
    let users = format!("{}{}", user("alice", "wonderland"), user("bob", "builder")).replace("\n\n", "\n");
    let users = room.write("users", &users);
    let config = format!("[access]\nhtpasswd = \"{}\"\n{RULES}", users.display());
    let config = room.write("dockless.toml", &config);
    let arguments = vec!["--config".to_owned(), config.display().to_string()];
    let node = Node::with(&Options { arguments, ..Options::default() }).asked_by("alice", "wonderland");
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    node.push("alice/app", "v1", &layout, &stored);
    node.push("public/app", "v1", &layout, &stored);
    Guarded { node, room, stored }
}

/// How one client logs in and pulls, and what its user reads when that is refused.
struct Words {
    login: fn(&Guarded, &str, &str) -> Tool,
    pull: fn(&Guarded, &str) -> Tool,
    /// After a wrong password.
    wrong: &'static [&'static str],
    /// Without login.
    refused: &'static [&'static str],
    /// As bob, who is known but may not.
    forbidden: &'static [&'static str],
}

/// The node's own words, as far as a client passes them on.
const FORBIDDEN: &[&str] = &["bob may not pull here"];

/// The walk of every client: what is public needs no login, what is private is refused, a wrong password too; then
/// alice pulls, and bob, who is known but may not, is refused.
fn check(words: &Words) {
    let guarded = guarded();
    let Guarded { node, stored, .. } = &guarded;
    let (public, private) = (node.image("public/app:v1"), node.image("alice/app:v1"));
    node.sends(stored.total(), || (words.pull)(&guarded, &public).ok());
    says(&(words.pull)(&guarded, &private).fails(), words.refused);
    says(&(words.login)(&guarded, "alice", "wrong").fails(), words.wrong);
    says(&(words.pull)(&guarded, &private).fails(), words.refused);
    (words.login)(&guarded, "bob", "builder").ok();
    says(&(words.pull)(&guarded, &private).fails(), words.forbidden);
    (words.login)(&guarded, "alice", "wonderland").ok();
    guarded.room.empty_storage();
    node.sends(stored.total(), || (words.pull)(&guarded, &private).ok());
}

/// `login --password-stdin`, as every client has it.
fn login(tool: Tool, guarded: &Guarded, user: &str, password: &str) -> Tool {
    tool.words("--username").arg(user).arg("--password-stdin").arg(guarded.node.host()).input(password)
}

#[test]
fn podman_logs_in_and_is_refused() {
    check(&Words {
        login: |guarded, user, password| {
            login(guarded.room.podman().words("login --tls-verify=false"), guarded, user, password)
        },
        pull: |guarded, image| guarded.room.podman().words("pull --quiet --tls-verify=false").arg(image),
        wrong: &["invalid username/password"],
        refused: &["authentication required"],
        forbidden: FORBIDDEN,
    });
}

#[test]
fn skopeo_logs_in_and_is_refused() {
    check(&Words {
        login: |guarded, user, password| {
            login(guarded.room.tool("skopeo").words("login --tls-verify=false"), guarded, user, password)
        },
        pull: |guarded, image| {
            let tool = guarded.room.tool("skopeo").words("copy --src-tls-verify=false");
            tool.arg(format!("docker://{image}")).arg(format!("dir:{}", guarded.pulled().display()))
        },
        wrong: &["invalid username/password"],
        refused: &["authentication required"],
        forbidden: FORBIDDEN,
    });
}

#[test]
fn buildah_logs_in_and_is_refused() {
    check(&Words {
        login: |guarded, user, password| {
            login(guarded.room.tool("buildah").words("login --tls-verify=false"), guarded, user, password)
        },
        pull: |guarded, image| {
            guarded.room.tool("buildah").words("pull --quiet --policy always --tls-verify=false").arg(image)
        },
        wrong: &["invalid username/password"],
        refused: &["authentication required"],
        forbidden: FORBIDDEN,
    });
}

#[test]
fn crane_logs_in_and_is_refused() {
    check(&Words {
        // crane writes down what it is told, and learns at the first use whether it is good.
        login: |guarded, user, password| {
            let host = guarded.node.host();
            let first_use = if user == "alice" { "crane catalog" } else { "true" };
            let line = format!(
                "crane auth login --username {user} --password {password} {host} && \
                 {{ {first_use} {host} || {{ crane auth logout {host}; false; }}; }}"
            );
            guarded.room.tool("sh").arg("-c").arg(line)
        },
        pull: |guarded, image| {
            guarded.room.tool("crane").words("pull --format oci").arg(image).arg(guarded.pulled())
        },
        wrong: &["UNAUTHORIZED: the user name, password or token is not right"],
        refused: &["UNAUTHORIZED: authentication required"],
        forbidden: FORBIDDEN,
    });
}

#[test]
fn regctl_logs_in_and_is_refused() {
    check(&Words {
        login: |guarded, user, password| {
            let tool =
                guarded.room.tool("regctl").words("registry login --user").arg(user).arg("--pass-stdin");
            tool.arg(guarded.node.host()).input(password)
        },
        pull: |guarded, image| {
            let room = &guarded.room;
            room.tool("regctl")
                .words("registry set --skip-check --tls disabled")
                .arg(guarded.node.host())
                .ok();
            let tool = room.tool("regctl").words("image copy");
            tool.arg(image).arg(format!("ocidir://{}:v1", guarded.pulled().display()))
        },
        wrong: &["unauthorized"],
        refused: &["unauthorized"],
        forbidden: FORBIDDEN,
    });
}

#[test]
fn oras_logs_in_and_is_refused() {
    check(&Words {
        login: |guarded, user, password| {
            login(guarded.room.tool("oras").words("login --plain-http"), guarded, user, password)
        },
        pull: |guarded, image| {
            let tool = guarded.room.tool("oras").words("copy --from-plain-http --to-oci-layout").arg(image);
            tool.arg(format!("{}:v1", guarded.pulled().display()))
        },
        wrong: &["unauthorized: the user name, password or token is not right"],
        refused: &["unauthorized: authentication required"],
        forbidden: FORBIDDEN,
    });
}

#[test]
fn docker_logs_in_and_is_refused() {
    let guarded = guarded();
    let Guarded { node, room, stored, .. } = &guarded;
    let engine = Dockerd::start(room, None);
    let docker_login = |user, password| login(engine.docker(room).words("login"), &guarded, user, password);
    let pull = |image: &str| engine.docker(room).words("pull").arg(image);
    let (public, private) = (node.image("public/app:v1"), node.image("alice/app:v1"));
    node.sends(stored.total(), || pull(&public).ok());
    engine.empty(room);
    says(&pull(&private).fails(), &["denied"]);
    says(&docker_login("alice", "wrong").fails(), &["unauthorized"]);
    docker_login("bob", "builder").ok();
    says(&pull(&private).fails(), &["denied"]);
    docker_login("alice", "wonderland").ok();
    node.sends(stored.total(), || pull(&private).ok());
    let pushed = node.image("alice/pushed:v1");
    engine.docker(room).words("tag").arg(&private).arg(&pushed).ok();
    engine.docker(room).words("push").arg(&pushed).ok();
    node.holds_pushed("alice/pushed", "v1");
    docker_login("bob", "builder").ok();
    says(&engine.docker(room).words("push").arg(&pushed).fails(), &["denied"]);
}

#[test]
fn containerd_pulls_and_pushes_with_credentials() {
    let guarded = guarded();
    let Guarded { node, room, stored, .. } = &guarded;
    let engine = crate::inside::Containerd::start(room);
    let private = node.image("alice/app:v1");
    let pull = |user: &str| {
        let tool = engine.ctr(room).words("images pull --plain-http");
        if user.is_empty() { tool.arg(&private) } else { tool.arg("--user").arg(user).arg(&private) }
    };
    says(&pull("").fails(), &["pull access denied"]);
    says(&pull("alice:wrong").fails(), &["401 Unauthorized"]);
    says(&pull("bob:builder").fails(), &["403 Forbidden"]);
    node.sends(stored.total(), || pull("alice:wonderland").ok());
    let pushed = node.image("alice/pushed:v1");
    engine.ctr(room).words("images tag").arg(&private).arg(&pushed).ok();
    let push = |user: &str| engine.ctr(room).words("images push --plain-http --user").arg(user).arg(&pushed);
    says(&push("bob:builder").fails(), &["403 Forbidden"]);
    push("alice:wonderland").ok();
    node.holds_pushed("alice/pushed", "v1");
}
