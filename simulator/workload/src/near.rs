//! Clients of the cache with a cache of their own, kept true by a stream of invalidations.
//!
//! A near client reads only. What it reads through the leader it keeps, and serves again
//! from memory as long as its stream is alive; what the stream invalidates it drops. It sends
//! `PING` on the stream every [`PING_EVERY`] and trusts its copies for [`BOUND`] from the
//! sending of the last one that was answered: that is how old they may be, by its own clock.
//! If the stream breaks, or is silent for that long, it keeps its copies but serves none
//! of them, asks for a stream from its last index, and goes on. Only a `flush` empties it.
//!
//! All that the stream says goes into the history, for the check of C8.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use squall_cluster::protocol::Push;
use squall_world::Instant;

use super::driver::{Connection, Invalidations};
use super::host::Host;
use super::keys::{get, key_name, volatile_name};
use super::{Client, Over, RunContext};
use squall_history::{Action, EventKind, Outcome, Recorder, StreamEvent};
use squall_plan::plan::WorkloadKind;

/// How old a copy may be when it is served.
const BOUND: Duration = Duration::from_millis(500);
const PING_EVERY: Duration = Duration::from_millis(100);
/// Rest before a node is asked for a stream again.
const RETRY_REST: Duration = Duration::from_millis(50);
/// A read from memory takes next to no time; without a pause after it, a closed loop would
/// stop the clock of a simulation.
const LOCAL_REST: Duration = Duration::from_millis(1);

pub(super) async fn run(mut client: Client) {
    let near = Rc::new(RefCell::new(Near::default()));
    let follower = Follower {
        near: near.clone(),
        name: client.name.clone(),
        context: client.context.clone(),
        connection: (client.context).connect(&client.context.addresses, client.index as usize),
    };
    let mut following = pin!(follower.follow());
    let mut serving = pin!(async { while step(&mut client, &near).await.is_ok() {} });
    // Both in one task, so that they live and die together. The stream goes first: what has
    // arrived counts before the next read.
    poll_fn(|cx| {
        let _: Poll<()> = following.as_mut().poll(cx);
        serving.as_mut().poll(cx)
    })
    .await;
}

async fn step(client: &mut Client, near: &RefCell<Near>) -> Result<(), Over> {
    // It reads beside the workload, whose operations are not its own.
    let intended_us = client.pause().await;
    if client.context.is_stopped() {
        return Err(Over);
    }
    let number = client.draw_key();
    let plan = &client.shared.plan;
    let key = match &plan.kind {
        WorkloadKind::Cache { mix, .. } if mix.evicted => volatile_name(&plan.name, number),
        _ => key_name(&plan.name, number),
    };
    let found = near.borrow().serve(client.now(), &key);
    if let Some(found) = found {
        let bound_ms = BOUND.as_millis() as u64;
        let action = Action::GetNear { key, bound_ms };
        let recorder = &client.context.recorder;
        let op = recorder.invoke(&client.name, intended_us, action);
        recorder.complete(op, found);
        client.sleep(LOCAL_REST).await;
        return Ok(());
    }
    near.borrow_mut().begin_fill(&key);
    let outcome = client.ask(intended_us, get(key)).await;
    near.borrow_mut().end_fill(outcome);
    Ok(())
}

/// The copies, and what is known about them.
#[derive(Default)]
struct Near {
    copies: BTreeMap<String, Outcome>,
    /// Everything up to this index has arrived; 0 before the first stream.
    position: u64,
    /// When the last `PING` (or the request for the stream) that was answered was sent.
    confirmed_at: Option<Instant>,
    filling: Option<Fill>,
}

/// A read on its way.
struct Fill {
    key: String,
    /// The newest invalidation of the key since it was sent.
    invalidated: u64,
    /// Nothing that was sent before may be kept.
    is_flushed: bool,
}

impl Near {
    fn serve(&self, now: Instant, key: &str) -> Option<Outcome> {
        let confirmed_at = self.confirmed_at?;
        let is_alive = now - confirmed_at <= BOUND;
        self.copies.get(key).filter(|_| is_alive).cloned()
    }

    fn begin_fill(&mut self, key: &str) {
        self.filling = Some(Fill {
            key: key.into(),
            invalidated: 0,
            // What changed before the first stream began will not be pushed.
            is_flushed: self.position == 0,
        });
    }

    /// Keeps what was read, unless it may have changed on the way.
    fn end_fill(&mut self, outcome: Outcome) {
        let fill = self.filling.take().expect("a fill was begun");
        let Outcome::Value { version, .. } = outcome else {
            return;
        };
        if !fill.is_flushed && fill.invalidated <= version {
            self.copies.insert(fill.key, outcome);
        }
    }

    fn invalidate(&mut self, index: u64, key: &str) {
        let is_older = |copy: &Outcome| match copy {
            Outcome::Value { version, .. } => *version < index,
            _ => true,
        };
        if self.copies.get(key).is_some_and(is_older) {
            self.copies.remove(key);
        }
        if let Some(fill) = self.filling.as_mut().filter(|fill| fill.key == key) {
            fill.invalidated = fill.invalidated.max(index);
        }
    }

    fn flush(&mut self) {
        self.copies.clear();
        if let Some(fill) = &mut self.filling {
            fill.is_flushed = true;
        }
    }
}

/// Keeps a stream open, and the copies true.
struct Follower {
    near: Rc<RefCell<Near>>,
    name: String,
    context: Rc<RunContext>,
    connection: Box<dyn Connection>,
}

impl Follower {
    /// Never ends by itself.
    async fn follow(mut self) {
        let host = self.context.host;
        loop {
            let from = self.near.borrow().position;
            let asked_at = host.now();
            if let Some(stream) = self.connection.track(from, asked_at + BOUND).await {
                self.record(StreamEvent::Opened { from });
                let why = self.listen(stream, asked_at).await;
                self.record(StreamEvent::Ended { why });
            }
            host.sleep(RETRY_REST).await;
        }
    }

    /// Until the stream ends or is silent; tells why.
    async fn listen(&self, mut stream: Box<dyn Invalidations>, opened_at: Instant) -> String {
        let host = self.context.host;
        // At most one question is unanswered, so an answer belongs to it.
        let mut asked_at = Some(opened_at);
        let mut next_ping = opened_at + PING_EVERY;
        loop {
            let deadline = asked_at.map_or(next_ping, |at| at + BOUND);
            match until(host, deadline, stream.next()).await {
                Some(Ok(push)) => {
                    if matches!(push, Push::UpTo(_))
                        && let Some(at) = asked_at.take()
                    {
                        self.near.borrow_mut().confirmed_at = Some(at);
                    }
                    self.take(push);
                }
                Some(Err(why)) => return why,
                None if asked_at.is_some() => return "silent".into(),
                None => {
                    let now = host.now();
                    (asked_at, next_ping) = (Some(now), now + PING_EVERY);
                    if let Err(why) = stream.ping(now + BOUND).await {
                        return why;
                    }
                }
            }
        }
    }

    fn take(&self, push: Push) {
        let mut near = self.near.borrow_mut();
        let event = match push {
            Push::Invalidate { index, keys } => {
                let keys = keys.iter().map(|key| String::from_utf8_lossy(key).into());
                let keys: Vec<String> = keys.collect();
                for key in &keys {
                    near.invalidate(index, key);
                }
                near.position = index;
                StreamEvent::Invalidated { index, keys }
            }
            Push::Flush(index) => {
                near.flush();
                near.position = index;
                StreamEvent::Flushed { index }
            }
            Push::UpTo(index) => {
                near.position = index;
                StreamEvent::UpTo { index }
            }
        };
        drop(near);
        self.record(event);
    }

    fn record(&self, event: StreamEvent) {
        let recorder: &Recorder = &self.context.recorder;
        recorder.record(EventKind::Stream {
            client: self.name.clone(),
            event,
        });
    }
}

/// What the future gives before the deadline; what is ready counts even then.
async fn until<T>(host: Host, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut sleep) = (pin!(future), host.sleep_until(deadline));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}
