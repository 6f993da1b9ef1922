//! Messages between nodes and their framing.
//!
//! A frame is a 32-bit little-endian length and a postcard-encoded message, written with one
//! call. A connection begins with a greeting ([`super::hello`]) and carries one request at a
//! time, answered in order. Messages are only ever added behind the last one.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::hello::{Greeting, Hello, MAGIC};
use super::snapshot::SnapshotPiece;
use super::{RaftWorld, SnapshotMeta, TypeConfig, Vote};
use crate::encode;

/// Largest frame, sent or accepted: the largest single entry, and something around it.
/// Anything larger travels in several.
pub(crate) const MAX_FRAME_BYTES: usize = 128 << 20;
/// Largest greeting that is accepted: those of this release have some 40 bytes, later ones may
/// have more to say.
const MAX_HELLO_BYTES: usize = 4 * 1024;
/// Most frames are smaller.
const FRAME_BYTES: usize = 512;
/// Read buffers grow by at least this much; most messages are far smaller.
const READ_BYTES: usize = 2 * 1024;

/// What one node asks of another. Its order is that of the wire: new ones come last.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub enum PeerRequest<W: RaftWorld> {
    /// Entries, or a heartbeat.
    Append(AppendEntriesRequest<TypeConfig<W>>),
    /// Whether a vote would be granted.
    PreVote(VoteRequest<TypeConfig<W>>),
    /// Whether the vote is granted.
    Vote(VoteRequest<TypeConfig<W>>),
    /// A whole snapshot in one message, as nodes send and expect it that do not greet.
    Snapshot {
        /// Of the leader.
        vote: Vote<W>,
        /// What it covers.
        meta: SnapshotMeta<W>,
        /// The whole of it.
        data: Bytes,
    },
    /// The leader hands over.
    TransferLeader(TransferLeaderRequest<TypeConfig<W>>),
    /// The leader's read index, for bounded-stale reads on followers.
    ReadIndex,
    /// Some bytes of a snapshot, or none, to ask how much is there.
    SnapshotPiece(SnapshotPiece<W>),
    /// Like `Append`, of a leader that relies on the other's promise: for a while, to help
    /// nobody else to lead, whatever becomes of the connection.
    AppendPromising(AppendEntriesRequest<TypeConfig<W>>),
}

/// What the other answers. Its order is that of the wire: new ones come last.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub enum PeerResponse<W: RaftWorld> {
    /// To `Append` and `AppendPromising`.
    Append(AppendEntriesResponse<TypeConfig<W>>),
    /// To `Vote` and `PreVote`.
    Vote(VoteResponse<TypeConfig<W>>),
    /// To `Snapshot`.
    Snapshot(SnapshotResponse<TypeConfig<W>>),
    /// The hand-over will be tried.
    TransferLeader,
    /// Index up to which a read must have been applied.
    ReadIndex(u64),
    /// The node cannot answer: it is stopping, damaged, or not the leader.
    Failed(String),
    /// The snapshot is there up to this byte; the rest may follow.
    SnapshotUpTo(u64),
}

/// Whatever follows is of a later version that has more to say.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    let decoded = postcard::take_from_bytes(bytes);
    let (message, _) = decoded.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    Ok(message)
}

fn append_frame<T: Serialize>(bytes: Vec<u8>, head: &[u8], message: &T) -> io::Result<Vec<u8>> {
    let start = bytes.len();
    let mut bytes = bytes;
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(head);
    let mut bytes = encode::append(bytes, message).map_err(io::Error::other)?;
    let length = bytes.len() - start - 4;
    if length > MAX_FRAME_BYTES {
        return Err(too_large(length, MAX_FRAME_BYTES));
    }
    bytes[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

fn too_large(bytes: usize, most: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a frame of {bytes} bytes is larger than {most}"),
    )
}

/// One framed connection.
pub struct Connection<S> {
    stream: S,
    read: BytesMut,
}

/// What comes first on a connection.
pub enum First<T> {
    /// A greeting.
    Hello(Hello),
    /// A request of a node that does not greet.
    Request(T),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Nothing has been read or written yet.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
        }
    }

    /// What it reads from and writes to.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends a message; the greeting in front of it, on a connection that begins with one.
    pub async fn send<T: Serialize>(
        &mut self,
        greeting: Option<&Hello>,
        message: &T,
    ) -> io::Result<()> {
        let mut frames = Vec::with_capacity(FRAME_BYTES);
        if let Some(hello) = greeting {
            frames = append_frame(frames, MAGIC, hello)?;
        }
        let frames = append_frame(frames, &[], message)?;
        self.stream.write_all(&frames).await?;
        self.stream.flush().await
    }

    /// Answers a greeting.
    pub async fn answer_greeting(&mut self, greeting: &Greeting) -> io::Result<()> {
        let frame = append_frame(Vec::new(), MAGIC, greeting)?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await
    }

    /// The answer to a greeting.
    pub async fn receive_greeting(&mut self) -> io::Result<Greeting> {
        let frame = self.receive_frame(MAX_FRAME_BYTES).await?;
        let frame = frame.ok_or(io::ErrorKind::UnexpectedEof)?;
        let greeting = frame.strip_prefix(MAGIC.as_slice());
        decode(greeting.ok_or(io::ErrorKind::InvalidData)?)
    }

    /// The first message of a connection that another has opened; nothing as large as a request
    /// unless that may be one of a node that does not greet.
    pub async fn receive_first<T: DeserializeOwned>(
        &mut self,
        may_be_request: bool,
    ) -> io::Result<Option<First<T>>> {
        let most = match may_be_request {
            true => MAX_FRAME_BYTES,
            false => MAX_HELLO_BYTES,
        };
        let Some(frame) = self.receive_frame(most).await? else {
            return Ok(None);
        };
        Ok(Some(match frame.strip_prefix(MAGIC.as_slice()) {
            Some(hello) => First::Hello(decode(hello)?),
            None => First::Request(decode(&frame)?),
        }))
    }

    /// The next message, or `None` when the peer closed the connection between messages.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(frame) = self.receive_frame(MAX_FRAME_BYTES).await? else {
            return Ok(None);
        };
        decode(&frame).map(Some)
    }

    async fn receive_frame(&mut self, most: usize) -> io::Result<Option<BytesMut>> {
        loop {
            if let Some(length) = self.read.first_chunk::<4>() {
                let length = u32::from_le_bytes(*length) as usize;
                if length > most {
                    return Err(too_large(length, most));
                }
                if self.read.len() >= 4 + length {
                    self.read.advance(4);
                    return Ok(Some(self.read.split_to(length)));
                }
            }
            // A large message is read in few steps, a small one costs a small buffer.
            self.read.reserve(READ_BYTES.max(self.read.len()));
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return match self.read.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }
}
