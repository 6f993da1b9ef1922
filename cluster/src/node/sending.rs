//! Sends to a client: no longer than it takes something, nor when somebody ends its connection.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::clients::Client;
use crate::world::{self, World};

#[cfg(test)]
#[path = "sending_tests.rs"]
mod tests;

/// A client that takes nothing of an answer for so long is given up.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(60);

impl Client {
    /// Writes all of it, as long as the client takes some of it now and then.
    pub(super) async fn write<W: World>(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        mut bytes: &[u8],
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.unless_given_up::<W, _>(stream.write(bytes)).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => bytes = &bytes[count..],
            }
        }
        self.unless_given_up::<W, _>(stream.flush()).await
    }

    /// The last that is said on the connection, and its end.
    pub(super) async fn write_last<W: World>(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
    ) -> io::Result<()> {
        self.write::<W>(stream, bytes).await?;
        self.unless_given_up::<W, _>(stream.shutdown()).await
    }

    /// Does this, unless somebody ends the connection.
    pub(super) async fn unless_killed<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        let killed = poll_fn(|cx| self.poll_killed(cx));
        match select(pin!(work), killed).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// One step of writing, unless it takes too long or somebody ends the connection.
    async fn unless_given_up<W: World, T>(
        &self,
        step: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let written = world::timeout::<W, _>(WRITE_LIMIT, step);
        let written = self.unless_killed(written).await?;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
