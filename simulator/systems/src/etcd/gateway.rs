//! Requests to the JSON gateway of any member: one connection, one request at a time.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use squall_world::{Instant, RealWorld, World, timeout_at};

use crate::outcome::Trouble;

/// Rest before another member is asked.
const REST: Duration = Duration::from_millis(20);
/// A member that takes no connection within this time is left for another.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most bytes of one answer.
const MOST_BYTES: usize = 64 << 20;

/// A connection to one of the members.
pub(super) struct Gateway {
    addresses: Vec<String>,
    /// Which member is asked.
    turn: usize,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Gateway {
    pub(super) fn new(addresses: Vec<String>, number: usize) -> Self {
        Self {
            turn: number % addresses.len(),
            addresses,
            sender: None,
        }
    }

    /// Asks one member after the other, as long as nothing can have been done.
    pub(super) async fn ask(
        &mut self,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<Value, Trouble> {
        loop {
            let answer = self.ask_once(path, body, deadline).await;
            let Err(trouble) = answer else {
                return answer;
            };
            match trouble {
                Trouble::Failed(why) if is_for_another(&why) => {
                    self.leave();
                    if RealWorld::now() + REST >= deadline {
                        return Err(Trouble::Failed(why));
                    }
                    RealWorld::sleep(REST).await;
                }
                Trouble::Unknown(why) => {
                    self.leave();
                    return Err(Trouble::Unknown(why));
                }
                trouble => return Err(trouble),
            }
        }
    }

    /// Asks the present member.
    pub(super) async fn ask_once(
        &mut self,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<Value, Trouble> {
        let sender = self.sender.take().filter(|sender| !sender.is_closed());
        let mut sender = match sender {
            Some(sender) => sender,
            None => {
                self.connect(deadline.min(RealWorld::now() + PATIENCE))
                    .await?
            }
        };
        let exchange = exchange(&mut sender, &self.addresses[self.turn], path, body);
        match timeout_at::<RealWorld, _>(deadline, exchange).await {
            Ok(answer) => {
                let is_open = !matches!(answer, Err(Trouble::Unknown(_)));
                self.sender = Some(sender).filter(|_| is_open);
                answer
            }
            Err(_) => Err(Trouble::Unknown("no answer in time".into())),
        }
    }

    /// The next is asked from now on.
    fn leave(&mut self) {
        self.sender = None;
        self.turn = (self.turn + 1) % self.addresses.len();
    }

    async fn connect(&self, deadline: Instant) -> Result<SendRequest<Full<Bytes>>, Trouble> {
        let address = &self.addresses[self.turn];
        let opening = async {
            let stream = RealWorld::connect(address)
                .await
                .map_err(|e| e.to_string())?;
            handshake(TokioIo::new(stream))
                .await
                .map_err(|e| e.to_string())
        };
        match timeout_at::<RealWorld, _>(deadline, opening).await {
            Ok(Ok((sender, connection))) => {
                RealWorld::spawn(async move {
                    // Whoever waits for an answer hears of it.
                    let _ = connection.await;
                });
                Ok(sender)
            }
            Ok(Err(why)) => Err(Trouble::Failed(format!("{NOT_SENT}{address}: {why}"))),
            Err(_) => Err(Trouble::Failed(format!(
                "{NOT_SENT}{address}: no connection in time"
            ))),
        }
    }
}

/// Begins why nothing was sent.
const NOT_SENT: &str = "not sent: ";

/// Whether another member may do what this one has not.
fn is_for_another(why: &str) -> bool {
    why.starts_with(NOT_SENT) || why.contains("no leader") || why.contains("too many requests")
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    host: &str,
    path: &str,
    body: &Value,
) -> Result<Value, Trouble> {
    let unknown = |why: String| Trouble::Unknown(why);
    // The request before has been answered; its connection may have ended since.
    let ready = sender.ready().await;
    ready.map_err(|error| Trouble::Failed(format!("{NOT_SENT}{error}")))?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/v3/{path}"))
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a path and two headers make a request");
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(|error| unknown(error.to_string()))?;
    let is_ok = answer.status().is_success();
    let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    let body = body.map_err(|error| unknown(error.to_string()))?.to_bytes();
    let reply: Value = serde_json::from_slice(&body).map_err(|e| unknown(e.to_string()))?;
    let error = if reply["error"].is_object() {
        &reply["error"]
    } else {
        &reply
    };
    let has_failed = !is_ok || !reply["error"].is_null();
    match has_failed {
        false => Ok(reply),
        true => Err(refusal(error)),
    }
}

/// What an error of etcd means. Only those count as certain that it gives before a request
/// becomes an entry of its log, or when the entry did nothing.
fn refusal(error: &Value) -> Trouble {
    let text = error["message"].as_str().or(error["error"].as_str());
    let text = text.unwrap_or("an error without a message").to_owned();
    const INVALID_ARGUMENT: u64 = 3;
    const NOT_FOUND: u64 = 5;
    const PERMISSION_DENIED: u64 = 7;
    const RESOURCE_EXHAUSTED: u64 = 8;
    const FAILED_PRECONDITION: u64 = 9;
    const UNAUTHENTICATED: u64 = 16;
    let code = error["code"].as_u64().or(error["grpc_code"].as_u64());
    let is_certain = match code {
        Some(
            INVALID_ARGUMENT | NOT_FOUND | PERMISSION_DENIED | FAILED_PRECONDITION
            | UNAUTHENTICATED,
        ) => true,
        // Of the write that fills the store, "database space exceeded" comes after it was applied.
        Some(RESOURCE_EXHAUSTED) => text == "etcdserver: too many requests",
        _ => text == "etcdserver: no leader",
    };
    match is_certain && text.starts_with("etcdserver: ") {
        true => Trouble::Failed(text),
        false => Trouble::Unknown(text),
    }
}

/// As the gateway wants bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes of an answer.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    STANDARD.decode(text).unwrap_or_default()
}

/// A number of 64 bits, which the gateway writes as a string.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_refused_before_it_was_proposed_has_failed() {
        for (error, is_failed) in [
            (
                json!({ "code": 14, "message": "etcdserver: no leader" }),
                true,
            ),
            (
                json!({ "code": 5, "message": "etcdserver: requested lease not found" }),
                true,
            ),
            (
                json!({ "code": 8, "message": "etcdserver: too many requests" }),
                true,
            ),
            (
                json!({ "code": 8, "message": "etcdserver: mvcc: database space exceeded" }),
                false,
            ),
            (
                json!({ "code": 8, "message": "grpc: received message larger than max" }),
                false,
            ),
            (
                json!({ "code": 14, "message": "etcdserver: leader changed" }),
                false,
            ),
            (
                json!({ "code": 14, "message": "etcdserver: request timed out" }),
                false,
            ),
            (
                json!({ "code": 4, "message": "context deadline exceeded" }),
                false,
            ),
            (json!({}), false),
        ] {
            let is = matches!(refusal(&error), Trouble::Failed(_));
            assert_eq!(is, is_failed, "{error}");
        }
    }
}
