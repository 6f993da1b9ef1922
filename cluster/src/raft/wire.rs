//! Messages between nodes and their framing.
//!
//! A frame is a 32-bit little-endian length and a postcard-encoded message, written with one
//! call. A connection carries one request at a time, answered in order.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{RaftWorld, SnapshotMeta, TypeConfig, Vote};
use crate::encode;

/// Largest frame, sent or accepted: the largest single entry, and something around it.
/// Anything larger travels in several.
const MAX_FRAME_BYTES: usize = 128 << 20;
/// Most frames are smaller.
const FRAME_BYTES: usize = 512;
/// Read buffers grow by at least this much; most messages are far smaller.
const READ_BYTES: usize = 2 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub enum PeerRequest<W: RaftWorld> {
    Append(AppendEntriesRequest<TypeConfig<W>>),
    PreVote(VoteRequest<TypeConfig<W>>),
    Vote(VoteRequest<TypeConfig<W>>),
    SnapshotPiece(SnapshotPiece<W>),
    TransferLeader(TransferLeaderRequest<TypeConfig<W>>),
    /// The leader's read index, for bounded-stale reads on followers.
    ReadIndex,
}

/// Some bytes of a snapshot. Pieces of the same snapshot, whoever sends them, have the same
/// `meta` and `total`.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct SnapshotPiece<W: RaftWorld> {
    pub vote: Vote<W>,
    pub meta: SnapshotMeta<W>,
    /// Bytes of the whole snapshot.
    pub total: u64,
    /// Where in it `data` begins.
    pub offset: u64,
    /// None, to ask how much is there already.
    pub data: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub enum PeerResponse<W: RaftWorld> {
    Append(AppendEntriesResponse<TypeConfig<W>>),
    Vote(VoteResponse<TypeConfig<W>>),
    Snapshot(SnapshotResponse<TypeConfig<W>>),
    /// The snapshot is there up to this byte; the rest may follow.
    SnapshotUpTo(u64),
    TransferLeader,
    ReadIndex(u64),
    /// The node cannot answer: it is stopping, damaged, or not the leader.
    Failed(String),
}

fn too_large(bytes: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a frame of {bytes} bytes is larger than {MAX_FRAME_BYTES}"),
    )
}

/// One framed connection.
pub struct Connection<S> {
    stream: S,
    read: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
        }
    }

    pub async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let mut frame = Vec::with_capacity(FRAME_BYTES);
        frame.extend_from_slice(&[0; 4]);
        let mut frame = encode::append(frame, message).map_err(io::Error::other)?;
        let bytes = frame.len() - 4;
        if bytes > MAX_FRAME_BYTES {
            return Err(too_large(bytes));
        }
        let length = u32::try_from(bytes).map_err(io::Error::other)?;
        frame[..4].copy_from_slice(&length.to_le_bytes());
        self.stream.write_all(&frame).await
    }

    /// The next message, or `None` when the peer closed the connection between messages.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(frame) = self.receive_frame().await? else {
            return Ok(None);
        };
        postcard::from_bytes(&frame)
            .map(Some)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    async fn receive_frame(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            if let Some(length) = self.read.first_chunk::<4>() {
                let length = u32::from_le_bytes(*length) as usize;
                if length > MAX_FRAME_BYTES {
                    return Err(too_large(length));
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
