//! A connection of the real world, encrypted or not.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::tls::Handshake;

/// A TCP connection, perhaps with TLS. What was written to it may wait until it is flushed.
pub struct RealStream(Kind);

enum Kind {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
}

impl From<TcpStream> for RealStream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Plain(stream))
    }
}

impl RealStream {
    fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.get_ref().0,
        }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) async fn secure(self, _: &Handshake) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Encrypts what was not encrypted yet.
    #[cfg(feature = "tls")]
    pub(crate) async fn secure(self, handshake: &Handshake) -> io::Result<Self> {
        use crate::tls::Side;
        use tokio_rustls::TlsStream;

        let Kind::Plain(stream) = self.0 else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let encrypted = match &handshake.0 {
            Side::Accept(acceptor) => TlsStream::from(acceptor.accept(stream).await?),
            Side::Connect(connector, host) => {
                TlsStream::from(connector.connect(host.clone(), stream).await?)
            }
        };
        Ok(Self(Kind::Tls(Box::new(encrypted))))
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Those that the other side has shown.
    #[cfg(feature = "tls")]
    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        let Kind::Tls(stream) = &self.0 else {
            return Vec::new();
        };
        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
        shown.iter().map(|one| one.to_vec()).collect()
    }
}

/// Does the same to either kind.
macro_rules! either {
    ($self:ident, $method:ident, $($argument:expr),*) => {
        match &mut $self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for RealStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read, cx, buffer)
    }
}

impl AsyncWrite for RealStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown, cx)
    }
}
