//! One connection: a command, and its answer.

use std::time::Duration;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::encode::extend_encode;
use redis_protocol::resp2::types::{BytesFrame, OwnedFrame};
use squall_world::{Instant, RealStream, RealWorld, World, timeout_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::outcome::Trouble;

pub(super) use redis_protocol::resp2::types::OwnedFrame as Frame;

/// A node that takes no connection within this time is left for another.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most bytes of one answer.
const MOST_BYTES: usize = 64 << 20;

/// A connection that has no answer on its way.
pub(super) struct Connection {
    stream: RealStream,
}

impl Connection {
    /// Connects to `host:port`.
    pub(super) async fn open(address: &str, deadline: Instant) -> Result<Self, Trouble> {
        let deadline = deadline.min(RealWorld::now() + PATIENCE);
        let opened = timeout_at::<RealWorld, _>(deadline, RealWorld::connect(address)).await;
        let why = match opened {
            Ok(Ok(stream)) => return Ok(Self { stream }),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no connection in time".to_owned(),
        };
        Err(Trouble::Failed(format!("{address}: {why}")))
    }

    /// Sends a command and waits for its answer. After an error the connection is of no use: an
    /// answer may still come.
    pub(super) async fn call(
        &mut self,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Frame, Trouble> {
        let exchange = self.exchange(arguments);
        match timeout_at::<RealWorld, _>(deadline, exchange).await {
            Ok(answer) => answer.map_err(Trouble::Unknown),
            Err(_) => Err(Trouble::Unknown("no answer in time".into())),
        }
    }

    async fn exchange(&mut self, arguments: &[&[u8]]) -> Result<Frame, String> {
        let arguments = arguments.iter();
        let arguments = arguments.map(|part| BytesFrame::BulkString(part.to_vec().into()));
        let mut sent = bytes::BytesMut::new();
        extend_encode(&mut sent, &BytesFrame::Array(arguments.collect()), false)
            .map_err(|error| error.to_string())?;
        let written = self.stream.write_all(&sent).await;
        written.map_err(|error| error.to_string())?;
        let mut read = Vec::new();
        loop {
            let decoded = decode(&read).map_err(|error| format!("no RESP: {error}"))?;
            if let Some((frame, _)) = decoded {
                return Ok(frame);
            }
            if read.len() > MOST_BYTES {
                return Err(format!("an answer of more than {MOST_BYTES} bytes"));
            }
            match self.stream.read_buf(&mut read).await {
                Ok(0) => return Err("the connection was closed".into()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// A string of an answer.
pub(super) fn text(frame: &Frame) -> Option<String> {
    match frame {
        OwnedFrame::BulkString(bytes) | OwnedFrame::SimpleString(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    }
}

/// A list of an answer; nil is an empty one.
pub(super) fn list(frame: Frame) -> Vec<Frame> {
    match frame {
        OwnedFrame::Array(parts) => parts,
        _ => Vec::new(),
    }
}

/// A number that is not negative.
pub(super) fn number(frame: &Frame) -> Option<u64> {
    match frame {
        OwnedFrame::Integer(number) => u64::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}
