//! A build without TLS: none of this can be made.

use std::convert::Infallible;
use std::io;

use super::{TlsError, TlsFiles, TlsOptions};

fn absent() -> TlsError {
    TlsError("this program was built without TLS (the feature `tls`)".into())
}

/// One side's part of the beginning of a connection.
#[derive(Debug, Clone)]
pub struct Handshake(Infallible);

/// How a client connects.
#[derive(Debug, Clone)]
pub struct Connector(Infallible);

impl Connector {
    /// # Errors
    /// Always.
    pub fn load(_: &TlsFiles) -> Result<Self, TlsError> {
        Err(absent())
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn to(&self, _: &str) -> io::Result<Handshake> {
        match self.0 {}
    }
}

/// How a node accepts, and connects to others.
#[derive(Debug, Clone)]
pub struct Tls(Infallible);

impl Tls {
    /// # Errors
    /// Always.
    pub fn load(_: &TlsOptions) -> Result<Self, TlsError> {
        Err(absent())
    }

    /// Never called.
    pub fn accept_client(&self) -> Option<Handshake> {
        match self.0 {}
    }

    /// Never called.
    pub fn accept_peer(&self) -> Option<Handshake> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn connect_peer(&self, _: &str, _: &str) -> io::Result<Option<Handshake>> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn check_node(
        &self,
        _: &[Vec<u8>],
        _: &str,
        _: Option<&str>,
        _: bool,
    ) -> Result<(), String> {
        match self.0 {}
    }
}
