//! What a server of NATS says of itself, on its port for monitoring.
//!
//! Every stream and every consumer is a Raft group with a leader of its own, and so is the
//! cluster's list of them. Looked at is the stream that clients of registers depend on. Servers
//! do not tell its term.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use squall_world::{Instant, RealWorld, World, timeout_at};

use super::streams::leading;
use crate::offer::Services;
use crate::role::{Role, Status};

/// All streams of the account that clients without a name have.
const STREAMS: &str = "/jsz?acc=$G&streams=true";
/// Most bytes of an answer.
const MOST_BYTES: usize = 4 << 20;

/// The part of the server of this name, which is asked at `address`.
pub(crate) async fn status(
    name: &str,
    address: &str,
    services: &Services,
    deadline: Instant,
) -> Option<Status> {
    let asked = timeout_at::<RealWorld, _>(deadline, get(address, STREAMS)).await;
    of_stream(name, leading(services), &asked.ok()??)
}

/// What the answer says of a stream and the server that was asked.
fn of_stream(name: &str, stream: &str, listing: &Value) -> Option<Status> {
    if listing["disabled"] == true || !listing.is_object() {
        return None;
    }
    let accounts = listing["account_details"].as_array();
    let streams = accounts.into_iter().flatten();
    let mut streams = streams.filter_map(|account| account["stream_detail"].as_array());
    let found = streams.find_map(|streams| streams.iter().find(|found| found["name"] == stream));
    let Some(found) = found else {
        // It has none yet, or has not read it yet.
        return Some(Status {
            role: Role::Follower,
            term: None,
            applied: Some(0),
        });
    };
    Some(Status {
        role: match found["cluster"]["leader"] == name {
            true => Role::Leader,
            false => Role::Follower,
        },
        term: None,
        applied: found["state"]["last_seq"].as_u64(),
    })
}

async fn get(address: &str, path: &str) -> Option<Value> {
    let stream = RealWorld::connect(address).await.ok()?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    RealWorld::spawn(async move {
        // Whoever waits for the answer hears of it.
        let _ = connection.await;
    });
    let request = Request::get(path).header(HOST, address);
    let request = request.body(Empty::<Bytes>::new());
    let request = request.expect("a path and a header make a request");
    let answer = sender.send_request(request).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    serde_json::from_slice(&body.ok()?.to_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_leads_the_stream_leads() {
        let listing = |leader: &str| {
            json!({ "account_details": [{ "name": "$G", "stream_detail": [
                { "name": "other", "cluster": { "leader": "node-1" }, "state": { "last_seq": 9 } },
                { "name": "KV_squall", "cluster": { "leader": leader }, "state": { "last_seq": 7 } },
            ] }] })
        };
        let of = |leader| {
            let status = of_stream("node-1", "KV_squall", &listing(leader));
            let status = status.expect("it answered");
            (status.role, status.term, status.applied)
        };
        assert_eq!(of("node-1"), (Role::Leader, None, Some(7)));
        assert_eq!(of("node-2"), (Role::Follower, None, Some(7)));
        // Nobody leads while they vote.
        assert_eq!(of(""), (Role::Follower, None, Some(7)));
        let empty = of_stream("node-1", "KV_squall", &json!({ "streams": 0 }));
        assert_eq!(
            empty.map(|status| (status.role, status.applied)),
            Some((Role::Follower, Some(0)))
        );
        assert_eq!(of_stream("node-1", "x", &json!({ "disabled": true })), None);
    }
}
