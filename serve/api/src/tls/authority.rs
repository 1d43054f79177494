//! The node's own authority: a key and a certificate that signs one leaf, made at the first start.

use std::io::ErrorKind;
use std::path::Path;

use dockless_runtime::disk::{create_dir_durable, read_file, write_file_durable};
use dockless_runtime::{Clock, Disk, Entropy};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SerialNumber, date_time_ymd,
};

use super::{TlsError, Trust, fingerprint};

/// The certificate of the authority, which clients are to trust.
const CERTIFICATE_FILE: &str = "authority.pem";

/// Its key, readable by the owner only.
const KEY_FILE: &str = "authority.key";

/// Longest file read here; a chain of a few certificates has some kilobytes.
pub(super) const PEM_BYTES_MAX: usize = 1 << 20;

/// How long the authority is good: clients are told of it once and should not be again.
const YEARS: i32 = 20;

/// The authority of one node.
pub(super) struct Authority {
    pem: String,
    key: KeyPair,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(..)")
    }
}

impl Authority {
    /// The authority in `keys`; made there when the directory has none. Blocks.
    ///
    /// # Errors
    /// [`TlsError::File`] for the disk, [`TlsError::Unusable`] when a file is not ours: it is never replaced, because
    /// clients trust the old one.
    pub(super) fn open_or_create(
        disk: &dyn Disk,
        keys: &Path,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, TlsError> {
        let (certificate_path, key_path) = (keys.join(CERTIFICATE_FILE), keys.join(KEY_FILE));
        let certificate = read_text(disk, &certificate_path)?;
        let key = read_text(disk, &key_path)?;
        match (certificate, key) {
            (Some(pem), Some(key)) => {
                let key = KeyPair::from_pem(&key).map_err(|error| unusable(&key_path, &error))?;
                let authority = Self { pem, key };
                authority
                    .issuer()
                    .map_err(|_| unusable(&certificate_path, &"is no certificate of an authority"))?;
                Ok(authority)
            }
            // A power cut between the two writes leaves the key alone: nobody has seen a certificate of it yet.
            (None, _) => Self::create(disk, keys, clock, entropy),
            (Some(_), None) => Err(unusable(&key_path, &"is missing, but its certificate is there")),
        }
    }

    fn create(
        disk: &dyn Disk,
        keys: &Path,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Dockless authority of one node");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial(entropy));
        let (year, month, day) = date(clock, -1);
        params.not_before = date_time_ymd(year, month, day);
        params.not_after = date_time_ymd(year + YEARS, month, 1);
        let pem = params.self_signed(&key).map_err(crypto)?.pem();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| TlsError::File { path, reason: error.to_string() }
        };
        create_dir_durable(disk, keys).map_err(failed(keys))?;
        let key_path = keys.join(KEY_FILE);
        write_file_durable(disk, &key_path, key.serialize_pem().as_bytes(), true)
            .map_err(failed(&key_path))?;
        let certificate_path = keys.join(CERTIFICATE_FILE);
        write_file_durable(disk, &certificate_path, pem.as_bytes(), false)
            .map_err(failed(&certificate_path))?;
        Ok(Self { pem, key })
    }

    /// The certificate, in PEM.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs in the name of the authority.
    pub(super) fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, TlsError> {
        Issuer::from_ca_cert_pem(&self.pem, &self.key).map_err(crypto)
    }

    /// What clients are to trust.
    pub(super) fn trust(&self, der: &[u8]) -> Trust {
        Trust { pem: self.pem.clone(), fingerprint: fingerprint(der), own: true }
    }
}

/// The text of a small file; `None` without it.
pub(super) fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, TlsError> {
    match read_file(disk, path, PEM_BYTES_MAX) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(unusable(path, &"is not text")),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TlsError::File { path: path.to_owned(), reason: error.to_string() }),
    }
}

pub(super) fn unusable(path: &Path, problem: &dyn std::fmt::Display) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), problem: problem.to_string() }
}

pub(super) fn crypto(error: impl std::fmt::Display) -> TlsError {
    TlsError::Crypto(error.to_string())
}

/// A distinguished name of one common name.
pub(super) fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// A serial number of 127 random bits: positive, and at least the 64 that CA/Browser Forum asks for.
pub(super) fn serial(entropy: &dyn Entropy) -> SerialNumber {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// The day that is `days` from now: year, month, day.
pub(super) fn date(clock: &dyn Clock, days: i64) -> (i32, u8, u8) {
    let ms =
        i64::try_from(clock.unix_ms()).unwrap_or(i64::MAX).saturating_add(days.saturating_mul(86_400_000));
    let day = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let day = day.to_zoned(jiff::tz::TimeZone::UTC).date();
    (i32::from(day.year()), day.month().unsigned_abs(), day.day().unsigned_abs())
}
