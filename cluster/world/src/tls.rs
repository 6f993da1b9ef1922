//! TLS: what connections of the real world are encrypted with.
//!
//! [`TlsOptions`] are the files and rules that an operator gives, [`Tls`] is what a node makes of
//! them, [`Connector`] what a client does, and a [`Handshake`] is one side's part of the beginning
//! of one connection; [`World::secure`](crate::World::secure) carries it out. Simulated worlds
//! have none of it. Without the feature `tls` nothing can be made of options.

use std::path::PathBuf;

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod made;

#[cfg(not(feature = "tls"))]
pub use absent::{Connector, Handshake, Tls};
#[cfg(feature = "tls")]
pub(crate) use made::Side;
#[cfg(feature = "tls")]
pub use made::{Connector, Handshake, Tls};

/// What certificates are read from, all in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, without a password.
    pub key: Option<PathBuf>,
    /// Authorities by which the other side's certificate must be signed.
    pub authorities: Option<PathBuf>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthClients {
    /// They are not asked for one.
    No,
    /// They need not, but one that is shown must be signed by an authority.
    Optional,
    /// They must.
    #[default]
    Yes,
}

impl AuthClients {
    /// As in the configuration of Redis.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Optional => "optional",
            Self::Yes => "yes",
        }
    }
}

/// What a node encrypts, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates of this node, and of who signs those of others.
    pub files: TlsFiles,
    /// Connections of clients are encrypted, and none that is not is served.
    pub for_clients: bool,
    /// Whether those clients must show a certificate.
    pub auth_clients: AuthClients,
    /// Connections between nodes are encrypted; both sides must show a certificate.
    pub for_peers: bool,
}

/// Nothing can be made of these files; says which, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// The host of `host:port`, without the brackets of an IPv6 one.
#[cfg(feature = "tls")]
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}
