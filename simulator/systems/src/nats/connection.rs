//! One connection to a server: requests, and what is answered to each.
//!
//! Every request has an inbox of its own below the connection's, so that an answer to one that
//! was given up is not taken for that of the next.

use std::time::Duration;

use serde_json::{Value, json};
use squall_world::{Instant, RealStream, RealWorld, World, timeout_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::{self, Message, Sent};
use crate::outcome::Trouble;

/// A server that takes no connection within this time is left for another.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most bytes of a message, of a server that does not say.
const USUAL_PAYLOAD: usize = 1 << 20;

/// A connection that is subscribed to its inbox.
pub(super) struct Connection {
    stream: RealStream,
    /// Read, and not looked at yet.
    read: Vec<u8>,
    inbox: String,
    asked: u64,
    most_bytes: usize,
}

impl Connection {
    /// Connects to `host:port`.
    pub(super) async fn open(address: &str, deadline: Instant) -> Result<Self, Trouble> {
        let deadline = deadline.min(RealWorld::now() + PATIENCE);
        let why = match timeout_at::<RealWorld, _>(deadline, Self::greet(address)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(why)) => why,
            Err(_) => "no connection in time".to_owned(),
        };
        Err(Trouble::Failed(format!("{address}: {why}")))
    }

    async fn greet(address: &str) -> Result<Self, String> {
        let stream = RealWorld::connect(address).await;
        let mut connection = Self {
            stream: stream.map_err(|error| error.to_string())?,
            read: Vec::new(),
            inbox: format!("_INBOX.{:016x}", RealWorld::random_u64()),
            asked: 0,
            most_bytes: USUAL_PAYLOAD,
        };
        let Sent::Info(info) = connection.next().await? else {
            return Err("it does not greet as NATS does".into());
        };
        let info: Value = serde_json::from_str(&info).map_err(|error| error.to_string())?;
        let most = info["max_payload"].as_u64();
        connection.most_bytes = most.map_or(USUAL_PAYLOAD, |most| most as usize);
        let options = json!({
            "verbose": false,
            "pedantic": false,
            "headers": true,
            "no_responders": true,
            "protocol": 1,
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
            "name": "squall",
        });
        let hello = format!(
            "CONNECT {options}\r\nSUB {}.* 1\r\nPING\r\n",
            connection.inbox
        );
        connection.write(hello.as_bytes()).await?;
        loop {
            match connection.next().await? {
                Sent::Pong => return Ok(connection),
                Sent::Error(why) => return Err(why),
                _ => {}
            }
        }
    }

    /// Sends a request; where its answers come.
    pub(super) async fn send(
        &mut self,
        subject: &str,
        header: Option<(&str, &str)>,
        payload: &[u8],
    ) -> Result<String, Trouble> {
        if payload.len() > self.most_bytes {
            let most = self.most_bytes;
            return Err(Trouble::Failed(format!("larger than {most} bytes")));
        }
        self.asked += 1;
        let inbox = format!("{}.{}", self.inbox, self.asked);
        let sent = wire::publish(subject, &inbox, header, payload);
        self.write(&sent).await.map_err(Trouble::Unknown)?;
        Ok(inbox)
    }

    /// The answer at this inbox. After an error the connection is of no use.
    pub(super) async fn answer(
        &mut self,
        inbox: &str,
        deadline: Instant,
    ) -> Result<Message, Trouble> {
        self.await_one(|message| message.subject == inbox, deadline)
            .await
    }

    /// What comes next of a pull: a message, which keeps its own subject, or the end of the pull
    /// at this inbox. Since a connection has one request at a time, any message is of this one.
    pub(super) async fn pulled(
        &mut self,
        inbox: &str,
        deadline: Instant,
    ) -> Result<Message, Trouble> {
        let is_of_pull = |message: &Message| message.subject == inbox || message.reply.is_some();
        self.await_one(is_of_pull, deadline).await
    }

    async fn await_one(
        &mut self,
        is_wanted: impl Fn(&Message) -> bool,
        deadline: Instant,
    ) -> Result<Message, Trouble> {
        let comes = async {
            loop {
                match self.next().await? {
                    Sent::Message(message) if is_wanted(&message) => return Ok(message),
                    Sent::Ping => self.write(b"PONG\r\n").await?,
                    Sent::Error(why) => return Err(why),
                    _ => {}
                }
            }
        };
        match timeout_at::<RealWorld, _>(deadline, comes).await {
            Ok(answer) => answer.map_err(Trouble::Unknown),
            Err(_) => Err(Trouble::Unknown("no answer in time".into())),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.stream.write_all(bytes).await;
        written.map_err(|error| error.to_string())
    }

    async fn next(&mut self) -> Result<Sent, String> {
        loop {
            if let Some(sent) = wire::take(&mut self.read)? {
                return Ok(sent);
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return Err("the connection was closed".into()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
