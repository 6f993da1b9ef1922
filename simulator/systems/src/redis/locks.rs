//! Locks as the documentation of Redis has them: `SET key token NX PX ttl`, and a script that
//! deletes the key only if it still holds the token.
//!
//! Redis has no sessions. A session is what a client remembers: its time to live, and what it
//! may hold. Keeping it alive sets the lifetimes of its locks anew, and closing it gives them
//! back. Whoever waits asks again, after a rest of random length.
//!
//! Source: "Distributed Locks with Redis", redis.io; of it, the lock on one instance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use squall_history::unordered::name_of_number;
use squall_history::{Action, Outcome};
use squall_world::{Instant, RealWorld, World};

use super::commander::Commander;
use super::connection::Frame;
use super::registers::unexpected;
use crate::outcome::Trouble;

/// Gives a lock back; 1 if it was held with this token.
const RELEASE: &[u8] = b"if redis.call('get', KEYS[1]) == ARGV[1] then \
    return redis.call('del', KEYS[1]) else return 0 end";
/// Sets its lifetime anew; 1 if it was held with this token.
const RENEW: &[u8] = b"if redis.call('get', KEYS[1]) == ARGV[1] then \
    return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end";

/// Rests of a client that waits for a lock, milliseconds.
const REST_MIN_MS: u64 = 5;
const REST_MAX_MS: u64 = 25;

/// The sessions of one client.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<u64, Session>);

struct Session {
    ttl_ms: u64,
    /// Names and tokens of what it holds or may hold.
    holds: BTreeSet<(String, u64)>,
}

impl Sessions {
    pub(super) async fn ask(
        &mut self,
        commander: &mut Commander,
        action: &Action,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        match action {
            Action::OpenSession { ttl_ms } => {
                // A session that nobody could use is none.
                commander.command("session", &[b"PING"], deadline).await?;
                let session = RealWorld::random_u64() >> 12;
                let (ttl_ms, holds) = (*ttl_ms, BTreeSet::new());
                self.0.insert(session, Session { ttl_ms, holds });
                Ok(Outcome::Session { session })
            }
            Action::KeepAlive { session } => self.keep_alive(commander, *session, deadline).await,
            Action::CloseSession { session } => self.close(commander, *session, deadline).await,
            Action::Acquire {
                name,
                session,
                wait_ms,
                shared: false,
            } => {
                let until = RealWorld::now() + Duration::from_millis(*wait_ms);
                let acquired =
                    self.acquire(commander, name, *session, until.min(deadline), deadline);
                acquired.await
            }
            Action::Acquire { .. } => Err(Trouble::Failed("Redis has no shared locks".into())),
            Action::Release {
                name,
                session,
                token,
            } => {
                let is_held = release(commander, name, *token, deadline).await?;
                if let Some(session) = self.0.get_mut(session) {
                    session.holds.remove(&(name.clone(), *token));
                }
                Ok(if is_held {
                    Outcome::Released
                } else {
                    Outcome::NotHeld
                })
            }
            other => Err(Trouble::Failed(format!(
                "Redis has no {}",
                other.operation()
            ))),
        }
    }

    /// Asks until the lock is there, or `until`.
    async fn acquire(
        &mut self,
        commander: &mut Commander,
        name: &str,
        session: u64,
        until: Instant,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let Some(session) = self.0.get_mut(&session) else {
            return Ok(Outcome::NotHeld);
        };
        let token = name_of_number(RealWorld::random_u64());
        let ttl = session.ttl_ms.to_string();
        let (key, value) = (key(name), token.to_string());
        let set: [&[u8]; 6] = [
            b"SET",
            key.as_bytes(),
            value.as_bytes(),
            b"NX",
            b"PX",
            ttl.as_bytes(),
        ];
        // Whatever becomes of the answer, the end of the session gives it back.
        session.holds.insert((name.to_owned(), token));
        loop {
            match commander.command(&key, &set, deadline).await {
                Ok(Frame::SimpleString(_)) => return Ok(Outcome::Granted { token }),
                Ok(Frame::Null) => {}
                Ok(other) => return Err(unexpected(&other)),
                Err(trouble @ Trouble::Unknown(_)) => return Err(trouble),
                Err(trouble @ Trouble::Failed(_)) => {
                    session.holds.remove(&(name.to_owned(), token));
                    return Err(trouble);
                }
            }
            let rest_ms = REST_MIN_MS + RealWorld::random_u64() % (REST_MAX_MS - REST_MIN_MS);
            let next = RealWorld::now() + Duration::from_millis(rest_ms);
            if next >= until {
                session.holds.remove(&(name.to_owned(), token));
                return Ok(Outcome::NotGranted);
            }
            RealWorld::sleep_until(next).await;
        }
    }

    async fn keep_alive(
        &mut self,
        commander: &mut Commander,
        session: u64,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let Some(alive) = self.0.get_mut(&session) else {
            return Ok(Outcome::NotHeld);
        };
        if alive.holds.is_empty() {
            commander.command("session", &[b"PING"], deadline).await?;
        }
        let ttl = alive.ttl_ms.to_string();
        let mut is_lost = false;
        for (name, token) in &alive.holds {
            let (key, token) = (key(name), token.to_string());
            let script: [&[u8]; 6] = [
                b"EVAL",
                RENEW,
                b"1",
                key.as_bytes(),
                token.as_bytes(),
                ttl.as_bytes(),
            ];
            let renewed = commander.command(&key, &script, deadline).await?;
            is_lost |= renewed != Frame::Integer(1);
        }
        if is_lost {
            // Who has lost a lock cannot go on as if nothing had happened.
            self.0.remove(&session);
            return Ok(Outcome::NotHeld);
        }
        Ok(Outcome::Alive)
    }

    async fn close(
        &mut self,
        commander: &mut Commander,
        session: u64,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let Some(alive) = self.0.get_mut(&session) else {
            return Ok(Outcome::NotHeld);
        };
        if alive.holds.is_empty() {
            commander.command("session", &[b"PING"], deadline).await?;
        }
        while let Some((name, token)) = alive.holds.first().cloned() {
            release(commander, &name, token, deadline).await?;
            alive.holds.remove(&(name, token));
        }
        self.0.remove(&session);
        Ok(Outcome::Closed)
    }
}

async fn release(
    commander: &mut Commander,
    name: &str,
    token: u64,
    deadline: Instant,
) -> Result<bool, Trouble> {
    let (key, token) = (key(name), token.to_string());
    let script: [&[u8]; 5] = [b"EVAL", RELEASE, b"1", key.as_bytes(), token.as_bytes()];
    match commander.command(&key, &script, deadline).await? {
        Frame::Integer(count) => Ok(count == 1),
        other => Err(unexpected(&other)),
    }
}

/// Apart from registers of the same name.
fn key(name: &str) -> String {
    format!("lock:{name}")
}
