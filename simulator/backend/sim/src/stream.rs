//! A connection as the simulated world hands it out: `turmoil-net`'s, with two savings.
//!
//! Asking every socket of every host whether it has something to send is most of what the
//! network costs, so a stream says when it may have. And `turmoil-net` clears whatever part
//! of a read buffer it is given, so it is given one that has long been cleared.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil_net::shim::tokio::net::TcpStream;

use super::trace;
use squall_backend::trace::Lost;
use squall_engine::executor;
use squall_engine::executor::scheduler::Work;
use squall_engine::steps::{self, Step};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes read at a time.
const SCRATCH_BYTES: usize = 64 * 1024;
/// A read of this size may open the window enough to tell the sender.
const WINDOW_BYTES: usize = 4 * 1024;

thread_local! {
    static DIRTY: Cell<bool> = const { Cell::new(false) };
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// Whether a stream may have sent something since this was last asked.
pub(super) fn take_dirty() -> bool {
    DIRTY.replace(false)
}

/// Something may have to be sent.
pub(super) fn mark_dirty() {
    DIRTY.set(true);
}

/// A simulated TCP connection.
pub struct SimStream(TcpStream);

impl From<TcpStream> for SimStream {
    fn from(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl SimStream {
    /// Its own address and the other's, while it is connected.
    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        Some((self.0.local_addr().ok()?, self.0.peer_addr().ok()?))
    }

    pub(super) async fn connect(address: &str) -> io::Result<Self> {
        mark_dirty();
        TcpStream::connect(address).await.map(Self)
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        trace::closed(|| self.ends(), Lost::Closed);
        mark_dirty();
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = scratch.len().min(buffer.remaining());
            let mut cleared = ReadBuf::new(&mut scratch[..room]);
            let poll = Pin::new(&mut self.0).poll_read(cx, &mut cleared);
            let read = cleared.filled();
            if read.len() >= WINDOW_BYTES {
                mark_dirty();
            }
            if !read.is_empty() {
                let executor = executor::current();
                executor.spend(Work::Receive);
                executor.spend_on_bytes(read.len());
                trace::read(|| self.ends(), read.len());
            }
            buffer.put_slice(read);
            poll
        })
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        mark_dirty();
        executor::current().spend(Work::Send);
        let poll = Pin::new(&mut self.0).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = &poll {
            trace::wrote(|| self.ends(), *written);
            if steps::is_on() {
                let hash = xxh3_64(&bytes[..*written]);
                let bytes = *written;
                steps::tell(&Step::Wrote { bytes, hash });
            }
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        mark_dirty();
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
