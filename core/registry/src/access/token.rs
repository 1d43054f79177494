//! Tokens: JSON Web Tokens (RFC 7519) signed by HMAC-SHA256 (`HS256`, RFC 7518 section 3.2).
//!
//! The reader takes what this writer writes and nothing else: one header, byte for byte, so that no token can
//! choose how it is verified; base64url without padding (RFC 7515 section 2); the signature before anything is read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dockless_oci::hex;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::scope::ScopeClaim;

/// Longest token in bytes: header lines of 8 KiB are what proxies and servers take everywhere. 32 scopes of the
/// longest names are longer; such a token is refused when it is written.
pub const TOKEN_BYTES_MAX: usize = 7_680;

/// Bytes of the signing key: as long as the output of the hash (RFC 7518 section 3.2).
pub const KEY_BYTES: usize = 32;

/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// Signs and verifies.
#[derive(Clone)]
pub(super) struct Signer {
    mac: Hmac<Sha256>,
}

/// What a token says. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Who issued it.
    pub(super) iss: String,
    /// For which service.
    pub(super) aud: String,
    /// The user; absent for a caller without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    /// When it was issued.
    pub(super) iat: u64,
    /// From when it is valid.
    pub(super) nbf: u64,
    /// From when it is no longer valid.
    pub(super) exp: u64,
    /// Makes each token another one.
    pub(super) jti: String,
    /// What it is for.
    pub(super) purpose: Purpose,
    /// What it grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) access: Vec<ScopeClaim>,
    /// In a refresh token: which password of the user it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<String>,
}

/// What a token is for; one kind is never taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Purpose {
    Access,
    Refresh,
}

/// Not a token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of this registry")]
pub(super) struct NotGenuine;

impl Signer {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self { mac: Hmac::new_from_slice(key).expect("HMAC takes keys of any length") }
    }

    /// The token of these claims; `None` when it would be longer than [`TOKEN_BYTES_MAX`].
    pub(super) fn sign(&self, claims: &Claims) -> Option<String> {
        let token = self.sign_bytes(&serde_json::to_vec(claims).expect("claims have only string keys"));
        (token.len() <= TOKEN_BYTES_MAX).then_some(token)
    }

    /// A token around these bytes, whatever they are.
    pub(super) fn sign_bytes(&self, claims: &[u8]) -> String {
        let mut token = String::with_capacity(HEADER.len() + claims.len() * 4 / 3 + 64);
        token.push_str(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signature(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// The claims of a token that was signed with this key. Says nothing about times.
    pub(super) fn verify(&self, token: &str) -> Result<Claims, NotGenuine> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(NotGenuine);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(NotGenuine)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotGenuine)?;
        let mut mac = self.mac.clone();
        mac.update(signed.as_bytes());
        mac.verify_slice(&signature).map_err(|_| NotGenuine)?;
        let claims = signed.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('.')).ok_or(NotGenuine)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| NotGenuine)?;
        serde_json::from_slice(&claims).map_err(|_| NotGenuine)
    }

    /// A name for a secret (such as a password hash) that tells nothing about it: 128 bits in hexadecimal.
    pub(super) fn fingerprint(&self, secret: &[u8]) -> String {
        // No token begins with this prefix, so no signature doubles as a fingerprint.
        let mut mac = self.mac.clone();
        mac.update(b"fingerprint\0");
        mac.update(secret);
        hex::encode(&mac.finalize().into_bytes()[..16])
    }

    fn signature(&self, signed: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(signed);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::scope::Scope;
    use proptest::prelude::*;

    fn signer() -> Signer {
        Signer::new(&[9; KEY_BYTES])
    }

    fn claims() -> Claims {
        let scope = Scope::parse("repository:a/b:pull,push").unwrap().unwrap();
        Claims {
            iss: "dockless".into(),
            aud: "dockless".into(),
            sub: Some("alice".into()),
            iat: 1_000,
            nbf: 1_000,
            exp: 2_000,
            jti: "01".into(),
            purpose: Purpose::Access,
            access: vec![ScopeClaim::from(&scope)],
            password: None,
        }
    }

    #[test]
    fn the_header_constant_is_the_header() {
        assert_eq!(URL_SAFE_NO_PAD.decode(HEADER).unwrap(), br#"{"alg":"HS256","typ":"JWT"}"#);
    }

    #[test]
    fn the_signature_is_that_of_rfc_7515_appendix_a_1() {
        // The example of the RFC: its key is longer than ours and its header has a line break.
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo\
                      gImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signer = Signer { mac: Hmac::new_from_slice(&URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap() };
        let signature = URL_SAFE_NO_PAD.encode(signer.signature(signed.as_bytes()));
        assert_eq!(signature, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        // Genuine by its signature, but not written by us.
        assert_eq!(signer.verify(&format!("{signed}.{signature}")), Err(NotGenuine));
    }

    #[test]
    fn a_token_gives_back_its_claims() {
        let token = signer().sign(&claims()).unwrap();
        assert_eq!(signer().verify(&token), Ok(claims()));
    }

    #[test]
    fn tokens_of_another_key_and_unsigned_ones_are_refused() {
        let token = Signer::new(&[8; KEY_BYTES]).sign(&claims()).unwrap();
        assert_eq!(signer().verify(&token), Err(NotGenuine));
        let genuine = signer().sign(&claims()).unwrap();
        let body = genuine.split('.').nth(1).unwrap();
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#);
        for forged in [
            format!("{none}.{body}."),
            format!("{none}.{body}"),
            format!("{HEADER}.{body}."),
            format!("{HEADER}.{body}"),
            format!("{genuine}="),
            format!(" {genuine}"),
            genuine.replace('.', ".."),
            String::new(),
            "..".into(),
        ] {
            assert_eq!(signer().verify(&forged), Err(NotGenuine), "{forged}");
        }
    }

    #[test]
    fn a_signed_header_with_another_algorithm_is_refused() {
        let header = URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"HS256"}"#);
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).unwrap());
        let signed = format!("{header}.{body}");
        let signature = URL_SAFE_NO_PAD.encode(signer().signature(signed.as_bytes()));
        assert_eq!(signer().verify(&format!("{signed}.{signature}")), Err(NotGenuine));
    }

    #[test]
    fn a_token_longer_than_a_header_line_is_not_written() {
        let mut long = claims();
        let scope = Scope::parse(&format!("repository:{}:pull", "a".repeat(255))).unwrap().unwrap();
        long.access = vec![ScopeClaim::from(&scope); 32];
        assert_eq!(signer().sign(&long), None);
        assert_eq!(signer().verify(&"a".repeat(TOKEN_BYTES_MAX + 1)), Err(NotGenuine));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_panic(text in "\\PC{0,80}", dotted in "[A-Za-z0-9_.-]{0,120}") {
            prop_assert_eq!(signer().verify(&text), Err(NotGenuine));
            prop_assert_eq!(signer().verify(&dotted), Err(NotGenuine));
            let with_header = format!("{HEADER}.{dotted}");
            prop_assert_eq!(signer().verify(&with_header), Err(NotGenuine));
        }

        #[test]
        fn any_change_of_a_token_is_refused(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let token = signer().sign(&claims()).unwrap();
            let mut changed = token.clone().into_bytes();
            let position = position.index(changed.len());
            changed[position] = byte;
            let changed = String::from_utf8_lossy(&changed).into_owned();
            prop_assume!(changed != token);
            prop_assert_eq!(signer().verify(&changed), Err(NotGenuine));
        }

        #[test]
        fn genuine_signatures_over_any_body_are_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = signer().verify(&signer().sign_bytes(&body));
        }
    }
}
