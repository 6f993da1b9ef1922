//! Locks: clients take a lock, hold it, use a fenced resource, give it back.
//!
//! Some of them, as the workload's mix says, are gone after asking, cancel while they wait,
//! or lose an answer and ask again: a session that asks twice for a lock has it once, so that
//! needs no sequence numbers. Watchers only look who holds the locks and who waits. The audit
//! takes every lock once more, which must be possible as soon as the sessions of clients that
//! are gone have expired.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use squall_cluster::state::command::{
    Command, LockCommand, LockInfo, LockMode, Once, Query, Reply, SessionCommand, SessionId,
};
use squall_world::Instant;

use super::asked::Asked;
use super::driver::Extras;
use super::service::{Probe, Role, Service};
use super::{Audit, Client, LocalFuture, Over, chance, random_duration, sometimes};
use squall_history::{self as history, Action, Holder, Outcome};
use squall_plan::plan::{LockMix, WorkloadKind, WorkloadPlan};

pub(super) struct Lock;

impl Service for Lock {
    fn name(&self) -> history::Service {
        history::Service::Lock
    }

    fn roles(&self, workload: &WorkloadPlan) -> Vec<Role> {
        let WorkloadKind::Lock { clients, mix, .. } = &workload.kind else {
            unreachable!("a lock client has a lock workload")
        };
        vec![
            Role::of_load("", *clients),
            Role::beside("watcher", mix.watchers),
        ]
    }

    fn run(&self, role: &'static str, client: Client) -> LocalFuture<'static, ()> {
        match role {
            "watcher" => Box::pin(watch(client)),
            _ => Box::pin(run(client)),
        }
    }

    fn probe(&self) -> Option<Box<dyn Probe>> {
        Some(Box::new(LockProbe::default()))
    }

    fn audit<'a>(&'a self, audit: &'a mut Audit) -> LocalFuture<'a, ()> {
        Box::pin(async {
            for (name, patience_ms) in locks(audit) {
                take(audit, &name, patience_ms).await;
            }
        })
    }
}

/// What a node is asked; `wait_die` of an acquire.
pub(super) fn asked(action: &Action, wait_die: bool) -> Asked {
    let command = match action {
        Action::Acquire {
            name,
            session,
            shared,
            wait_ms,
        } => LockCommand::Acquire {
            name: name.clone(),
            session: *session,
            mode: if *shared {
                LockMode::Shared
            } else {
                LockMode::Exclusive
            },
            wait_ms: *wait_ms,
            wait_die,
        },
        Action::Release {
            name,
            session,
            token,
        } => LockCommand::Release {
            name: name.clone(),
            session: *session,
            token: *token,
        },
        Action::Cancel { name, session } => LockCommand::Cancel {
            name: name.clone(),
            session: *session,
        },
        Action::Check { name, token } => LockCommand::Check {
            name: name.clone(),
            token: *token,
        },
        Action::Inspect { name } => return Asked::Read(None, Query::Lock { name: name.clone() }),
        other => return Asked::Write(Command::Session(session_command(other))),
    };
    Asked::Write(Command::Lock(command))
}

fn session_command(action: &Action) -> SessionCommand {
    match *action {
        Action::OpenSession { ttl_ms } => SessionCommand::Open { ttl_ms },
        Action::KeepAlive { session } => SessionCommand::KeepAlive { session },
        Action::CloseSession { session } => SessionCommand::Close { session },
        ref other => unreachable!("the lock service is not asked {other:?}"),
    }
}

/// What a reply says in the terms of the history; back if it answers something else.
pub(super) fn answer(action: &Action, reply: Reply) -> Result<Outcome, Reply> {
    Ok(match reply {
        Reply::Granted { token } => Outcome::Granted { token },
        Reply::NotGranted => Outcome::NotGranted,
        Reply::Released => Outcome::Released,
        Reply::LockInfo(info) => line(info),
        Reply::TokenAccepted(accepted) => Outcome::Checked { accepted },
        Reply::SessionOpened { session, .. } => Outcome::Session { session },
        Reply::SessionAlive { .. } => Outcome::Alive,
        Reply::SessionClosed => Outcome::Closed,
        Reply::Done if matches!(action, Action::Cancel { .. }) => Outcome::NotGranted,
        other => return Err(other),
    })
}

/// Who holds a lock and who waits.
fn line(info: LockInfo) -> Outcome {
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

/// A session, when it must be kept alive next, and the sequence of its last acquire.
struct Session {
    id: SessionId,
    keep_alive_at: Instant,
    sequence: u64,
}

async fn run(mut client: Client) {
    let mut session = None;
    // Ends when the workload is over.
    while round(&mut client, &mut session).await.is_ok() {}
    if let Some(session) = session {
        close(&mut client, session.id).await;
    }
}

/// Looks at one lock after the other.
async fn watch(mut client: Client) {
    let WorkloadKind::Lock { locks, .. } = client.shared.plan.kind else {
        unreachable!("a lock client has a lock workload")
    };
    while !client.context.is_stopped() {
        client.pause().await;
        let name = lock_name(client.rng.random_range(0..locks.max(1)));
        client.ask(None, Action::Inspect { name }).await;
    }
}

/// One lock taken and given back.
async fn round(client: &mut Client, session: &mut Option<Session>) -> Result<(), Over> {
    let WorkloadKind::Lock {
        shared_ppm,
        ttl_ms,
        wait_ms,
        hold_us,
        mix,
        ..
    } = client.shared.plan.kind.clone()
    else {
        unreachable!("a lock client has a lock workload")
    };
    let intended_us = client.next().await?;
    let Some(id) = living_session(client, session, ttl_ms, mix.renew_ms).await else {
        return Ok(());
    };
    let name = lock_name(client.draw_key());
    let shared = chance(&mut client.rng, shared_ppm);
    let acquire = Action::Acquire {
        name: name.clone(),
        session: id,
        shared,
        wait_ms,
    };
    let extras = Extras {
        once: session.as_mut().filter(|_| mix.numbered).map(next_once),
        wait_die: sometimes(&mut client.rng, mix.wait_die_ppm),
        ..Extras::default()
    };
    if sometimes(&mut client.rng, mix.crash_ppm) {
        client.ask_unheard(acquire, extras).await;
        *session = None;
        return Ok(());
    }
    if sometimes(&mut client.rng, mix.cancel_ppm) {
        client.ask_unheard(acquire, extras).await;
        client.sleep(Duration::from_millis(wait_ms / 2)).await;
        *session = None;
        client.ask(None, Action::Cancel { name, session: id }).await;
        close(client, id).await;
        return Ok(());
    }
    if sometimes(&mut client.rng, mix.retries.ppm) {
        if mix.numbered && wait_ms > 0 {
            // It is lost in the middle of the wait, which goes on.
            let patience = Duration::from_millis(wait_ms / 2);
            client.ask_briefly(acquire.clone(), extras, patience).await;
        } else {
            client.ask_unheard(acquire.clone(), extras).await;
        }
        rest(client, &mix).await;
    }
    let token = match client.ask_with(intended_us, acquire, extras).await {
        Outcome::Granted { token } => token,
        Outcome::NotGranted | Outcome::Failed { .. } => return Ok(()),
        // Perhaps it holds the lock now, perhaps it waits for it: only the end of the session
        // makes sure that it does neither.
        _ => {
            *session = None;
            close(client, id).await;
            return Ok(());
        }
    };
    client.sleep(Duration::from_micros(hold_us)).await;
    if !shared && client.offers("check") {
        let name = name.clone();
        client.ask(None, Action::Check { name, token }).await;
    }
    let release = Action::Release {
        name,
        session: id,
        token,
    };
    release_surely(client, &release).await;
    if sometimes(&mut client.rng, mix.retries.ppm) {
        rest(client, &mix).await;
        release_surely(client, &release).await;
    }
    Ok(())
}

fn next_once(session: &mut Session) -> Once {
    session.sequence += 1;
    Once {
        session: session.id,
        sequence: session.sequence,
    }
}

async fn rest(client: &mut Client, mix: &LockMix) {
    let bounds = [mix.retries.after_min_us, mix.retries.after_max_us];
    let [min, max] = bounds.map(Duration::from_micros);
    let rest = random_duration(&mut client.rng, min, max);
    client.sleep(rest).await;
}

/// After so many failures the lock is left to the session's TTL.
const MAX_RELEASES: usize = 5;

/// Releases until the outcome is known, or the session has surely ended.
async fn release_surely(client: &mut Client, release: &Action) {
    for _ in 0..MAX_RELEASES {
        match client.ask(None, release.clone()).await {
            Outcome::Unknown { .. } | Outcome::Failed { .. } => {}
            _ => return,
        }
    }
}

/// The session's id, opened or kept alive as needed; `None` if that did not succeed.
async fn living_session(
    client: &mut Client,
    session: &mut Option<Session>,
    ttl_ms: u64,
    renew_ms: u64,
) -> Option<SessionId> {
    let keep_alive_at = client.now() + Duration::from_millis(renew_ms);
    if let Some(alive) = session {
        if client.now() < alive.keep_alive_at {
            return Some(alive.id);
        }
        let keep_alive = Action::KeepAlive { session: alive.id };
        if client.ask(None, keep_alive).await == Outcome::Alive {
            alive.keep_alive_at = keep_alive_at;
            return Some(alive.id);
        }
        *session = None;
    }
    let id = open(client, ttl_ms).await?;
    *session = Some(Session {
        id,
        keep_alive_at,
        sequence: 0,
    });
    Some(id)
}

/// Opens a session; `None` if that did not succeed.
async fn open(client: &mut Client, ttl_ms: u64) -> Option<SessionId> {
    match client.ask(None, Action::OpenSession { ttl_ms }).await {
        Outcome::Session { session } => Some(session),
        _ => None,
    }
}

async fn close(client: &mut Client, session: SessionId) {
    client.ask(None, Action::CloseSession { session }).await;
}

/// All lock workloads share the names.
fn lock_name(number: u64) -> String {
    format!("lock-{number}")
}

/// Opens a session; then acquires and releases a lock of its own in turn.
#[derive(Default)]
struct LockProbe {
    session: Option<u64>,
    token: Option<u64>,
}

/// Sessions of probes and of the audit outlive any outage.
const LONG_TTL_MS: u64 = 600_000;

impl Probe for LockProbe {
    fn ask<'a>(&'a mut self, client: &'a mut Client) -> LocalFuture<'a, Outcome> {
        Box::pin(async {
            let name = client.name().to_owned();
            let Some(session) = self.session else {
                let ttl_ms = LONG_TTL_MS;
                let outcome = client.ask(None, Action::OpenSession { ttl_ms }).await;
                if let Outcome::Session { session } = outcome {
                    self.session = Some(session);
                }
                return outcome;
            };
            if let Some(token) = self.token.take() {
                let release = Action::Release {
                    name,
                    session,
                    token,
                };
                return client.ask(None, release).await;
            }
            let acquire = Action::Acquire {
                name,
                session,
                shared: false,
                wait_ms: 0,
            };
            let outcome = client.ask(None, acquire).await;
            match outcome {
                Outcome::Granted { token } => self.token = Some(token),
                Outcome::NotHeld => self.session = None,
                _ => {}
            }
            outcome
        })
    }
}

/// A lock must be free this long after the last session that may hold it has expired.
const GRACE_MS: u64 = 5_000;

/// The locks in use, and for how long a session that is gone may keep each.
fn locks(audit: &Audit) -> BTreeMap<String, u64> {
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for workload in audit.workloads(history::Service::Lock) {
        if let WorkloadKind::Lock {
            locks,
            ttl_ms,
            wait_ms,
            ..
        } = workload.kind
        {
            for number in 0..locks.max(1) {
                let patience_ms = names.entry(lock_name(number)).or_default();
                *patience_ms = (*patience_ms).max(ttl_ms + wait_ms + GRACE_MS);
            }
        }
    }
    names
}

/// Takes a lock and gives it back, after a look at who has it and who waits.
async fn take(audit: &mut Audit, name: &str, patience_ms: u64) {
    let inspect = || Action::Inspect { name: name.into() };
    let is_shown = audit.client.offers("inspect");
    if is_shown {
        audit.ask(inspect()).await;
    }
    while !audit.is_over() {
        let Some(session) = open(&mut audit.client, LONG_TTL_MS).await else {
            continue;
        };
        let acquire = Action::Acquire {
            name: name.into(),
            session,
            shared: false,
            wait_ms: patience_ms,
        };
        let outcome = audit.client.ask(None, acquire).await;
        // Its end frees whatever it may hold.
        close(&mut audit.client, session).await;
        match outcome {
            Outcome::Granted { .. } => return,
            Outcome::NotGranted => {
                let found = match is_shown {
                    true => audit.ask(inspect()).await,
                    false => None,
                };
                let found = found.map_or_else(|| "nobody knows".into(), |line| holders(&line));
                audit.leave_unfinished(format!(
                    "lock {name} was not free within {patience_ms} ms: {found}"
                ));
                return;
            }
            _ => {}
        }
    }
    audit.leave_unfinished(format!("lock {name} could not be asked for in time"));
}

fn holders(line: &Outcome) -> String {
    let Outcome::Line {
        holders, waiters, ..
    } = line
    else {
        return "no answer".into();
    };
    let held: Vec<u64> = holders.iter().map(|holder| holder.session).collect();
    format!("held by sessions {held:?}, awaited by {waiters:?}")
}
