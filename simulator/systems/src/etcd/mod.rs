//! Clients of etcd 3, by its JSON gateway.
//!
//! Registers are keys, and their versions are the revisions of the store at which they were
//! written; a compare-and-set is a transaction that compares them. A session is a lease. A lock
//! is a key that is created, under the lease, in a transaction that demands that it is not
//! there; its token is the revision of its creation, which rises. A fenced resource is a key
//! that is written in a transaction that demands that the lock still has that revision.
//!
//! **What is known of an outcome.** A transaction that does not compare, and an error that etcd
//! gives before it proposes anything, are certain. Everything else that is no answer leaves the
//! outcome unknown: a time that ran out, a leader that changed, a connection that broke.
//!
//! Source: "etcd API", "Why etcd: locks and leases", etcd.io; `concurrency.Mutex` of its client.

mod gateway;

use serde_json::{Value, json};
use std::time::Duration;

use squall_history::{Action, Found, Outcome};
use squall_workload::{ClientDriver, LocalFuture, payload, value_of};
use squall_world::{Instant, RealWorld, World};

use crate::offer::Reads;
use crate::outcome::{Trouble, settled};
use crate::role::{Role, Status};
use gateway::{Gateway, base64, bytes, number};

/// Rests of a client that waits for a lock, milliseconds.
const REST_MIN_MS: u64 = 5;
const REST_MAX_MS: u64 = 25;

/// The operations that there are.
pub(crate) fn offers(operation: &str) -> bool {
    OFFERED.contains(&operation)
}

const OFFERED: &[&str] = &[
    "get",
    "get_many",
    "set",
    "compare_and_set",
    "delete",
    "open_session",
    "keep_alive",
    "close_session",
    "acquire",
    "release",
    "check",
];

/// One client.
pub(crate) struct Driver {
    gateway: Gateway,
    reads: Reads,
}

impl Driver {
    pub(crate) fn new(addresses: Vec<String>, reads: Reads, number: usize) -> Self {
        Self {
            gateway: Gateway::new(addresses, number),
            reads,
        }
    }

    async fn done(&mut self, action: &Action, deadline: Instant) -> Result<Outcome, Trouble> {
        match action {
            Action::Get { key, .. } => {
                let range = self.range(key);
                let answer = self.gateway.ask("kv/range", &range, deadline).await?;
                let Found { value, version } = found(&answer);
                Ok(Outcome::Value { value, version })
            }
            Action::GetMany { keys } => {
                let ranges = keys
                    .iter()
                    .map(|key| json!({ "request_range": self.range(key) }));
                let txn = json!({ "success": ranges.collect::<Vec<_>>() });
                let answer = self.gateway.ask("kv/txn", &txn, deadline).await?;
                let responses = answer["responses"].as_array().map(Vec::as_slice);
                let responses = responses.unwrap_or_default().iter();
                Ok(Outcome::Values {
                    values: responses.map(|one| found(&one["response_range"])).collect(),
                })
            }
            Action::Set { key, value, bytes } => {
                let put = put(key, &payload(value, *bytes), None);
                let answer = self.gateway.ask("kv/put", &put, deadline).await?;
                Ok(Outcome::Stored {
                    version: revision(&answer)?,
                })
            }
            Action::CompareAndSet {
                key,
                version,
                value,
            } => {
                let txn = json!({
                    "compare": [compare("MOD", "mod_revision", key, *version)],
                    "success": [{ "request_put": put(key, &payload(value, 0), None) }],
                });
                let answer = self.gateway.ask("kv/txn", &txn, deadline).await?;
                match has_succeeded(&answer) {
                    true => Ok(Outcome::Stored {
                        version: revision(&answer)?,
                    }),
                    false => Ok(Outcome::Mismatch),
                }
            }
            Action::Delete { key } => {
                let delete = json!({ "key": base64(key.as_bytes()) });
                self.gateway
                    .ask("kv/deleterange", &delete, deadline)
                    .await?;
                Ok(Outcome::Stored { version: 0 })
            }
            Action::OpenSession { ttl_ms } => {
                // An id of our own: small, and known whatever becomes of the answer.
                let session = 1 + (RealWorld::random_u64() >> 12);
                let ttl_s = ttl_ms.div_ceil(1_000).max(1);
                let grant = json!({ "ID": session.to_string(), "TTL": ttl_s.to_string() });
                self.gateway.ask("lease/grant", &grant, deadline).await?;
                Ok(Outcome::Session { session })
            }
            Action::KeepAlive { session } => {
                let id = json!({ "ID": session.to_string() });
                let answer = self.gateway.ask("lease/keepalive", &id, deadline).await?;
                // A lease that is gone has no time left.
                match number(&answer["result"]["TTL"]).unwrap_or(0) {
                    0 => Ok(Outcome::NotHeld),
                    _ => Ok(Outcome::Alive),
                }
            }
            Action::CloseSession { session } => {
                let id = json!({ "ID": session.to_string() });
                let answer = self.gateway.ask("lease/revoke", &id, deadline).await;
                unless_gone(answer.map(|_| Outcome::Closed))
            }
            Action::Acquire {
                name,
                session,
                shared: false,
                wait_ms,
            } => {
                let until = RealWorld::now() + Duration::from_millis(*wait_ms);
                unless_gone(self.acquire(name, *session, until, deadline).await)
            }
            Action::Acquire { .. } => Err(Trouble::Failed("etcd has no shared locks".into())),
            Action::Release { name, token, .. } => {
                let key = lock_key(name);
                let txn = json!({
                    "compare": [compare("CREATE", "create_revision", &key, *token)],
                    "success": [{ "request_delete_range": { "key": base64(key.as_bytes()) } }],
                });
                let answer = self.gateway.ask("kv/txn", &txn, deadline).await?;
                Ok(match has_succeeded(&answer) {
                    true => Outcome::Released,
                    false => Outcome::NotHeld,
                })
            }
            Action::Check { name, token } => {
                let used = put(&format!("fence/{name}"), token.to_string().as_bytes(), None);
                let txn = json!({
                    "compare": [compare("CREATE", "create_revision", &lock_key(name), *token)],
                    "success": [{ "request_put": used }],
                });
                let answer = self.gateway.ask("kv/txn", &txn, deadline).await?;
                Ok(Outcome::Checked {
                    accepted: has_succeeded(&answer),
                })
            }
            other => Err(Trouble::Failed(format!(
                "etcd has no {}",
                other.operation()
            ))),
        }
    }

    /// Asks until the lock is there, or `until`.
    async fn acquire(
        &mut self,
        name: &str,
        session: u64,
        until: Instant,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let key = lock_key(name);
        let holder = session.to_string();
        let txn = json!({
            "compare": [compare("CREATE", "create_revision", &key, 0)],
            "success": [{ "request_put": put(&key, holder.as_bytes(), Some(session)) }],
            "failure": [{ "request_range": { "key": base64(key.as_bytes()) } }],
        });
        loop {
            let answer = self.gateway.ask("kv/txn", &txn, deadline).await?;
            if has_succeeded(&answer) {
                return Ok(Outcome::Granted {
                    token: revision(&answer)?,
                });
            }
            let held = &answer["responses"][0]["response_range"]["kvs"][0];
            if number(&held["lease"]) == Some(session) {
                // It was this session's own request whose answer was lost.
                let token = number(&held["create_revision"]);
                let token = token.ok_or_else(|| unexpected(held))?;
                return Ok(Outcome::Granted { token });
            }
            let rest_ms = REST_MIN_MS + RealWorld::random_u64() % (REST_MAX_MS - REST_MIN_MS);
            let next = RealWorld::now() + Duration::from_millis(rest_ms);
            if next >= until.min(deadline) {
                return Ok(Outcome::NotGranted);
            }
            RealWorld::sleep_until(next).await;
        }
    }

    fn range(&self, key: &str) -> Value {
        json!({
            "key": base64(key.as_bytes()),
            "serializable": self.reads == Reads::Any,
        })
    }
}

impl ClientDriver for Driver {
    fn issue<'a>(&'a mut self, action: &'a Action, deadline: Instant) -> LocalFuture<'a, Outcome> {
        Box::pin(async move { settled(self.done(action, deadline).await) })
    }

    fn offers(&self, operation: &str) -> bool {
        offers(operation)
    }
}

/// Apart from registers of the same name.
fn lock_key(name: &str) -> String {
    format!("lock/{name}")
}

fn compare(target: &str, field: &str, key: &str, revision: u64) -> Value {
    let mut compared = json!({
        "target": target,
        "result": "EQUAL",
        "key": base64(key.as_bytes()),
    });
    compared[field] = revision.to_string().into();
    compared
}

fn put(key: &str, value: &[u8], lease: Option<u64>) -> Value {
    let mut put = json!({ "key": base64(key.as_bytes()), "value": base64(value) });
    if let Some(lease) = lease {
        put["lease"] = lease.to_string().into();
    }
    put
}

/// The gateway leaves out what is false.
fn has_succeeded(answer: &Value) -> bool {
    answer["succeeded"] == true
}

/// The revision of the store that a write made.
fn revision(answer: &Value) -> Result<u64, Trouble> {
    number(&answer["header"]["revision"]).ok_or_else(|| unexpected(answer))
}

/// What a range found under its key.
fn found(answer: &Value) -> Found {
    let Some(entry) = answer["kvs"].get(0) else {
        return Found {
            value: None,
            version: 0,
        };
    };
    Found {
        value: Some(value_of(&bytes(&entry["value"]))),
        version: number(&entry["mod_revision"]).unwrap_or(0),
    }
}

/// A lease that is gone holds nothing.
fn unless_gone(answer: Result<Outcome, Trouble>) -> Result<Outcome, Trouble> {
    match answer {
        Err(Trouble::Failed(why)) if why.contains("requested lease not found") => {
            Ok(Outcome::NotHeld)
        }
        other => other,
    }
}

fn unexpected(answer: &Value) -> Trouble {
    let shown: String = answer.to_string().chars().take(100).collect();
    Trouble::Unknown(format!("unexpected answer {shown}"))
}

/// What the member at `address` says of itself.
///
/// Its term is that of the last entry that it has applied. One that has just been elected leads
/// in a later term, which it tells only when its first entry is committed and applied; so a
/// leader must have answered a read of the log, which waits for that, and lead in that term still.
pub(crate) async fn status(address: &str, deadline: Instant) -> Option<Status> {
    let mut gateway = Gateway::new(vec![address.to_owned()], 0);
    let own = own_status(&mut gateway, deadline).await?;
    if own.role != Role::Leader {
        return Some(own);
    }
    let read = json!({ "key": base64(STATUS_KEY) });
    let read = gateway.ask_once("kv/range", &read, deadline).await.ok()?;
    let term = number(&read["header"]["raft_term"]);
    let own = own_status(&mut gateway, deadline).await?;
    (own.role != Role::Leader || own.term == term).then_some(own)
}

/// A key that nobody writes.
const STATUS_KEY: &[u8] = b"squall/status";

async fn own_status(gateway: &mut Gateway, deadline: Instant) -> Option<Status> {
    let status = gateway
        .ask_once("maintenance/status", &json!({}), deadline)
        .await
        .ok()?;
    let leader = number(&status["leader"]).filter(|leader| *leader > 0);
    let is_leader = leader.is_some() && leader == number(&status["header"]["member_id"]);
    Some(Status {
        role: if is_leader {
            Role::Leader
        } else {
            Role::Follower
        },
        term: number(&status["raftTerm"]),
        applied: number(&status["raftAppliedIndex"]).or_else(|| number(&status["raftIndex"])),
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::testing::in_real_world;

    /// Gives these answers one after the other to whoever asks for their paths; its address.
    #[allow(clippy::disallowed_methods)] // a server of the real world
    async fn server(answers: Vec<(&'static str, Value)>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody asks");
            for (path, answer) in answers {
                let mut asked = String::new();
                // Every question ends with its body, an object.
                while !asked.ends_with('}') {
                    let mut bytes = [0; 1_000];
                    let count = stream.read(&mut bytes).await.expect("it is open");
                    asked += &String::from_utf8_lossy(&bytes[..count]);
                }
                assert!(asked.starts_with(&format!("POST /v3/{path} ")), "{asked}");
                let body = answer.to_string();
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let answered = stream.write_all((head + &body).as_bytes()).await;
                answered.expect("it is open");
            }
        });
        address
    }

    fn says(leader: u64, term: u64) -> (&'static str, Value) {
        let status = json!({
            "header": { "member_id": "7" },
            "leader": leader.to_string(),
            "raftTerm": term.to_string(),
            "raftAppliedIndex": "70",
        });
        ("maintenance/status", status)
    }

    fn reads(term: u64) -> (&'static str, Value) {
        let header = json!({ "raft_term": term.to_string() });
        ("kv/range", json!({ "header": header }))
    }

    fn status_after(answers: Vec<(&'static str, Value)>) -> Option<(Role, Option<u64>)> {
        let status = in_real_world(async {
            let address = server(answers).await;
            status(&address, RealWorld::now() + Duration::from_secs(5)).await
        })?;
        Some((status.role, status.term))
    }

    #[test]
    fn a_new_leader_leads_when_its_term_is_known() {
        assert_eq!(
            status_after(vec![says(8, 4)]),
            Some((Role::Follower, Some(4)))
        );
        let leads = Some((Role::Leader, Some(5)));
        assert_eq!(status_after(vec![says(7, 5), reads(5), says(7, 5)]), leads);
        // The first time it says the term of the leader before.
        assert_eq!(status_after(vec![says(7, 4), reads(5), says(7, 5)]), leads);
        // Another has led meanwhile, and the term of its own leadership is not known yet.
        assert_eq!(status_after(vec![says(7, 4), reads(6), says(7, 5)]), None);
        let follows = Some((Role::Follower, Some(6)));
        assert_eq!(
            status_after(vec![says(7, 5), reads(6), says(8, 6)]),
            follows
        );
    }
}
