//! What a person needs to know of an authority before trusting it.

use dockless_api::tls::{certificate_pem, fingerprint};
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::failure::Failure;
use crate::output;

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
        let issuer = output::visible(&parsed.issuer().to_string());
        let message = format!("the node does not present its authority, only what `{issuer}` issued");
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
        pem: certificate_pem(certificate),
    })
}

/// Whether a person who wrote `given` meant `fingerprint`: colons, case and the name of the hash do not matter.
pub(super) fn same_fingerprint(given: &str, fingerprint: &str) -> bool {
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_prefix("sha256:").unwrap_or(&text).replace([':', ' '], "")
    };
    plain(given) == plain(fingerprint)
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
        let shown = fingerprint(b"x");
        let hex = shown.replace(':', "").to_lowercase();
        for given in [shown.clone(), hex.clone(), format!("sha256:{hex}"), format!("SHA256:{shown}")] {
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
