//! Behind nginx that ends TLS: pushes, pulls and logins go through, whether it holds requests back or not.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use dockless_testkit::process::{Options, free_port};

use crate::inside::tool::{Tool, says};
use crate::inside::{Dockerd, Flavour, Layout, Node, Room};

/// nginx in front of a node, with a certificate of its own.
struct Nginx {
    child: Child,
    /// `localhost:PORT`.
    host: String,
    certificate: PathBuf,
}

impl Nginx {
    /// Starts nginx; `settings` go into its server block.
    fn start(room: &Room, upstream: &str, settings: &str) -> Self {
        let port = free_port();
        let (key, certificate) = (room.path("nginx.key"), room.path("certs/ca.crt"));
        fs::create_dir_all(room.path("certs")).unwrap();
        let make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost";
        let make =
            room.tool("openssl").words(make).words("-addext subjectAltName=DNS:localhost,IP:127.0.0.1");
        make.arg("-keyout").arg(&key).arg("-out").arg(&certificate).ok();
        let folder = room.path("nginx");
        fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {0}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
             access_log off;\nclient_body_temp_path {0}/body;\nproxy_temp_path {0}/proxy;\nfastcgi_temp_path {0}/f;\n\
             uwsgi_temp_path {0}/u;\nscgi_temp_path {0}/s;\nserver {{\nlisten 127.0.0.1:{port} ssl;\n\
             ssl_certificate {1};\nssl_certificate_key {2};\nclient_max_body_size 0;\n\
             location / {{\nproxy_pass http://{upstream};\nproxy_http_version 1.1;\n{settings}\n}}\n}}\n}}\n",
            folder.display(),
            certificate.display(),
            key.display(),
        );
        let config = room.write("nginx.conf", &config);
        let log = fs::File::create(room.path("nginx.log")).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-c")
            .arg(config)
            .arg("-p")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let nginx = Self { child: command.spawn().unwrap(), host: format!("localhost:{port}"), certificate };
        let ask = format!(
            "--silent --retry 50 --retry-delay 0 --retry-connrefused --max-time 20 https://{}/v2/",
            nginx.host
        );
        room.tool("curl").arg("--cacert").arg(&nginx.certificate).words(&ask).ok();
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a proxy tells the node of the request it received.
const TELLS: &str = "proxy_set_header Host $http_host;\nproxy_set_header X-Forwarded-Proto $scheme;\n\
                     proxy_set_header X-Forwarded-For $remote_addr;\n";

fn skopeo(room: &Room, words: &str) -> Tool {
    room.tool("skopeo").words(words)
}

/// Pushes and pulls by several clients through nginx with the given settings, then logs in where users are wanted.
fn through(settings: &str) {
    let room = Room::new();
    let users = room.tool("htpasswd").words("-nbB -C 5 alice wonderland").ok();
    let users = room.write("users", users.trim_start());
    let arguments = vec!["--htpasswd".to_owned(), users.display().to_string()];
    let environment = vec![("DOCKLESS_HTTP_TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned())];
    let node =
        Node::with(&Options { arguments, environment, ..Options::default() }).asked_by("alice", "wonderland");
    let nginx = Nginx::start(&room, &node.host(), settings);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 20);
    let remote = format!("docker://{}/proxied/app:v1", nginx.host);
    let certs = format!("--src-cert-dir={0} --dest-cert-dir={0}", room.path("certs").display());
    let copy = |from: &str, to: &str| {
        skopeo(&room, "copy --preserve-digests")
            .words(&certs)
            .words("--dest-creds alice:wonderland")
            .arg(from)
            .arg(to)
    };
    node.receives(stored.total(), || copy(&layout.name("v1"), &remote).ok());
    node.holds("proxied/app", "v1", &layout, &stored);

    let password =
        |tool: Tool| tool.words("--username alice --password-stdin").arg(&nginx.host).input("wonderland");
    let cert_dir = format!("--cert-dir={}", room.path("certs").display());
    says(&room.podman().words("pull").arg(&cert_dir).arg(&remote).fails(), &["denied"]);
    password(room.podman().words("login").arg(&cert_dir)).ok();
    node.sends(stored.total(), || room.podman().words("pull --quiet").arg(&cert_dir).arg(&remote).ok());

    let engine = Dockerd::start(&room, None);
    password(engine.docker(&room).words("login")).ok();
    let image = format!("{}/proxied/app:v1", nginx.host);
    node.sends(stored.total(), || engine.docker(&room).words("pull").arg(&image).ok());
    let built = format!("{}/proxied/built:v1", nginx.host);
    engine.build(&room, &built, 51);
    engine.docker(&room).words("push").arg(&built).ok();
    node.holds_pushed("proxied/built", "v1");

    let crane = |words: &str| room.tool("crane").env("SSL_CERT_FILE", &nginx.certificate).words(words);
    let copied = format!("{}/proxied/crane:v1", nginx.host);
    crane("copy").arg(&image).arg(&copied).ok();
    node.holds("proxied/crane", "v1", &layout, &stored);
}

#[test]
fn requests_that_the_proxy_passes_on_as_they_come() {
    through(&format!("{TELLS}proxy_request_buffering off;\nproxy_buffering off;"));
}

#[test]
fn requests_that_the_proxy_holds_until_they_are_whole() {
    through(&format!("{TELLS}proxy_request_buffering on;"));
}

#[test]
fn relative_locations_lead_through_a_proxy_that_rewrites_the_host() {
    let (node, room) = (Node::start(), Room::new());
    // Without the client's Host the node hears its own address.
    let nginx = Nginx::start(&room, &node.host(), "proxy_request_buffering off;");
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    let remote = format!("docker://{}/rewritten/app:v1", nginx.host);
    let certs = format!("--dest-cert-dir={}", room.path("certs").display());
    skopeo(&room, "copy --preserve-digests").words(&certs).arg(layout.name("v1")).arg(&remote).ok();
    node.holds("rewritten/app", "v1", &layout, &stored);
}
