//! What is made of certificates, by rustls with the primitives of `ring`.
//!
//! Between nodes both sides must show a certificate that an authority has signed, in TLS 1.3. It
//! must be one for servers, since applications may hold certificates of the same authority, and it
//! must name the node: as the host in its address, or by its name (`node-3`).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DEFAULT_VERSIONS, DigitallySignedStruct, Error, RootCertStore,
    ServerConfig, SignatureScheme, SupportedProtocolVersion, version,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{AuthClients, TlsError, TlsFiles, TlsOptions, host_of};

/// Nodes speak no older version with each other.
const PEER_VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// No file of certificates or a key has more bytes: all authorities that browsers know have less.
const MOST_BYTES: u64 = 1 << 20;

/// One side's part of the beginning of a connection.
#[derive(Clone)]
pub struct Handshake(pub(crate) Side);

#[derive(Clone)]
pub(crate) enum Side {
    Accept(TlsAcceptor),
    Connect(TlsConnector, ServerName<'static>),
}

/// How a client connects.
#[derive(Clone)]
pub struct Connector(Arc<ClientConfig>);

impl Connector {
    /// Trusts the authorities in the file, and shows a certificate if there is one.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it must.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(DEFAULT_VERSIONS)
            .map_err(unusable)?
            .with_root_certificates(authorities(files)?);
        let config = match files.certificate {
            Some(_) => {
                let (chain, key) = certificate(files)?;
                builder.with_client_auth_cert(chain, key)
            }
            None => Ok(builder.with_no_client_auth()),
        };
        Ok(Self(Arc::new(config.map_err(unusable)?)))
    }

    /// Connects to `address` (`host:port`), whose certificate must name the host.
    ///
    /// # Errors
    /// The host is none that a certificate could name.
    pub fn to(&self, address: &str) -> io::Result<Handshake> {
        let connector = TlsConnector::from(self.0.clone());
        let host = name(host_of(address))?;
        Ok(Handshake(Side::Connect(connector, host)))
    }
}

/// How a node accepts, and connects to others.
#[derive(Clone)]
pub struct Tls {
    clients: Option<Arc<ServerConfig>>,
    peers: Option<Peers>,
}

#[derive(Clone)]
struct Peers {
    accept: Arc<ServerConfig>,
    connect: ClientConfig,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A file is missing, cannot be read, or does not hold what it must.
    pub fn load(options: &TlsOptions) -> Result<Self, TlsError> {
        let files = &options.files;
        let clients = match options.for_clients {
            true => {
                let verifier = client_verifier(files, options.auth_clients)?;
                Some(Arc::new(server(files, DEFAULT_VERSIONS, verifier)?))
            }
            false => None,
        };
        let peers = options.for_peers.then(|| Peers::load(files)).transpose()?;
        Ok(Self { clients, peers })
    }

    /// For a connection of a client, if those are encrypted.
    pub fn accept_client(&self) -> Option<Handshake> {
        self.clients.clone().map(accept)
    }

    /// For a connection that another node has opened, if those are encrypted.
    pub fn accept_peer(&self) -> Option<Handshake> {
        let peers = self.peers.as_ref()?;
        Some(accept(peers.accept.clone()))
    }

    /// For a connection to the node of that name (`node-3`) at `address`, if those are encrypted.
    ///
    /// # Errors
    /// The host is none that a certificate could name.
    pub fn connect_peer(&self, node: &str, address: &str) -> io::Result<Option<Handshake>> {
        let Some(peers) = &self.peers else {
            return Ok(None);
        };
        let verifier = NodeVerifier {
            inner: peers.verifier.clone(),
            node: name(node)?,
        };
        let mut config = peers.connect.clone();
        let mut dangerous = config.dangerous();
        dangerous.set_certificate_verifier(Arc::new(verifier));
        let connector = TlsConnector::from(Arc::new(config));
        let host = name(host_of(address))?;
        Ok(Some(Handshake(Side::Connect(connector, host))))
    }

    /// Checks the certificates that a caller has shown who says that it is the node of that name,
    /// and whose address is known or not. Of a caller without an address it may be enough that he
    /// is a server (`trusts_strangers`).
    ///
    /// # Errors
    /// Why they are not those of that node.
    pub fn check_node(
        &self,
        chain: &[Vec<u8>],
        node: &str,
        address: Option<&str>,
        trusts_strangers: bool,
    ) -> Result<(), String> {
        let Some(peers) = &self.peers else {
            return Ok(());
        };
        let (first, rest) = chain.split_first().ok_or("it has shown no certificate")?;
        let first = CertificateDer::from(first.as_slice());
        let rest = rest.iter().map(|one| CertificateDer::from(one.as_slice()));
        let rest: Vec<CertificateDer<'_>> = rest.collect();
        let mut result = Ok(());
        for candidate in [Some(node), address.map(host_of)].into_iter().flatten() {
            let candidate = name(candidate).map_err(|e| e.to_string())?;
            let now = UnixTime::now();
            let verified = peers
                .verifier
                .verify_server_cert(&first, &rest, &candidate, &[], now);
            match verified {
                Ok(_) => return Ok(()),
                // Where it should be is not known: that it is a server has to do.
                Err(e) if is_other_name(&e) && address.is_none() && trusts_strangers => {}
                Err(e) => result = Err(e.to_string()),
            }
        }
        result
    }
}

impl Peers {
    fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let roots = authorities(files)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider());
        let verifier = verifier.build().map_err(unusable)?;
        let inward = client_verifier(files, AuthClients::Yes)?;
        let mut accept = server(files, PEER_VERSIONS, inward)?;
        // A node keeps its connections; each new one shows its certificate anew.
        accept.session_storage = Arc::new(NoServerSessionStorage {});
        accept.send_tls13_tickets = 0;
        let (chain, key) = certificate(files)?;
        let mut connect = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(PEER_VERSIONS)
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(unusable)?;
        connect.resumption = Resumption::disabled();
        Ok(Self {
            accept: Arc::new(accept),
            connect,
            verifier,
        })
    }
}

/// Verifies that a certificate names a host, or else a node.
#[derive(Debug)]
struct NodeVerifier {
    inner: Arc<WebPkiServerVerifier>,
    node: ServerName<'static>,
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify =
            |name| (self.inner).verify_server_cert(certificate, intermediates, name, ocsp, now);
        match verify(host) {
            Err(e) if is_other_name(&e) => verify(&self.node).map_err(|_| e),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        (self.inner).verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        (self.inner).verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The certificate is good, and of somebody else.
fn is_other_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

fn accept(config: Arc<ServerConfig>) -> Handshake {
    Handshake(Side::Accept(TlsAcceptor::from(config)))
}

fn name(name: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| io::Error::other(format!("no certificate can name `{name}`")))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn server(
    files: &TlsFiles,
    versions: &[&'static SupportedProtocolVersion],
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, TlsError> {
    let (chain, key) = certificate(files)?;
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(unusable)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(unusable)
}

fn client_verifier(
    files: &TlsFiles,
    auth: AuthClients,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    if auth == AuthClients::No {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let builder = WebPkiClientVerifier::builder_with_provider(authorities(files)?, provider());
    let builder = match auth {
        AuthClients::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    builder.build().map_err(unusable)
}

fn certificate(
    files: &TlsFiles,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let path = needed("tls-cert-file", &files.certificate)?;
    let chain = certificates("tls-cert-file", path)?;
    let path = needed("tls-key-file", &files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&text_of("tls-key-file", path)?);
    let key = key.map_err(|e| wrong("tls-key-file", path, e))?;
    Ok((chain, key))
}

fn authorities(files: &TlsFiles) -> Result<Arc<RootCertStore>, TlsError> {
    let path = needed("tls-ca-cert-file", &files.authorities)?;
    let mut roots = RootCertStore::empty();
    for one in certificates("tls-ca-cert-file", path)? {
        let added = roots.add(one);
        added.map_err(|e| wrong("tls-ca-cert-file", path, e))?;
    }
    Ok(Arc::new(roots))
}

/// All certificates of a file, of which there is at least one.
fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = text_of(option, path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|e| wrong(option, path, e))?;
    match all.is_empty() {
        true => Err(wrong(option, path, "it has no certificate in PEM")),
        false => Ok(all),
    }
}

/// What is in a file that an operator has named. Whatever it is, it is read in a moment: one that
/// is none, such as a pipe or a terminal, could keep who reads it waiting.
fn text_of(option: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        // Looked at before: a pipe may wait already when it is opened.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut text = Vec::new();
        let mut file = File::open(path)?.take(MOST_BYTES + 1);
        file.read_to_end(&mut text)?;
        match text.len() as u64 > MOST_BYTES {
            true => Err(io::Error::other("it has more than 1 MiB")),
            false => Ok(text),
        }
    };
    read().map_err(|e| wrong(option, path, e))
}

fn needed<'p>(option: &str, path: &'p Option<PathBuf>) -> Result<&'p Path, TlsError> {
    path.as_deref()
        .ok_or_else(|| TlsError(format!("TLS needs --{option}")))
}

fn wrong(option: &str, path: &Path, why: impl std::fmt::Display) -> TlsError {
    TlsError(format!("--{option} {}: {why}", path.display()))
}

fn unusable(why: impl std::fmt::Display) -> TlsError {
    TlsError(format!("TLS: {why}"))
}
