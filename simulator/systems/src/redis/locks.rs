//! Locks as the documentation of Redis has them: `SET key token NX PX ttl`, and a script that
//! deletes the key only if it still holds the token.
//!
//! Redis has no sessions. A session is what a client remembers: its time to live, and what it
//! may hold. Keeping it alive sets the lifetimes of its locks anew, and closing it gives them
//! back. Whoever waits asks again, after a rest of random length. A session ends when a lock that
//! it surely held is found to be gone: who has lost a lock cannot go on as if nothing had
//! happened. A lock whose acquire or release was not answered may be gone by right.
//!
//! Source: "Distributed Locks with Redis", redis.io; of it, the lock on one instance.

use std::collections::BTreeMap;
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
    holds: BTreeMap<(String, u64), Hold>,
    /// While it was closed, a lock that it surely held was found to be gone.
    is_lost: bool,
}

/// What a client knows of a lock that it has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// Its acquire was not answered, or not yet.
    Asked,
    Granted,
    /// A release was sent, and not answered.
    PerhapsReleased,
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
                let (ttl_ms, holds) = (*ttl_ms, BTreeMap::new());
                let is_lost = false;
                let opened = Session {
                    ttl_ms,
                    holds,
                    is_lost,
                };
                self.0.insert(session, opened);
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
                self.release(commander, name, *session, *token, deadline)
                    .await
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
        session.holds.insert((name.to_owned(), token), Hold::Asked);
        loop {
            match commander.command(&key, &set, deadline).await {
                Ok(Frame::SimpleString(_)) => {
                    session
                        .holds
                        .insert((name.to_owned(), token), Hold::Granted);
                    return Ok(Outcome::Granted { token });
                }
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

    async fn release(
        &mut self,
        commander: &mut Commander,
        name: &str,
        session: u64,
        token: u64,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let released = release(commander, name, token, deadline).await;
        let hold = (name.to_owned(), token);
        if let Some(holder) = self.0.get_mut(&session)
            && let Some(known) = holder.holds.get_mut(&hold)
        {
            match released {
                Err(Trouble::Failed(_)) => {}
                Err(Trouble::Unknown(_)) => *known = Hold::PerhapsReleased,
                // It was lost before, and the session with it.
                Ok(false) if *known == Hold::Granted => {
                    self.0.remove(&session);
                }
                Ok(_) => {
                    holder.holds.remove(&hold);
                }
            }
        }
        Ok(match released? {
            true => Outcome::Released,
            false => Outcome::NotHeld,
        })
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
        let mut is_lost = alive.is_lost;
        let mut released = Vec::new();
        for (count, ((name, token), hold)) in alive.holds.iter().enumerate() {
            let (key, value) = (key(name), token.to_string());
            let script: [&[u8]; 6] = [
                b"EVAL",
                RENEW,
                b"1",
                key.as_bytes(),
                value.as_bytes(),
                ttl.as_bytes(),
            ];
            let renewed = commander.command(&key, &script, deadline).await;
            let renewed = renewed.map_err(|trouble| of_many(trouble, count))?;
            match (renewed, hold) {
                // An acquire that is still on its way may yet be executed.
                (Frame::Integer(1), _) | (_, Hold::Asked) => {}
                (_, Hold::PerhapsReleased) => released.push((name.clone(), *token)),
                (_, Hold::Granted) => is_lost = true,
            }
        }
        for gone in released {
            alive.holds.remove(&gone);
        }
        if is_lost {
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
        let mut count = 0;
        while let Some(mut hold) = alive.holds.first_entry() {
            let (name, token) = hold.key();
            let is_held = match release(commander, name, *token, deadline).await {
                Ok(is_held) => is_held,
                Err(trouble) => {
                    if matches!(trouble, Trouble::Unknown(_)) {
                        *hold.get_mut() = Hold::PerhapsReleased;
                    }
                    return Err(of_many(trouble, count));
                }
            };
            alive.is_lost |= !is_held && *hold.get() == Hold::Granted;
            hold.remove();
            count += 1;
        }
        let is_lost = alive.is_lost;
        self.0.remove(&session);
        Ok(match is_lost {
            true => Outcome::NotHeld,
            false => Outcome::Closed,
        })
    }
}

/// The trouble with one of several commands of an operation, of which `before` were executed.
fn of_many(trouble: Trouble, before: usize) -> Trouble {
    match before {
        0 => trouble,
        _ => trouble.after_a_part(),
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use squall_history::{Action, Outcome};

    use crate::redis::testing::{Answer, Client, with_server};

    type Answered = Option<&'static str>;

    /// A server whose answers to scripts are those of a list, in order; sets succeed.
    fn with_scripts<F: Future<Output = ()>>(
        scripts: &'static [Answered],
        test: impl FnOnce(Client) -> F,
    ) {
        let next = Rc::new(Cell::new(0));
        let asked = next.clone();
        let answers = move |command: &[String]| -> Answer {
            match command[0].as_str() {
                "EVAL" => {
                    next.set(next.get() + 1);
                    scripts[next.get() - 1].map(str::to_owned)
                }
                "PING" => Some("+PONG\r\n".into()),
                _ => Some("+OK\r\n".into()),
            }
        };
        with_server(answers, test);
        assert_eq!(asked.get(), scripts.len(), "all of them were asked");
    }

    async fn open(client: &mut Client) -> u64 {
        match client.ask(Action::OpenSession { ttl_ms: 1_000 }).await {
            Outcome::Session { session } => session,
            other => panic!("no session: {other:?}"),
        }
    }

    async fn acquire(client: &mut Client, name: &str, session: u64) -> u64 {
        let acquire = Action::Acquire {
            name: name.into(),
            session,
            shared: false,
            wait_ms: 0,
        };
        match client.ask(acquire).await {
            Outcome::Granted { token } => token,
            other => panic!("no lock: {other:?}"),
        }
    }

    fn release(name: &str, session: u64, token: u64) -> Action {
        Action::Release {
            name: name.into(),
            session,
            token,
        }
    }

    const DONE: Answered = Some(":1\r\n");
    const GONE: Answered = Some(":0\r\n");
    const NO_ANSWER: Answered = None;
    const REFUSED: Answered = Some("-ERR no\r\n");

    #[test]
    fn who_gives_a_lock_back_that_is_lost_has_lost_the_session() {
        with_scripts(&[GONE], |mut client| async move {
            let session = open(&mut client).await;
            let token = acquire(&mut client, "a", session).await;
            let released = client.ask(release("a", session, token)).await;
            assert_eq!(released, Outcome::NotHeld);
            let alive = client.ask(Action::KeepAlive { session }).await;
            assert_eq!(alive, Outcome::NotHeld);
        });
        // A lock that it never had says nothing about it.
        with_scripts(&[GONE], |mut client| async move {
            let session = open(&mut client).await;
            let released = client.ask(release("a", session, 7)).await;
            assert_eq!(released, Outcome::NotHeld);
            let alive = client.ask(Action::KeepAlive { session }).await;
            assert_eq!(alive, Outcome::Alive);
        });
    }

    #[test]
    fn a_lock_that_was_perhaps_given_back_may_be_gone() {
        for again in ["keep alive", "release"] {
            with_scripts(&[NO_ANSWER, GONE], |mut client| async move {
                let session = open(&mut client).await;
                let token = acquire(&mut client, "a", session).await;
                let unknown = client.ask(release("a", session, token)).await;
                assert!(matches!(unknown, Outcome::Unknown { .. }), "{unknown:?}");
                if again == "release" {
                    let released = client.ask(release("a", session, token)).await;
                    assert_eq!(released, Outcome::NotHeld);
                }
                // With nothing held there is no script.
                for _ in 0..2 {
                    let alive = client.ask(Action::KeepAlive { session }).await;
                    assert_eq!(alive, Outcome::Alive, "{again}");
                }
            });
        }
        with_scripts(&[GONE], |mut client| async move {
            let session = open(&mut client).await;
            acquire(&mut client, "a", session).await;
            for _ in 0..2 {
                let alive = client.ask(Action::KeepAlive { session }).await;
                assert_eq!(alive, Outcome::NotHeld);
            }
        });
    }

    #[test]
    fn what_was_done_in_part_has_not_failed() {
        for operation in ["close", "keep alive"] {
            let scripts = |scripts: &'static [Answered]| {
                with_scripts(scripts, |mut client| async move {
                    let session = open(&mut client).await;
                    acquire(&mut client, "a", session).await;
                    acquire(&mut client, "b", session).await;
                    let action = match operation {
                        "close" => Action::CloseSession { session },
                        _ => Action::KeepAlive { session },
                    };
                    let outcome = client.ask(action).await;
                    match scripts.len() {
                        1 => assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}"),
                        _ => assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}"),
                    }
                });
            };
            scripts(&[DONE, REFUSED]);
            scripts(&[REFUSED]);
        }
    }

    #[test]
    fn a_session_that_has_lost_a_lock_is_not_closed() {
        with_scripts(&[GONE], |mut client| async move {
            let session = open(&mut client).await;
            acquire(&mut client, "a", session).await;
            let closed = client.ask(Action::CloseSession { session }).await;
            assert_eq!(closed, Outcome::NotHeld);
        });
    }
}
