//! What a person needs to know of an authority before trusting it.

use dockless_oci::Digest;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::cli::failure::Failure;

/// The authority of a node, as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Authority {
    /// Its name.
    pub(super) subject: String,
    /// The first day of its validity, in UTC.
    pub(super) not_before: String,
    /// The last day of its validity, in UTC.
    pub(super) not_after: String,
    /// The SHA-256 hash of the certificate in upper-case hexadecimal digits, a colon between bytes: as
    /// `dockless status` and openssl print it.
    pub(super) fingerprint: String,
    /// The certificate itself.
    pub(super) pem: String,
}

/// The certificate of `chain` to trust: the last, when it vouches for itself.
pub(super) fn authority<'a>(
    chain: &'a [CertificateDer<'static>],
) -> Result<&'a CertificateDer<'static>, Failure> {
    let last = chain.last().ok_or_else(|| Failure::failed("the node presented no certificate"))?;
    let parsed = parse(last)?;
    if parsed.subject() != parsed.issuer() {
        let message =
            format!("the node does not present its authority, only what `{}` issued", parsed.issuer());
        return Err(Failure::failed(message).hint("ask its owner for the certificate of that authority"));
    }
    Ok(last)
}

/// What is shown of `certificate`.
pub(super) fn describe(certificate: &CertificateDer<'_>) -> Result<Authority, Failure> {
    let parsed = parse(certificate)?;
    let validity = parsed.validity();
    let date = |time: x509_parser::time::ASN1Time| {
        let date = time.to_datetime();
        format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
    };
    Ok(Authority {
        subject: parsed.subject().to_string(),
        not_before: date(validity.not_before),
        not_after: date(validity.not_after),
        fingerprint: fingerprint(certificate),
        pem: pem(certificate),
    })
}

/// The fingerprint of a certificate.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = Digest::sha256(certificate);
    let pairs = digest.hex().as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase());
    pairs.collect::<Vec<_>>().join(":")
}

/// Whether a person who wrote `given` meant `fingerprint`: colons, case and the name of the hash do not matter.
pub(super) fn same_fingerprint(given: &str, fingerprint: &str) -> bool {
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_prefix("sha256:").unwrap_or(&text).replace([':', ' '], "")
    };
    plain(given) == plain(fingerprint)
}

/// The certificate as text (RFC 7468).
fn pem(certificate: &CertificateDer<'_>) -> String {
    const LINE: usize = 64;
    let encoded = base64(certificate);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Reads a certificate that came from the network.
fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Failure> {
    X509Certificate::from_der(certificate).map(|(_, parsed)| parsed).map_err(|error| {
        Failure::failed(format!("the node presents something that is no certificate: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_compared_as_people_copy_them() {
        let shown = Digest::sha256(b"x").to_string();
        let hex = shown.strip_prefix("sha256:").unwrap();
        let pairs: Vec<_> =
            hex.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
        for given in [shown.clone(), hex.to_owned(), format!("SHA256:{}", pairs.join(":")), pairs.join(":")] {
            assert!(same_fingerprint(&given, &shown), "{given}");
        }
        for given in ["", "sha256:", &hex[..62]] {
            assert!(!same_fingerprint(given, &shown), "{given}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(authority(&[]).is_err());
        assert!(describe(&CertificateDer::from(vec![0x30, 0x80, 0xff])).is_err());
    }
}
