//! A connection that speaks RESP, to Squall or Redis.

use bytes::{Bytes, BytesMut};
use squall_cluster::protocol::{BytesFrame, encode_call, next_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Resp {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
}

impl Resp {
    pub async fn open(stream: TcpStream) -> Self {
        Self {
            stream,
            input: BytesMut::with_capacity(16 << 10),
            output: BytesMut::with_capacity(16 << 10),
        }
    }

    /// One command, and its answer.
    pub async fn ask(&mut self, words: &[&[u8]]) -> Result<BytesFrame, String> {
        encode_call(&mut self.output, words);
        self.send().await?;
        self.answer().await
    }

    /// All of them in one pipeline.
    pub async fn put(&mut self, pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<(), String> {
        for (key, value) in pairs {
            encode_call(&mut self.output, &[b"SET", key, value]);
        }
        self.send().await?;
        for _ in pairs {
            match self.answer().await? {
                BytesFrame::SimpleString(text) if &*text == b"OK" => {}
                other => return Err(format!("SET is answered with {other:?}")),
            }
        }
        Ok(())
    }

    pub async fn get(&mut self, key: &[u8]) -> Result<Bytes, String> {
        match self.ask(&[b"GET", key]).await? {
            BytesFrame::BulkString(value) => Ok(value),
            other => Err(format!("GET is answered with {other:?}")),
        }
    }

    async fn send(&mut self) -> Result<(), String> {
        let sent = self.stream.write_all(&self.output).await;
        self.output.clear();
        sent.map_err(|e| e.to_string())
    }

    async fn answer(&mut self) -> Result<BytesFrame, String> {
        loop {
            if let Some(frame) = next_frame(&mut self.input).map_err(|e| e.to_string())? {
                return Ok(frame);
            }
            self.input.reserve(4_096);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return Err("the connection was closed".into()),
                Ok(_) => {}
                Err(e) => return Err(e.to_string()),
            }
        }
    }
}
