//! A client of the cluster: commands as words, answers as frames, the leader found by itself.

use std::time::Duration;

use bytes::BytesMut;
use squall_cluster::protocol::{BytesFrame, encode_call, next_frame};
use squall_cluster::world::{RealStream, RealWorld, World, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An answer takes less than this.
const LIMIT: Duration = Duration::from_secs(20);
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const MOST_REDIRECTIONS: usize = 8;

/// Why a command has no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The node said no, in words, and nothing was done.
    Refused(String),
    /// It may have been done.
    Unknown(String),
}

impl Failure {
    /// The kind of the error: without numbers, and not all of it.
    pub fn kind(&self) -> String {
        let (Self::Refused(text) | Self::Unknown(text)) = self;
        let words = text.split(' ').take(6);
        let words: Vec<&str> = words
            .filter(|word| !word.contains(char::is_numeric))
            .collect();
        words.join(" ")
    }
}

/// One connection.
pub struct Client {
    addresses: Vec<String>,
    at: String,
    stream: Option<RealStream>,
    input: BytesMut,
    output: BytesMut,
}

impl Client {
    /// Of the cluster at these addresses; asks the one of that number first.
    pub fn new(addresses: &[String], first: usize) -> Self {
        Self {
            at: addresses[first % addresses.len()].clone(),
            addresses: addresses.to_vec(),
            stream: None,
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    /// Asks, wherever the nodes send it.
    pub async fn ask(&mut self, words: &[&[u8]]) -> Result<BytesFrame, Failure> {
        for _ in 0..MOST_REDIRECTIONS {
            let frame = self.ask_here(words).await?;
            let BytesFrame::Error(text) = &frame else {
                return Ok(frame);
            };
            match text.split(' ').collect::<Vec<_>>()[..] {
                ["MOVED", _, address] => self.turn_to(address.to_owned()),
                ["UNKNOWN", ..] => return Err(Failure::Unknown(text.to_string())),
                ["CLUSTERDOWN", ..] => {
                    self.turn_away();
                    return Err(Failure::Refused(text.to_string()));
                }
                _ => return Err(Failure::Refused(text.to_string())),
            }
        }
        Err(Failure::Refused(
            "nodes send each other's clients around".into(),
        ))
    }

    fn turn_to(&mut self, address: String) {
        self.stream = None;
        self.input.clear();
        self.at = address;
    }

    fn turn_away(&mut self) {
        let at = self.addresses.iter().position(|known| *known == self.at);
        let next = at.map_or(0, |at| at + 1) % self.addresses.len();
        self.turn_to(self.addresses[next].clone());
    }

    async fn ask_here(&mut self, words: &[&[u8]]) -> Result<BytesFrame, Failure> {
        if self.stream.is_none() {
            let connected = timeout::<RealWorld, _>(CONNECT_LIMIT, RealWorld::connect(&self.at));
            match connected.await {
                Ok(Ok(stream)) => self.stream = Some(stream),
                other => {
                    self.turn_away();
                    let why = other.map_or("timed out".into(), |e| {
                        e.map_or_else(|e| e.to_string(), |_| String::new())
                    });
                    return Err(Failure::Refused(format!("cannot connect: {why}")));
                }
            }
        }
        self.output.clear();
        encode_call(&mut self.output, words);
        match timeout::<RealWorld, _>(LIMIT, self.exchange()).await {
            Ok(Ok(frame)) => Ok(frame),
            other => {
                self.turn_away();
                Err(Failure::Unknown(match other {
                    Ok(Err(e)) => format!("connection lost: {e}"),
                    _ => "no answer in time".into(),
                }))
            }
        }
    }

    async fn exchange(&mut self) -> std::io::Result<BytesFrame> {
        let lost = std::io::ErrorKind::UnexpectedEof;
        let stream = self.stream.as_mut().ok_or(lost)?;
        stream.write_all(&self.output).await?;
        stream.flush().await?;
        loop {
            match next_frame(&mut self.input) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(e) => return Err(std::io::Error::other(e.to_string())),
            }
            self.input.reserve(4_096);
            if stream.read_buf(&mut self.input).await? == 0 {
                return Err(lost.into());
            }
        }
    }
}
