//! Lock clients: take a lock, hold it, use a fenced resource, give it back.
//!
//! Some of them, as the workload's mix says, are gone after asking, cancel while they wait,
//! or lose an answer and ask again: a session that asks twice for a lock has it once, so that
//! needs no sequence numbers. Watchers only look who holds the locks and who waits.

use std::time::Duration;

use rand::RngExt;
use squall_cluster::state::command::{
    Command, LockCommand, LockInfo, LockMode, Query, SessionCommand, SessionId,
};
use squall_world::{Instant, World};

use super::{Caller, Over, chance, random_duration, sometimes};
use squall_history::{Action, Holder, Outcome};
use squall_plan::plan::{LockMix, WorkloadKind};

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

/// Looks at one lock after the other.
pub(super) async fn watch<W: World>(mut caller: Caller<W>) {
    let WorkloadKind::Lock { locks, .. } = caller.shared.plan.kind else {
        unreachable!("a lock client has a lock workload")
    };
    while !caller.setting.is_stopped() {
        caller.pause().await;
        let name = lock_name(caller.rng.random_range(0..locks.max(1)));
        let (action, query) = inspect(&name);
        caller.read(None, action, query).await;
    }
}

/// One lock taken and given back.
async fn round<W: World>(
    caller: &mut Caller<W>,
    session: &mut Option<Session>,
) -> Result<(), Over> {
    let WorkloadKind::Lock {
        shared_ppm,
        ttl_ms,
        wait_ms,
        hold_us,
        mix,
        ..
    } = caller.shared.plan.kind.clone()
    else {
        unreachable!("a lock client has a lock workload")
    };
    let intended_us = caller.next().await?;
    let Some(id) = living_session(caller, session, ttl_ms, mix.renew_ms).await else {
        return Ok(());
    };
    let name = lock_name(caller.draw_key());
    let shared = chance(&mut caller.rng, shared_ppm);
    let (action, command) = acquire(&name, id, shared, wait_ms);
    if sometimes(&mut caller.rng, mix.crash_ppm) {
        caller.write_unheard(action, command, wait_ms).await;
        *session = None;
        return Ok(());
    }
    if sometimes(&mut caller.rng, mix.cancel_ppm) {
        caller.write_unheard(action, command, wait_ms).await;
        W::sleep(Duration::from_millis(wait_ms / 2)).await;
        *session = None;
        cancel(caller, &name, id).await;
        close(caller, id).await;
        return Ok(());
    }
    if sometimes(&mut caller.rng, mix.retries.ppm) {
        let (action, command) = (action.clone(), command.clone());
        caller.write_unheard(action, command, wait_ms).await;
        rest(caller, &mix).await;
    }
    let token = match caller.write(intended_us, action, command, wait_ms).await {
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
    release(caller, &name, id, token).await;
    if sometimes(&mut caller.rng, mix.retries.ppm) {
        rest(caller, &mix).await;
        release(caller, &name, id, token).await;
    }
    Ok(())
}

async fn rest<W: World>(caller: &mut Caller<W>, mix: &LockMix) {
    let bounds = [mix.retries.after_min_us, mix.retries.after_max_us];
    let [min, max] = bounds.map(Duration::from_micros);
    W::sleep(random_duration(&mut caller.rng, min, max)).await;
}

/// Releases until the outcome is known, or the session has surely ended.
async fn release<W: World>(caller: &mut Caller<W>, name: &str, session: SessionId, token: u64) {
    for _ in 0..MAX_RELEASES {
        let action = Action::Release {
            name: name.into(),
            session,
            token,
        };
        let command = Command::Lock(LockCommand::Release {
            name: name.into(),
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
    renew_ms: u64,
) -> Option<SessionId> {
    let keep_alive_at = W::now() + Duration::from_millis(renew_ms);
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
    let id = open(caller, ttl_ms).await?;
    *session = Some(Session { id, keep_alive_at });
    Some(id)
}

async fn cancel<W: World>(caller: &mut Caller<W>, name: &str, session: SessionId) {
    let name = name.to_owned();
    let action = Action::Cancel {
        name: name.clone(),
        session,
    };
    let command = Command::Lock(LockCommand::Cancel { name, session });
    caller.write(None, action, command, 0).await;
}

/// Opens a session; `None` if that did not succeed.
pub(super) async fn open<W: World>(caller: &mut Caller<W>, ttl_ms: u64) -> Option<SessionId> {
    let action = Action::OpenSession { ttl_ms };
    let command = Command::Session(SessionCommand::Open { ttl_ms });
    match caller.write(None, action, command, 0).await {
        Outcome::Session { session } => Some(session),
        _ => None,
    }
}

pub(super) async fn close<W: World>(caller: &mut Caller<W>, session: SessionId) {
    let action = Action::CloseSession { session };
    let command = Command::Session(SessionCommand::Close { session });
    caller.write(None, action, command, 0).await;
}

/// All lock workloads share the names.
pub(super) fn lock_name(number: u64) -> String {
    format!("lock-{number}")
}

pub(super) fn acquire(
    name: &str,
    session: SessionId,
    shared: bool,
    wait_ms: u64,
) -> (Action, Command) {
    let action = Action::Acquire {
        name: name.into(),
        session,
        shared,
        wait_ms,
    };
    let command = Command::Lock(LockCommand::Acquire {
        name: name.into(),
        session,
        mode: match shared {
            true => LockMode::Shared,
            false => LockMode::Exclusive,
        },
        wait_ms,
        wait_die: false,
    });
    (action, command)
}

pub(super) fn inspect(name: &str) -> (Action, Query) {
    let name = name.to_owned();
    (Action::Inspect { name: name.clone() }, Query::Lock { name })
}

/// Who holds a lock and who waits, in the terms of the history.
pub(super) fn line(info: LockInfo) -> Outcome {
    let holder = |(session, token, shared)| Holder {
        session,
        token,
        shared,
    };
    Outcome::Line {
        holders: info.holders.into_iter().map(holder).collect(),
        waiters: info.waiters,
        last_token: info.last_token,
    }
}
