//! Fetches the certificates a node serves, before anybody trusts them.

use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::Runtime;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::host::Host;
use crate::failure::{Exit, Failure};

/// Longest wait for the connection and its handshake: a person waits for it.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The certificates that `host` serves, its own first. Only their signatures over the handshake are checked: whether
/// they deserve trust is what the caller asks the user.
pub(super) async fn certificates(
    runtime: &Runtime,
    host: &Host,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let provider = provider()?;
    let verifier = Arc::new(AcceptAny { provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::failed(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let unreachable = |message: String| Failure { exit: Exit::Unreachable, message, hint: None };
    let shake = async {
        let connection = tokio::net::TcpStream::connect(host.address()).await.map_err(|error| {
            unreachable(format!("cannot connect to {host}: {error}"))
                .hint("start the node with `--listen` on an address that this machine reaches")
        })?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(server_name(host)?, connection)
            .await
            .map_err(|error| {
                unreachable(format!("{host} does not speak TLS: {error}"))
                    .hint("a node that listens only on loopback, or with `--plain-http`, needs no trust")
            })?;
        Ok(stream
            .get_ref()
            .1
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|one| one.clone().into_owned())
            .collect())
    };
    dockless_runtime::timeout(&*runtime.clock, HANDSHAKE_MAX, shake)
        .await
        .map_err(|_| unreachable(format!("{host} did not answer within {} s", HANDSHAKE_MAX.as_secs())))?
}

/// Whether a client that trusts `authority` would accept `chain` for `host` now; the reason if not.
pub(super) fn would_be_accepted(
    runtime: &Runtime,
    host: &Host,
    chain: &[CertificateDer<'static>],
    authority: &CertificateDer<'static>,
) -> Result<(), Failure> {
    let Some((own, between)) = chain.split_first().filter(|(own, _)| *own != authority) else {
        // A certificate that vouches for itself: the clients accept it by comparing it.
        return Ok(());
    };
    let mut roots = RootCertStore::empty();
    let invalid =
        |error: rustls::Error| Failure::failed(format!("the certificate of {host} is no good: {error}"));
    roots.add(authority.clone()).map_err(invalid)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()?)
        .build()
        .map_err(|error| Failure::failed(error.to_string()))?;
    let now = UnixTime::since_unix_epoch(Duration::from_millis(runtime.clock.unix_ms()));
    let verified = verifier.verify_server_cert(own, between, &server_name(host)?, &[], now);
    verified.map(|_| ()).map_err(|error| {
        Failure::failed(format!("clients would refuse {host} even with its authority trusted: {error}")).hint(
            format!("if it is a matter of the name, start the node with `tls.names = [\"{}\"]`", host.name()),
        )
    })
}

/// The name that the certificate must bear.
fn server_name(host: &Host) -> Result<ServerName<'static>, Failure> {
    ServerName::try_from(host.name().to_owned())
        .map_err(|_| Failure::usage(format!("`{}` is neither a host name nor an address", host.name())))
}

/// The provider that `main` installed.
fn provider() -> Result<Arc<CryptoProvider>, Failure> {
    CryptoProvider::get_default().cloned().ok_or_else(|| Failure::failed("no cryptography is installed"))
}

/// Accepts every certificate, for as long as it takes to show it.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
