//! The servers under test, each started on loopback with its data in the scratch directory.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::driver;

/// Longest wait for a server's first answer.
const START_MAX: Duration = Duration::from_secs(60);

/// A running server; killed when dropped.
pub(crate) struct Server {
    /// Name in the table.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its data.
    pub(crate) data: PathBuf,
    child: Child,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process as a power cut of the process alone would (SIGKILL) and waits for its end.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// This registry on `data`, plain and TLS on one port.
pub(crate) fn dockless(root: &Path, data: &Path) -> Result<Server, String> {
    dockless_with(root, data, &[])
}

/// The same with further arguments.
pub(crate) fn dockless_with(root: &Path, data: &Path, further: &[&str]) -> Result<Server, String> {
    let address = free_address()?;
    let mut command = Command::new(root.join("target/release/dockless"));
    command.arg("serve").arg("--listen").arg(address.to_string()).arg("--data").arg(data);
    command.args(["--log-level", "warn"]).args(further);
    start("dockless", address, data, command)
}

/// The peers that this machine has; a missing one is named, not hidden.
pub(crate) fn peers(root: &Path, scratch: &Path) -> Result<Vec<Server>, String> {
    let tools = driver::tools(root);
    let distribution = distribution("distribution 3.1.2", &tools.join("registry"), scratch, "distribution")?;
    Ok(vec![distribution, olareg(&tools.join("olareg"), scratch)?, docker_registry(scratch)?])
}

/// Debian's registry, with its data in `scratch`.
pub(crate) fn docker_registry(scratch: &Path) -> Result<Server, String> {
    let program =
        which("docker-registry").ok_or("docker-registry is missing: apt-get install docker-registry")?;
    distribution("docker-registry 2.8", &program, scratch, "docker-registry")
}

fn distribution(name: &'static str, program: &Path, scratch: &Path, folder: &str) -> Result<Server, String> {
    let address = free_address()?;
    let data = scratch.join(folder);
    std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
    let config = scratch.join(format!("{folder}.yml"));
    let text = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}, maxthreads: 100}}, \
         delete: {{enabled: true}}, cache: {{blobdescriptor: inmemory}}, maintenance: {{uploadpurging: {{enabled: false}}}}}}\n\
         http: {{addr: \"{address}\"}}\n",
        data.display()
    );
    std::fs::write(&config, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("serve").arg(&config).env("OTEL_TRACES_EXPORTER", "none");
    start(name, address, &data, command)
}

fn olareg(program: &Path, scratch: &Path) -> Result<Server, String> {
    let address = free_address()?;
    let data = scratch.join("olareg");
    std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["serve", "--addr", "127.0.0.1", "--port"]).arg(address.port().to_string());
    command.args(["--store-type", "dir", "--dir"]).arg(&data).args(["--verbosity", "error"]);
    command.args(["--api-delete", "--api-blob-delete"]);
    start("olareg 0.1.2", address, &data, command)
}

/// nginx over a folder of plain files: the ceiling, not a registry. With `certificate` and `key` it speaks TLS as well, on the second address.
pub(crate) fn nginx(scratch: &Path, keys: Option<(&Path, &Path)>) -> Result<(Server, SocketAddr), String> {
    let program = which("nginx").ok_or("nginx is missing: apt-get install nginx-light")?;
    let (address, secure) = (free_address()?, free_address()?);
    let data = scratch.join("nginx");
    std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
    let tls = keys.map_or(String::new(), |(certificate, key)| {
        format!(
            "listen {secure} ssl; ssl_certificate {}; ssl_certificate_key {};",
            certificate.display(),
            key.display()
        )
    });
    let folder = data.display();
    let text = format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n\
         events {{ worker_connections 18000; }}\nhttp {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000;\n\
         client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         server {{ listen {address}; {tls} root {folder}; }} }}\n"
    );
    let config = scratch.join("nginx.conf");
    std::fs::write(&config, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("-c").arg(&config).arg("-p").arg(&data);
    Ok((start("nginx", address, &data, command)?, secure))
}

/// The load generator as the least that can receive a durable push; it serves one connection.
pub(crate) fn floor(root: &Path, file: &Path) -> Result<Server, String> {
    let address = free_address()?;
    let words = [
        "floor".to_owned(),
        format!("to={address}"),
        format!("path={}", file.display()),
        "count=2".to_owned(),
    ];
    let mut command = Command::new(root.join("target/release/dockless-load"));
    command.args(words);
    start("floor", address, file, command)
}

fn start(
    name: &'static str,
    address: SocketAddr,
    data: &Path,
    mut command: Command,
) -> Result<Server, String> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{name}: {command:?}: {error}"))?;
    let mut server = Server { name, address, data: data.to_owned(), child };
    let begun = Instant::now();
    while !answers(address) {
        if let Ok(Some(status)) = server.child.try_wait() {
            return Err(format!("{name} ended at once: {status}: {command:?}"));
        }
        if begun.elapsed() > START_MAX {
            return Err(format!("{name} does not answer on {address}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(server)
}

/// The body of a page.
pub(crate) fn page(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Whether `GET /v2/` gets any answer.
pub(crate) fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let request = format!("GET /v2/ HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut first = [0; 12];
    stream.write_all(request.as_bytes()).is_ok() && stream.read_exact(&mut first).is_ok()
}

fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(PathBuf::from("/usr/sbin"));
    folders.into_iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}
