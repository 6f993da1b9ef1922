//! Certificates in files, made when a test runs.

#![allow(dead_code)] // each test binary uses a part of it

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use squall_cluster::world::tls::TlsFiles;
use tempfile::TempDir;

/// Signs certificates. Its files are gone with it.
pub struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let key = KeyPair::generate().expect("the system has randomness");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let certificate = params.self_signed(&key).expect("the key fits");
        let file = directory.path().join("ca.crt");
        std::fs::write(file, certificate.pem()).expect("the directory is there");
        let issuer = Issuer::new(params, key);
        Self { directory, issuer }
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// A certificate for servers and clients under these names and addresses.
    pub fn sign(&self, names: &[&str]) -> TlsFiles {
        let both = [
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign_for(names, &both)
    }

    /// A certificate that is good for clients alone.
    pub fn sign_client(&self, names: &[&str]) -> TlsFiles {
        self.sign_for(names, &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    fn sign_for(&self, names: &[&str], usages: &[ExtendedKeyUsagePurpose]) -> TlsFiles {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let key = KeyPair::generate().expect("the system has randomness");
        let mut params = CertificateParams::new(names).expect("these can be names");
        params.extended_key_usages = usages.to_vec();
        let signed = params.signed_by(&key, &self.issuer);
        let certificate = signed.expect("the authority may sign");
        let number = std::fs::read_dir(self.directory.path()).map_or(0, Iterator::count);
        let write = |name: &str, text: String| {
            let file = self.directory.path().join(format!("{number}-{name}"));
            std::fs::write(&file, text).expect("the directory is there");
            file
        };
        TlsFiles {
            certificate: Some(write("node.crt", certificate.pem())),
            key: Some(write("node.key", key.serialize_pem())),
            authorities: Some(self.file()),
        }
    }

    /// What a client has that trusts this authority and shows nothing.
    pub fn trusted(&self) -> TlsFiles {
        TlsFiles {
            authorities: Some(self.file()),
            ..TlsFiles::default()
        }
    }
}

/// The same certificate, and trust in another authority.
pub fn trusting(files: &TlsFiles, authority: &Authority) -> TlsFiles {
    TlsFiles {
        authorities: Some(authority.file()),
        ..files.clone()
    }
}

/// As an argument.
pub fn shown(path: &Option<PathBuf>) -> &str {
    let path: Option<&Path> = path.as_deref();
    path.and_then(Path::to_str).expect("it is there, in UTF-8")
}
