//! Requests to JetStream by way of any server, and what is known when they are not answered as
//! they should be.

use std::time::Duration;

use serde_json::Value;
use squall_world::{Instant, RealWorld, World};

use super::connection::Connection;
use super::wire::Message;
use crate::outcome::Trouble;

/// Rest before another server is asked.
const REST: Duration = Duration::from_millis(20);
/// Of an answer that nobody was there to give: the message went to no one.
const NO_RESPONDERS: u16 = 503;
/// Ends of a pull.
const ALL_THAT_THERE_IS: u16 = 404;
const TIME_IS_OVER: u16 = 408;

/// Codes of JetStream's errors: `server/errors.json` of its source.
pub(super) mod code {
    /// No leader, or none that this server knows.
    pub(in super::super) const NOT_AVAILABLE: u64 = 10_008;
    pub(in super::super) const CONSUMER_NOT_FOUND: u64 = 10_014;
    pub(in super::super) const NO_MESSAGE_FOUND: u64 = 10_037;
    pub(in super::super) const TOO_LARGE: u64 = 10_054;
    pub(in super::super) const WRONG_LAST_SEQUENCE: u64 = 10_071;
    pub(in super::super) const HEADER_TOO_LARGE: u64 = 10_097;
}

/// An error that JetStream answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// As of HTTP.
    status: u64,
    /// JetStream's own; 0 where it gives none.
    pub(super) code: u64,
    description: String,
}

impl Refusal {
    fn read(answer: &Value) -> Option<Self> {
        let error = &answer["error"];
        error.is_object().then(|| Self {
            status: error["code"].as_u64().unwrap_or(0),
            code: error["err_code"].as_u64().unwrap_or(0),
            description: error["description"].as_str().unwrap_or("").to_owned(),
        })
    }

    /// Whether nobody has proposed the message that was published, and another time somebody may.
    fn is_for_later(&self) -> bool {
        // What a leader answers that is none any more when it comes to propose.
        self.status == 503 && self.code == 0 && self.description == "raft: not leader"
    }

    /// What it means for a message that was published. Only those are certain that are given
    /// before it is proposed, or in place of storing it.
    fn of_publish(self) -> Trouble {
        let is_certain = self.is_for_later()
            || matches!(
                self.code,
                code::TOO_LARGE | code::HEADER_TOO_LARGE | code::WRONG_LAST_SEQUENCE
            );
        match is_certain {
            true => Trouble::Failed(self.text()),
            false => Trouble::Unknown(self.text()),
        }
    }

    /// What it means for a question, which changes nothing.
    pub(super) fn of_question(self) -> Trouble {
        Trouble::Failed(self.text())
    }

    fn text(&self) -> String {
        format!("{} ({}/{})", self.description, self.status, self.code)
    }
}

/// Asks by way of one server, and of another when that one is of no use.
pub(super) struct Requests {
    addresses: Vec<String>,
    /// One for each address.
    connections: Vec<Option<Connection>>,
    /// Which server is asked.
    turn: usize,
}

impl Requests {
    pub(super) fn new(addresses: Vec<String>, number: usize) -> Self {
        Self {
            turn: number % addresses.len(),
            connections: addresses.iter().map(|_| None).collect(),
            addresses,
        }
    }

    /// Publishes to a stream, and waits until it is stored: its sequence there. The inner error
    /// is a compare-and-set that found another sequence.
    pub(super) async fn publish(
        &mut self,
        subject: &str,
        header: Option<(&str, &str)>,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<Result<u64, Refusal>, Trouble> {
        loop {
            let answer = self.ask(subject, header, payload, deadline).await?;
            let answer = json(&answer)?;
            match Refusal::read(&answer) {
                None => {
                    let sequence = answer["seq"].as_u64();
                    return sequence.map(Ok).ok_or_else(|| unexpected(&answer));
                }
                Some(refusal) if refusal.code == code::WRONG_LAST_SEQUENCE => {
                    return Ok(Err(refusal));
                }
                Some(refusal) if refusal.is_for_later() && self.rest(deadline).await => {}
                Some(refusal) => return Err(refusal.of_publish()),
            }
        }
    }

    /// Asks something that changes nothing, or the same when it is asked twice. The inner error
    /// is JetStream's answer.
    pub(super) async fn question(
        &mut self,
        subject: &str,
        question: &Value,
        deadline: Instant,
    ) -> Result<Result<Value, Refusal>, Trouble> {
        let question = match question {
            Value::Null => Vec::new(),
            question => question.to_string().into_bytes(),
        };
        loop {
            let answer = self.ask(subject, None, &question, deadline).await?;
            let answer = json(&answer)?;
            match Refusal::read(&answer) {
                None => return Ok(Ok(answer)),
                Some(refusal)
                    if refusal.code == code::NOT_AVAILABLE && self.rest(deadline).await => {}
                Some(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    /// Sends a message and waits for its answer, by way of one server after the other as long
    /// as nobody can have had it.
    pub(super) async fn ask(
        &mut self,
        subject: &str,
        header: Option<(&str, &str)>,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<Message, Trouble> {
        loop {
            let (mut connection, inbox) = self.send(subject, header, payload, deadline).await?;
            match connection.answer(&inbox, deadline).await {
                Ok(answer) if answer.headers.status == Some(NO_RESPONDERS) => {
                    self.keep(connection);
                    if !self.rest(deadline).await {
                        return Err(Trouble::Failed(format!("no one has {subject}")));
                    }
                }
                Ok(answer) => {
                    self.keep(connection);
                    return Ok(answer);
                }
                Err(trouble) => {
                    self.turn += 1;
                    return Err(trouble);
                }
            }
        }
    }

    /// Asks for up to `max` messages, and takes what comes until the server says that it is all.
    pub(super) async fn pull(
        &mut self,
        subject: &str,
        question: &Value,
        max: usize,
        deadline: Instant,
    ) -> Result<Vec<Message>, Trouble> {
        let question = question.to_string();
        let sent = self.send(subject, None, question.as_bytes(), deadline);
        let (mut connection, inbox) = sent.await?;
        let mut messages = Vec::new();
        while messages.len() < max {
            match connection.pulled(&inbox, deadline).await {
                Ok(message) => match message.headers.status {
                    None => messages.push(message),
                    Some(ALL_THAT_THERE_IS | TIME_IS_OVER) => break,
                    Some(_) if !messages.is_empty() => break,
                    Some(status) => {
                        self.keep(connection);
                        let why = format!("{} ({status})", message.headers.description);
                        return Err(Trouble::Failed(why));
                    }
                },
                Err(trouble) => {
                    self.turn += 1;
                    return Err(trouble);
                }
            }
        }
        self.keep(connection);
        Ok(messages)
    }

    /// Sends by way of the server whose turn it is, or the next that takes a connection.
    async fn send(
        &mut self,
        subject: &str,
        header: Option<(&str, &str)>,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<(Connection, String), Trouble> {
        loop {
            let index = self.turn % self.addresses.len();
            let opened = match self.connections[index].take() {
                Some(connection) => Ok(connection),
                None => Connection::open(&self.addresses[index], deadline).await,
            };
            match opened {
                Ok(mut connection) => match connection.send(subject, header, payload).await {
                    Ok(inbox) => return Ok((connection, inbox)),
                    Err(trouble) => {
                        self.turn += 1;
                        return Err(trouble);
                    }
                },
                Err(trouble) => {
                    if !self.rest(deadline).await {
                        return Err(trouble);
                    }
                }
            }
        }
    }

    fn keep(&mut self, connection: Connection) {
        let index = self.turn % self.addresses.len();
        self.connections[index] = Some(connection);
    }

    /// Rests, and turns to another server; `false` if there is no time left for that.
    async fn rest(&mut self, deadline: Instant) -> bool {
        self.turn += 1;
        let has_time = RealWorld::now() + REST < deadline;
        if has_time {
            RealWorld::sleep(REST).await;
        }
        has_time
    }
}

fn json(answer: &Message) -> Result<Value, Trouble> {
    let read = serde_json::from_slice(&answer.payload);
    read.map_err(|error| Trouble::Unknown(format!("no JSON: {error}")))
}

/// JetStream does not answer so; it may have done anything.
pub(super) fn unexpected(answer: &Value) -> Trouble {
    let shown: String = answer.to_string().chars().take(100).collect();
    Trouble::Unknown(format!("unexpected answer {shown}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_refused_before_it_was_stored_has_failed() {
        for (error, is_failed) in [
            (
                json!({ "code": 400, "err_code": 10_071, "description": "wrong last sequence: 4" }),
                true,
            ),
            (
                json!({ "code": 400, "err_code": 10_054, "description": "message size exceeds" }),
                true,
            ),
            (
                json!({ "code": 503, "description": "raft: not leader" }),
                true,
            ),
            // It was proposed, and this replica could not store it; others may have.
            (
                json!({ "code": 503, "err_code": 10_023, "description": "insufficient resources" }),
                false,
            ),
            (
                json!({ "code": 503, "err_code": 10_077, "description": "no space left" }),
                false,
            ),
            (
                json!({ "code": 503, "description": "raft: anything" }),
                false,
            ),
            (json!({}), false),
        ] {
            let refusal = Refusal::read(&json!({ "error": error })).expect("it is an error");
            let is = matches!(refusal.of_publish(), Trouble::Failed(_));
            assert_eq!(is, is_failed, "{error}");
        }
        assert_eq!(Refusal::read(&json!({ "seq": 1 })), None);
    }
}
