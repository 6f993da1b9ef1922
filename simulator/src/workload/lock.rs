//! Lock clients: take a lock, hold it, use a fenced resource, give it back.

use std::time::Duration;

use rand::RngExt;
use squall_cluster::state::command::{Command, LockCommand, LockMode, SessionCommand, SessionId};
use squall_cluster::world::{Instant, World};

use super::{Caller, Over, chance};
use crate::history::{Action, Outcome};
use crate::plan::WorkloadKind;

/// A session and when it must be kept alive next.
struct Session {
    id: SessionId,
    keep_alive_at: Instant,
}

pub(super) async fn run<W: World>(mut caller: Caller<W>) {
    let mut session = None;
    // Ends when the workload is over.
    while round(&mut caller, &mut session).await.is_ok() {}
    if let Some(session) = session {
        close(&mut caller, session.id).await;
    }
}

/// One lock taken and given back.
async fn round<W: World>(
    caller: &mut Caller<W>,
    session: &mut Option<Session>,
) -> Result<(), Over> {
    let WorkloadKind::Lock {
        locks,
        shared_ppm,
        ttl_ms,
        wait_ms,
        hold_us,
        ..
    } = caller.shared.plan.kind
    else {
        unreachable!("a lock client has a lock workload")
    };
    let intended_us = caller.next().await?;
    let Some(id) = living_session(caller, session, ttl_ms).await else {
        return Ok(());
    };
    let name = format!("lock-{}", caller.rng.random_range(0..locks.max(1)));
    let shared = chance(&mut caller.rng, shared_ppm);
    let acquire = Action::Acquire {
        name: name.clone(),
        session: id,
        shared,
        wait_ms,
    };
    let command = Command::Lock(LockCommand::Acquire {
        name: name.clone(),
        session: id,
        mode: match shared {
            true => LockMode::Shared,
            false => LockMode::Exclusive,
        },
        wait_ms,
        wait_die: false,
    });
    let token = match caller.write(intended_us, acquire, command, wait_ms).await {
        Outcome::Granted { token } => token,
        Outcome::NotGranted | Outcome::Failed { .. } => return Ok(()),
        // Perhaps it holds the lock now, perhaps it waits for it: only the end of the session
        // makes sure that it does neither.
        _ => {
            *session = None;
            close(caller, id).await;
            return Ok(());
        }
    };
    W::sleep(Duration::from_micros(hold_us)).await;
    if !shared {
        let check = Action::Check {
            name: name.clone(),
            token,
        };
        let command = Command::Lock(LockCommand::Check {
            name: name.clone(),
            token,
        });
        caller.write(None, check, command, 0).await;
    }
    release(caller, name, id, token).await;
    Ok(())
}

/// Releases until the outcome is known, or the session has surely ended.
async fn release<W: World>(caller: &mut Caller<W>, name: String, session: SessionId, token: u64) {
    for _ in 0..MAX_RELEASES {
        let action = Action::Release {
            name: name.clone(),
            session,
            token,
        };
        let command = Command::Lock(LockCommand::Release {
            name: name.clone(),
            session,
            token,
        });
        match caller.write(None, action, command, 0).await {
            Outcome::Unknown { .. } | Outcome::Failed { .. } => {}
            _ => return,
        }
    }
}

/// After so many failures the lock is left to the session's TTL.
const MAX_RELEASES: usize = 5;

/// The session's id, opened or kept alive as needed; `None` if that did not succeed.
async fn living_session<W: World>(
    caller: &mut Caller<W>,
    session: &mut Option<Session>,
    ttl_ms: u64,
) -> Option<SessionId> {
    let keep_alive_at = W::now() + Duration::from_millis(ttl_ms / 3);
    if let Some(alive) = session {
        if W::now() < alive.keep_alive_at {
            return Some(alive.id);
        }
        let action = Action::KeepAlive { session: alive.id };
        let command = Command::Session(SessionCommand::KeepAlive { session: alive.id });
        if caller.write(None, action, command, 0).await == Outcome::Alive {
            alive.keep_alive_at = keep_alive_at;
            return Some(alive.id);
        }
        *session = None;
    }
    let action = Action::OpenSession { ttl_ms };
    let command = Command::Session(SessionCommand::Open { ttl_ms });
    match caller.write(None, action, command, 0).await {
        Outcome::Session { session: id } => {
            *session = Some(Session { id, keep_alive_at });
            Some(id)
        }
        _ => None,
    }
}

async fn close<W: World>(caller: &mut Caller<W>, session: SessionId) {
    let action = Action::CloseSession { session };
    let command = Command::Session(SessionCommand::Close { session });
    caller.write(None, action, command, 0).await;
}
