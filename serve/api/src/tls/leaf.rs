//! The leaf: the certificate that listeners show, for every name of the machine, renewed before it ends.

use std::path::Path;
use std::sync::Arc;

use dockless_runtime::disk::write_file_durable;
use dockless_runtime::{Clock, Disk, Entropy};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::authority::{Authority, crypto, date, name, read_text, serial};
use super::{Current, TlsError};

/// The leaf and its key in one file, so that a power cut cannot mix two generations.
const LEAF_FILE: &str = "leaf.pem";

/// How long a leaf is good. Short, because nobody has to do anything about it.
const DAYS: i64 = 90;

/// How long before its end a leaf is replaced.
const DAYS_LEFT_MIN: i64 = 30;

/// The leaf in `keys` while it is signed by `authority`, good for a while and for all of `names`; else a new one.
/// Blocks.
pub(super) fn open_or_renew(
    authority: &Authority,
    disk: &dyn Disk,
    keys: &Path,
    names: &[String],
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Current, TlsError> {
    let path = keys.join(LEAF_FILE);
    if let Some(pem) = read_text(disk, &path)?
        && let Some(current) = good(authority, &pem, names, clock)
    {
        return Ok(current);
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(crypto)?;
    params.distinguished_name = name("Dockless node");
    params.serial_number = Some(serial(entropy));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // A day early: the clocks of clients differ.
    let (year, month, day) = date(clock, -1);
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = date(clock, DAYS);
    params.not_after = date_time_ymd(year, month, day);
    let leaf = params.signed_by(&key, &authority.issuer()?).map_err(crypto)?;
    let pem = format!("{}{}", leaf.pem(), key.serialize_pem());
    write_file_durable(disk, &path, pem.as_bytes(), true)
        .map_err(|error| TlsError::File { path: path.clone(), reason: error.to_string() })?;
    certified(authority, &pem).ok_or_else(|| TlsError::Crypto("the new leaf cannot be read back".to_owned()))
}

/// What a leaf file serves, if it will do.
fn good(authority: &Authority, pem: &str, names: &[String], clock: &dyn Clock) -> Option<Current> {
    let current = certified(authority, pem)?;
    let (_, leaf) = x509_parser::parse_x509_certificate(current.key.cert.first()?).ok()?;
    let (_, issuer) = x509_parser::parse_x509_certificate(current.key.cert.get(1)?).ok()?;
    // The signature itself is not checked again: the file is private to the owner, as the key is that would sign it.
    let same_authority = leaf.issuer() == issuer.subject() && authority_key(&leaf) == own_key(&issuer);
    let left = leaf.validity().not_after.timestamp() - i64::try_from(clock.unix_ms() / 1000).ok()?;
    let begun = leaf.validity().not_before.timestamp() <= i64::try_from(clock.unix_ms() / 1000).ok()?;
    let covers = covers(&leaf, names);
    (same_authority && begun && left >= DAYS_LEFT_MIN * 86_400 && covers).then_some(current)
}

/// The key identifier of the signer that a leaf names.
fn authority_key(leaf: &x509_parser::certificate::X509Certificate<'_>) -> Option<Vec<u8>> {
    use x509_parser::extensions::ParsedExtension as Parsed;
    leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        Parsed::AuthorityKeyIdentifier(id) => Some(id.key_identifier.as_ref()?.0.to_vec()),
        _ => None,
    })
}

/// The key identifier that an authority gives itself.
fn own_key(issuer: &x509_parser::certificate::X509Certificate<'_>) -> Option<Vec<u8>> {
    use x509_parser::extensions::ParsedExtension as Parsed;
    issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        Parsed::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

/// Whether the leaf names exactly `names`.
fn covers(leaf: &x509_parser::certificate::X509Certificate<'_>, names: &[String]) -> bool {
    use x509_parser::extensions::GeneralName;
    let Ok(Some(alternatives)) = leaf.subject_alternative_name() else { return false };
    let mut found: Vec<String> = alternatives
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
            },
            _ => None,
        })
        .collect();
    found.sort();
    let mut wanted = names.to_vec();
    wanted.sort();
    found == wanted
}

/// The chain and the key for rustls. The authority is part of the chain, so that whoever connects can see its
/// fingerprint.
fn certified(authority: &Authority, pem: &str) -> Option<Current> {
    let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).ok()?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).ok()?;
    let trust = authority.trust(&root);
    let key = CertifiedKey::new(vec![leaf, root], key);
    key.keys_match().ok()?;
    Some(Current { key: Arc::new(key), trust })
}
