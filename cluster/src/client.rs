//! A client of the cluster: one attempt per call, and honest about what it does not know.
//!
//! A call ends in a reply, in a definite error (no effect; the client has already turned to
//! the node that it should ask next), or in an indefinite one (the write may have taken
//! effect, or may yet). It never retries by itself after an indefinite error: whether that
//! is safe only the caller knows.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::protocol::{self, Asked, BytesFrame, ReadMode, ReplyError};
use crate::state::command::{Command, Once, Query, Refusal, Reply};
use crate::world::tls::Connector;
use crate::world::{self, Instant, World};

mod backup;
mod operate;
mod tracking;

pub use backup::backup;
pub use operate::{operate, operate_as};
pub use tracking::Tracking;

/// Opening a connection takes at most this long.
const CONNECT_LIMIT: Duration = Duration::from_millis(300);
/// Rest before a node is asked again after a definite error.
const RETRY_REST: Duration = Duration::from_millis(5);
/// Read buffers grow by at least this much.
const READ_BYTES: usize = 1024;

/// Why a call has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No effect, by decision of the replicated state.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// No effect: not sent, or the node asked could not serve it; another may.
    #[error("{0}")]
    Definite(String),
    /// No effect: wrong in itself, and no node will take it.
    #[error("{0}")]
    Rejected(String),
    /// It may have taken effect, or may yet.
    #[error("{0}")]
    Indefinite(String),
}

/// Who asks, and how: what [`operate_as`] and [`backup`] need to know.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Of the default user.
    pub password: Option<String>,
    /// `None`: nothing is encrypted.
    pub tls: Option<Connector>,
}

/// Connects to a node, and encrypts the connection if that is wanted.
async fn connect<W: World>(address: &str, tls: Option<&Connector>) -> std::io::Result<W::Stream> {
    let stream = W::connect(address).await?;
    match tls {
        Some(tls) => W::secure(stream, &tls.to(address)?).await,
        None => Ok(stream),
    }
}

/// A connection to one node at a time, and the knowledge of where to go next.
pub struct Client<W: World> {
    addresses: Vec<String>,
    current: usize,
    tls: Option<Connector>,
    connection: Option<W::Stream>,
    input: BytesMut,
    output: BytesMut,
}

impl<W: World> Client<W> {
    /// `addresses` (`host:port`) must not be empty; `first` is where to begin.
    pub fn new(addresses: Vec<String>, first: usize) -> Self {
        assert!(!addresses.is_empty(), "a client needs a node to talk to");
        let current = first % addresses.len();
        Self {
            addresses,
            current,
            tls: None,
            connection: None,
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    /// Has it encrypt its connections.
    pub fn with_tls(mut self, tls: Connector) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Writes, going on after definite errors until `deadline`.
    pub async fn write(
        &mut self,
        once: Option<Once>,
        command: &Command,
        poll_ms: u64,
        deadline: Instant,
    ) -> Result<Reply, CallError> {
        loop {
            self.output.clear();
            protocol::write_command(&mut self.output, once, command, poll_ms);
            match self.attempt(Asked::Command(command), deadline).await {
                Err(CallError::Definite(why)) => self.rest(why, deadline).await?,
                result => return result,
            }
        }
    }

    /// Reads, going on after errors until `deadline`: a read has no effect to worry about,
    /// but one that timed out tells nothing.
    pub async fn read(
        &mut self,
        mode: Option<ReadMode>,
        query: &Query,
        deadline: Instant,
    ) -> Result<Reply, CallError> {
        loop {
            self.output.clear();
            protocol::read_query(&mut self.output, mode, query);
            match self.attempt(Asked::Query(query), deadline).await {
                Err(CallError::Definite(why)) => self.rest(why, deadline).await?,
                result => return result,
            }
        }
    }

    /// Waits a little before the next attempt; gives up if that would miss the deadline.
    async fn rest(&self, why: String, deadline: Instant) -> Result<(), CallError> {
        if W::now() + RETRY_REST >= deadline {
            return Err(CallError::Definite(why));
        }
        W::sleep(RETRY_REST).await;
        Ok(())
    }

    /// Sends what is in `self.output` once.
    async fn attempt(&mut self, asked: Asked<'_>, deadline: Instant) -> Result<Reply, CallError> {
        let mut stream = self.connect(deadline).await?;
        self.input.clear();
        let exchange = async {
            stream.write_all(&self.output).await?;
            stream.flush().await?;
            loop {
                match protocol::next_frame(&mut self.input) {
                    Ok(Some(frame)) => return Ok(frame),
                    Ok(None) => {}
                    Err(e) => return Err(std::io::Error::other(e.to_string())),
                }
                self.input.reserve(READ_BYTES.max(self.input.len()));
                if stream.read_buf(&mut self.input).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
        };
        let frame: Result<BytesFrame, String> =
            match world::timeout_at::<W, _>(deadline, exchange).await {
                Ok(Ok(frame)) => Ok(frame),
                Ok(Err(e)) => Err(format!("connection lost: {e}")),
                Err(_) => Err("timed out".into()),
            };
        match frame {
            Ok(frame) => {
                self.connection = Some(stream);
                self.understand(asked, frame)
            }
            Err(why) => {
                self.turn_to_next();
                Err(CallError::Indefinite(why))
            }
        }
    }

    async fn connect(&mut self, deadline: Instant) -> Result<W::Stream, CallError> {
        if let Some(stream) = self.connection.take() {
            return Ok(stream);
        }
        let limit = deadline.min(W::now() + CONNECT_LIMIT);
        let address = self.addresses[self.current].clone();
        let connecting = connect::<W>(&address, self.tls.as_ref());
        let failure = match world::timeout_at::<W, _>(limit, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => format!("cannot connect to {address}: {e}"),
            Err(_) => format!("cannot connect to {address}: timed out"),
        };
        self.turn_to_next();
        Err(CallError::Definite(failure))
    }

    fn understand(&mut self, asked: Asked<'_>, frame: BytesFrame) -> Result<Reply, CallError> {
        let error = match protocol::decode_reply(asked, frame) {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        Err(self.turn_after(error))
    }

    /// Turns to the node that an error tells to ask next.
    fn turn_after(&mut self, error: ReplyError) -> CallError {
        let why = error.to_string();
        match error {
            ReplyError::Refused(refusal) => return CallError::Refused(refusal),
            ReplyError::Moved { addr } => self.turn_to(addr),
            ReplyError::ClusterDown(_) | ReplyError::TryAgain(_) => self.turn_to_next(),
            ReplyError::Other(_) => return CallError::Rejected(why),
            ReplyError::Unknown(_) | ReplyError::Unexpected(_) => {
                return CallError::Indefinite(why);
            }
        }
        CallError::Definite(why)
    }

    fn turn_to(&mut self, address: String) {
        self.connection = None;
        self.current = match self.addresses.iter().position(|known| *known == address) {
            Some(known) => known,
            None => {
                self.addresses.push(address);
                self.addresses.len() - 1
            }
        };
    }

    fn turn_to_next(&mut self) {
        self.connection = None;
        self.current = (self.current + 1) % self.addresses.len();
    }
}
