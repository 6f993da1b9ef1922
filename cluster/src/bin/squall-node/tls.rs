//! The options of TLS, by the names that Redis has for them.

use std::path::PathBuf;

use clap::ValueEnum;
use squall_cluster::world::tls::{AuthClients, Connector, TlsFiles, TlsOptions};

use super::config::MAX_PORT;

/// What was typed of TLS.
#[derive(Debug, clap::Args)]
pub struct TlsArgs {
    /// Port for clients that speak TLS, in the place of --port: no other clients are served
    #[arg(long, value_name = "P", conflicts_with = "port", value_parser = clap::value_parser!(u16).range(1..=MAX_PORT as i64))]
    tls_port: Option<u16>,
    /// Certificate of this node in PEM, with those between it and its authority
    #[arg(long, value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE")]
    tls_key_file: Option<PathBuf>,
    /// Certificates in PEM of those who sign the certificates of clients and of other nodes
    #[arg(long, value_name = "FILE")]
    tls_ca_cert_file: Option<PathBuf>,
    /// Whether clients must show a certificate on the TLS port
    #[arg(long, value_name = "HOW", default_value = "yes")]
    tls_auth_clients: Auth,
    /// Have nodes speak TLS with each other; both sides must show a certificate. The same on
    /// every node
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, default_value = "no", default_missing_value = "yes", hide_possible_values = true)]
    tls_cluster: YesNo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Auth {
    No,
    Optional,
    Yes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

impl TlsArgs {
    /// The port for clients, if they speak TLS.
    pub fn port(&self) -> Option<u16> {
        self.tls_port
    }

    pub fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.tls_cert_file.clone(),
            key: self.tls_key_file.clone(),
            authorities: self.tls_ca_cert_file.clone(),
        }
    }

    /// What the node is to encrypt, if anything.
    ///
    /// # Errors
    /// Files are missing, or there is nothing to do with them.
    pub fn resolve(&self) -> Result<Option<TlsOptions>, String> {
        let options = TlsOptions {
            files: self.files(),
            for_clients: self.tls_port.is_some(),
            auth_clients: match self.tls_auth_clients {
                Auth::No => AuthClients::No,
                Auth::Optional => AuthClients::Optional,
                Auth::Yes => AuthClients::Yes,
            },
            for_peers: self.tls_cluster == YesNo::Yes,
        };
        if !options.for_clients && !options.for_peers {
            return match options.files == TlsFiles::default() {
                true => Ok(None),
                false => Err("certificates are for --tls-port, --tls-cluster or both".into()),
            };
        }
        let asks_others = options.for_peers || options.auth_clients != AuthClients::No;
        for (option, is_missing) in [
            ("--tls-cert-file", options.files.certificate.is_none()),
            ("--tls-key-file", options.files.key.is_none()),
            (
                "--tls-ca-cert-file",
                asks_others && options.files.authorities.is_none(),
            ),
        ] {
            if is_missing {
                return Err(format!("TLS needs {option}"));
            }
        }
        Ok(Some(options))
    }

    /// The same once more, for the nodes of a local cluster, but for the port.
    pub fn typed(&self) -> Vec<String> {
        let mut typed = Vec::new();
        for (option, path) in [
            ("cert", &self.tls_cert_file),
            ("key", &self.tls_key_file),
            ("ca-cert", &self.tls_ca_cert_file),
        ] {
            let path = path.as_deref().map(|path| path.display());
            typed.extend(path.map(|path| format!("--tls-{option}-file={path}")));
        }
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.expect("no value is skipped").get_name().to_owned()
        };
        let auth = name(self.tls_auth_clients.to_possible_value());
        typed.push(format!("--tls-auth-clients={auth}"));
        let cluster = name(self.tls_cluster.to_possible_value());
        typed.push(format!("--tls-cluster={cluster}"));
        typed
    }
}

/// How to speak TLS with a node, if that is wanted.
///
/// # Errors
/// A file is missing, cannot be read, or does not hold what it must.
pub fn connector(files: Option<TlsFiles>) -> Result<Option<Connector>, String> {
    let connector = files.map(|files| Connector::load(&files));
    connector.transpose().map_err(|e| e.to_string())
}
