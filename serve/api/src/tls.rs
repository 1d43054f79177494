//! Certificates: the node's own small authority, or given files; changed without a restart.

mod addresses;
mod authority;
mod given;
mod leaf;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dockless_runtime::{Runtime, Shutdown};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use authority::Authority;
use given::GivenFiles;

/// Characters in a line of PEM (RFC 7468, section 2).
const PEM_LINE_CHARS: usize = 64;

/// How often names, validity and given files are looked at. A new address of the machine is in the certificate this
/// soon.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the disk says.
        reason: String,
    },
    /// A file is not what it should be.
    #[error("{path} {problem}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The names for the node's own certificate cannot be used.
    #[error("tls.names: {0}")]
    Names(String),
    /// The cryptography refused.
    #[error("certificates cannot be made: {0}")]
    Crypto(String),
}

/// What a client must trust to believe this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// The certificate to trust, in PEM: the node's own authority, or the last one of a given chain.
    pub pem: String,
    /// Its SHA-256 fingerprint: upper-case hex with colons.
    pub fingerprint: String,
    /// Whether the node made it.
    pub own: bool,
}

/// The certificates of a node, as its listeners serve them.
pub struct Certificates {
    runtime: Runtime,
    source: Source,
    served: Arc<Served>,
    config: Arc<ServerConfig>,
    /// Held while files are looked at: two at once would write one leaf file.
    refreshing: Mutex<()>,
}

enum Source {
    Own { keys: PathBuf, names: Vec<String> },
    Given(GivenFiles),
}

/// What is served at the moment.
#[derive(Debug)]
struct Served {
    current: RwLock<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    trust: Trust,
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("fingerprint", &self.trust().fingerprint).finish_non_exhaustive()
    }
}

impl Certificates {
    /// The node's own: an authority in `keys`, made there at the first start, and a leaf for the machine's names and
    /// addresses and `names`.
    ///
    /// # Errors
    /// [`TlsError`] when the files cannot be read or written, or are not ours, or a name is none.
    pub async fn own(runtime: &Runtime, keys: &Path, names: &[String]) -> Result<Arc<Self>, TlsError> {
        let source = Source::Own { keys: keys.to_owned(), names: addresses::given_names(names)? };
        Self::open(runtime, source).await
    }

    /// Given PEM files: a certificate with its chain, and its key.
    ///
    /// # Errors
    /// [`TlsError`] when they cannot be read or do not belong together.
    pub async fn given(runtime: &Runtime, certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let files = GivenFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        Self::open(runtime, Source::Given(files)).await
    }

    async fn open(runtime: &Runtime, source: Source) -> Result<Arc<Self>, TlsError> {
        let current = load(runtime, &source).await?;
        let served = Arc::new(Served { current: RwLock::new(current) });
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Crypto(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(served.clone());
        // Clients that come back resume without us having to remember them.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| TlsError::Crypto(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (runtime, config) = (runtime.clone(), Arc::new(config));
        Ok(Arc::new(Self { runtime, source, served, config, refreshing: Mutex::new(()) }))
    }

    /// The configuration for listeners. It stays the same when certificates change.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// What to trust.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.served.current.read().unwrap_or_else(PoisonError::into_inner).trust.clone()
    }

    /// Looks again at names, validity and files now; what is better than what is served replaces it.
    ///
    /// # Errors
    /// [`TlsError`]; what was served goes on being served.
    pub async fn refresh(&self) -> Result<(), TlsError> {
        let _alone = self.refreshing.lock().await;
        let current = load(&self.runtime, &self.source).await?;
        let mut served = self.served.current.write().unwrap_or_else(PoisonError::into_inner);
        if served.key.cert != current.key.cert {
            tracing::info!(fingerprint = current.trust.fingerprint, "the served certificate changed");
            *served = current;
        }
        Ok(())
    }

    /// Looks again from time to time, until the shutdown.
    pub(crate) async fn keep_fresh(&self, shutdown: Shutdown) {
        let mut last_problem = None;
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.runtime.clock.sleep(LOOK_AGAIN) => {}
            }
            let problem = self.refresh().await.err().map(|error| error.to_string());
            // Once for each problem, not twice a minute.
            if let Some(problem) = &problem
                && last_problem.as_ref() != Some(problem)
            {
                tracing::error!(%problem, "the certificates cannot be renewed; the old ones go on being served");
            }
            last_problem = problem;
        }
    }
}

/// Reads (or makes) what is to be served now.
async fn load(runtime: &Runtime, source: &Source) -> Result<Current, TlsError> {
    let (disk, clock) = (runtime.disk.clone(), runtime.clock.clone());
    let lost = |error: dockless_runtime::TaskLost| TlsError::Crypto(error.to_string());
    match source {
        Source::Own { keys, names } => {
            let (keys, names, entropy) = (keys.clone(), names.clone(), runtime.entropy.clone());
            let load = move || {
                let authority = Authority::open_or_create(&*disk, &keys, &*clock, &*entropy)?;
                let names = addresses::all_names(&*disk, &names);
                leaf::open_or_renew(&authority, &*disk, &keys, &names, &*clock, &*entropy)
            };
            runtime.blocking("certificate", load).await.map_err(lost)?
        }
        Source::Given(files) => {
            let files = files.clone();
            runtime.blocking("certificate", move || files.load(&*disk)).await.map_err(lost)?
        }
    }
}

/// The SHA-256 of a certificate, as openssl and browsers show it: upper-case hex, a colon between bytes.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    let digest = dockless_oci::Digest::sha256(der);
    let pairs = digest.hex().as_bytes().chunks(2);
    pairs.map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect::<Vec<_>>().join(":")
}

/// A certificate in PEM (RFC 7468).
#[must_use]
pub fn certificate_pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in encoded.as_bytes().chunks(PEM_LINE_CHARS).map(String::from_utf8_lossy) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
