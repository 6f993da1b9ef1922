//! A stream of invalidations, from the client's end.
//!
//! It says what the node says, in order, and judges nothing: when copies are too old, where
//! to resume and what to forget is for whoever keeps the copies. The promises are stated in
//! `node/tracking.rs`.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{CallError, Client, READ_BYTES};
use crate::protocol::{self, Push, ReplyError};
use crate::world::{self, Instant, World};

/// An open stream. It ends with its first error.
pub struct Tracking<W: World> {
    stream: W::Stream,
    input: BytesMut,
    /// What was read while the stream was opened.
    first: Option<Push>,
}

impl<W: World> Client<W> {
    /// Asks once for the invalidations after `index` (0: from now on), on a connection of
    /// their own. A definite error has turned the client to the node to ask next.
    pub async fn track(&mut self, index: u64, deadline: Instant) -> Result<Tracking<W>, CallError> {
        let mut tracking = Tracking::<W> {
            stream: self.connect(deadline).await?,
            input: BytesMut::new(),
            first: None,
        };
        let mut request = BytesMut::new();
        protocol::write_track(&mut request, index);
        let opened = async {
            let sent = send(&mut tracking.stream, &request).await;
            sent.map_err(|e| Ended::Lost(e.to_string()))?;
            tracking.receive().await
        };
        let ended = match world::timeout_at::<W, _>(deadline, opened).await {
            Ok(Ok(push)) => {
                tracking.first = Some(push);
                return Ok(tracking);
            }
            Ok(Err(ended)) => ended,
            Err(_) => Ended::Lost("timed out".into()),
        };
        Err(match ended {
            Ended::Refused(error) => self.turn_after(error),
            Ended::Lost(why) => {
                self.turn_to_next();
                CallError::Definite(why)
            }
        })
    }
}

async fn send<S: AsyncWriteExt + Unpin>(stream: &mut S, request: &[u8]) -> std::io::Result<()> {
    stream.write_all(request).await?;
    stream.flush().await
}

/// Why there is no next message.
enum Ended {
    Refused(ReplyError),
    Lost(String),
}

impl<W: World> Tracking<W> {
    /// The next message. May be given up and asked again; nothing is lost by it.
    ///
    /// # Errors
    /// The stream is over, in words.
    pub async fn next(&mut self) -> Result<Push, String> {
        if let Some(push) = self.first.take() {
            return Ok(push);
        }
        self.receive().await.map_err(|ended| match ended {
            Ended::Refused(error) => error.to_string(),
            Ended::Lost(why) => why,
        })
    }

    /// Asks for a [`Push::UpTo`].
    ///
    /// # Errors
    /// The stream is over, in words.
    pub async fn ping(&mut self, deadline: Instant) -> Result<(), String> {
        let mut request = BytesMut::new();
        protocol::write_ping(&mut request);
        let sent = send(&mut self.stream, &request);
        match world::timeout_at::<W, _>(deadline, sent).await {
            Ok(sent) => sent.map_err(|e| e.to_string()),
            Err(_) => Err("timed out".into()),
        }
    }

    async fn receive(&mut self) -> Result<Push, Ended> {
        loop {
            let frame = protocol::next_frame(&mut self.input);
            match frame.map_err(|e| Ended::Lost(e.to_string()))? {
                Some(frame) => {
                    return protocol::decode_push(&frame).map_err(Ended::Refused);
                }
                None => {
                    self.input.reserve(READ_BYTES.max(self.input.len()));
                    match self.stream.read_buf(&mut self.input).await {
                        Ok(0) => return Err(Ended::Lost("connection closed".into())),
                        Ok(_) => {}
                        Err(e) => return Err(Ended::Lost(e.to_string())),
                    }
                }
            }
        }
    }
}
