//! Given certificate files, read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dockless_runtime::Disk;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::authority::{read_text, unusable};
use super::{Current, TlsError, Trust, certificate_pem, fingerprint};

/// Certificates in one chain; more is a bundle given by mistake.
const CHAIN_MAX: usize = 16;

/// Where the user keeps them.
#[derive(Clone, Debug)]
pub(super) struct GivenFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl GivenFiles {
    /// Reads both. Blocks. While someone replaces them they may not belong together: that is an error like any other,
    /// and the next look finds both.
    pub(super) fn load(&self, disk: &dyn Disk) -> Result<Current, TlsError> {
        let chain = self.text(disk, &self.certificate)?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .take(CHAIN_MAX + 1)
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(&self.certificate, &format!("is not PEM: {error}")))?;
        let last = match chain.as_slice() {
            [] => return Err(unusable(&self.certificate, &"holds no certificate")),
            chain if chain.len() > CHAIN_MAX => {
                return Err(unusable(
                    &self.certificate,
                    &format!("holds more than {CHAIN_MAX} certificates"),
                ));
            }
            [.., last] => last.clone(),
        };
        let key = self.text(disk, &self.key)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| unusable(&self.key, &format!("holds no private key: {error}")))?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).map_err(|error| {
            unusable(&self.key, &format!("holds a key of a kind that is not supported: {error}"))
        })?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|_| unusable(&self.key, &"does not belong to the certificate"))?;
        let trust = Trust { pem: certificate_pem(&last), fingerprint: fingerprint(&last), own: false };
        Ok(Current { key: Arc::new(key), trust })
    }

    fn text(&self, disk: &dyn Disk, path: &Path) -> Result<String, TlsError> {
        let missing = || TlsError::File { path: path.to_owned(), reason: "no such file".to_owned() };
        read_text(disk, path)?.ok_or_else(missing)
    }
}
