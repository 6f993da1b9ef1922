//! The library's client against nodes in the same process, over real sockets.
//!
//! Here are the promises that a Redis client cannot show well: exactly-once under retry, late
//! answers, and the read modes. Everything runs on one thread, as in a simulation, but in
//! real time: waits are bounded, and nothing depends on how long something takes.

use std::time::Duration;

use bytes::Bytes;
use squall_cluster::client::{CallError, Client, Tracking};
use squall_cluster::protocol::{Push, ReadMode};
use squall_cluster::state::command::{
    CacheCommand, Command, LockCommand, LockMode, NewMessage, Once, Query, QueueCommand,
    QueueSettings, Refusal, Reply, SessionCommand, SessionId, SetCondition, Token,
};
use squall_cluster::world::{World, timeout_at};

use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, run, soon};

async fn write(client: &mut Client<MemoryWorld>, command: Command) -> Reply {
    let reply = client.write(None, &command, 0, soon()).await;
    reply.expect("a cluster without faults answers")
}

async fn write_once(
    client: &mut Client<MemoryWorld>,
    once: Once,
    command: &Command,
) -> Result<Reply, CallError> {
    client.write(Some(once), command, 0, soon()).await
}

async fn open_session(client: &mut Client<MemoryWorld>) -> SessionId {
    let open = Command::Session(SessionCommand::Open { ttl_ms: 60_000 });
    match write(client, open).await {
        Reply::SessionOpened { session, .. } => session,
        other => panic!("expected a session: {other:?}"),
    }
}

fn key() -> Bytes {
    Bytes::from_static(b"counter")
}

fn increment() -> Command {
    Command::Cache(CacheCommand::Increment { key: key(), by: 1 })
}

fn set(value: &str) -> Command {
    Command::Cache(CacheCommand::Set {
        key: key(),
        value: value.to_owned().into(),
        ttl_ms: None,
        keep_ttl: false,
        condition: SetCondition::Always,
    })
}

fn acquire(session: SessionId, wait_ms: u64) -> Command {
    Command::Lock(LockCommand::Acquire {
        name: "printer".into(),
        session,
        mode: LockMode::Exclusive,
        wait_ms,
        wait_die: false,
    })
}

fn release(session: SessionId, token: Token) -> Command {
    Command::Lock(LockCommand::Release {
        name: "printer".into(),
        session,
        token,
    })
}

fn token(reply: Reply) -> Token {
    match reply {
        Reply::Granted { token } => token,
        other => panic!("expected the lock: {other:?}"),
    }
}

#[test]
fn a_request_that_is_repeated_is_executed_once_even_by_another_leader() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let mut client = cluster.client(leader);
        let session = open_session(&mut client).await;
        let once = |sequence| Once { session, sequence };

        let first = write_once(&mut client, once(1), &increment()).await;
        let repeated = write_once(&mut client, once(1), &increment()).await;
        assert_eq!(first, repeated);
        let second = write_once(&mut client, once(2), &increment()).await;
        let Ok(Reply::Integer { value: 2, .. }) = second else {
            panic!("the repeat must not count: {second:?}");
        };
        let stale = write_once(&mut client, once(1), &increment()).await;
        let refusal = Refusal::StaleSequence { last: 2 };
        assert_eq!(stale, Err(CallError::Refused(refusal)));

        cluster.nodes[leader].stop("the test asks for it").await;
        let new_leader = cluster.leader().await;
        assert_ne!(leader, new_leader);
        let repeated = write_once(&mut client, once(2), &increment()).await;
        assert_eq!(second, repeated, "the session's record is replicated");
        let third = write_once(&mut client, once(3), &increment()).await;
        assert!(
            matches!(third, Ok(Reply::Integer { value: 3, .. })),
            "{third:?}"
        );
    });
}

#[test]
fn a_sequence_that_another_command_had_is_refused_even_by_another_leader() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[leader]).await;
        wire.send(&["RPUSH list a b", "SESSION.OPEN 60000"]).await;
        wire.expect(":2").await;
        let session = wire.line().await.split_off(1);
        let once = |sequence: u64, command: &str| format!("ONCE {session} {sequence} {command}");
        wire.send(&[&once(1, "INCR n"), &once(1, "INCR n")]).await;
        wire.expect(":1,:1").await;
        let reused = "-ERR this sequence of the session was used for another command; a new \
                      command has a larger one";
        let others = ["INCR m", "QUEUE.PUBLISH q m", "BLPOP list 1", "LPOP list"];
        for other in others {
            wire.send(&[&once(1, other)]).await;
            wire.expect(reused).await;
        }
        // One that waits is told of its own record, and no other of it.
        wire.send(&[&once(2, "BLPOP list 1"), &once(2, "BLPOP list 1")])
            .await;
        wire.expect("*2,$4,list,$1,a,*2,$4,list,$1,a").await;
        wire.send(&[&once(2, "BLMOVE list to LEFT LEFT 1"), &once(3, "INCR n")])
            .await;
        wire.expect(&format!("{reused},:2")).await;

        cluster.nodes[leader].stop("the test asks for it").await;
        let mut wire = Wire::connect(&cluster.addresses[cluster.leader().await]).await;
        for other in others {
            wire.send(&[&once(3, other)]).await;
            wire.expect(reused).await;
        }
        wire.send(&[&once(3, "INCR n"), "LRANGE list 0 -1"]).await;
        wire.expect(":2,*1,$1,b").await;
    });
}

#[test]
fn a_waiting_acquire_is_granted_on_release() {
    run(async {
        let cluster = Cluster::start(3).await;
        let (mut holder, mut waiter) = (cluster.client(0), cluster.client(1));
        let first = open_session(&mut holder).await;
        let second = open_session(&mut waiter).await;
        let held = token(write(&mut holder, acquire(first, 0)).await);
        assert_eq!(
            write(&mut waiter, acquire(second, 0)).await,
            Reply::NotGranted
        );

        let query = Query::Lock {
            name: "printer".into(),
        };
        let hand_over = async {
            let deadline = soon();
            loop {
                match holder.read(None, &query, deadline).await {
                    Ok(Reply::LockInfo(info)) if info.waiters == [second] => break,
                    Ok(Reply::LockInfo(_)) => MemoryWorld::sleep(Duration::from_millis(5)).await,
                    other => panic!("expected the lock's state: {other:?}"),
                }
            }
            write(&mut holder, release(first, held)).await
        };
        let wait = write(&mut waiter, acquire(second, 15_000));
        let (released, granted) = tokio::join!(hand_over, wait);
        assert_eq!(released, Reply::Released);
        assert!(token(granted) > held);
    });
}

#[test]
fn a_wait_that_ends_without_the_lock_says_so() {
    run(async {
        let cluster = Cluster::start(1).await;
        let (mut holder, mut waiter) = (cluster.client(0), cluster.client(0));
        let first = open_session(&mut holder).await;
        let second = open_session(&mut waiter).await;
        token(write(&mut holder, acquire(first, 0)).await);
        let reply = write(&mut waiter, acquire(second, 100)).await;
        assert_eq!(reply, Reply::NotGranted);
    });
}

/// The hard case is a release that is applied in the same batch of entries as the request to
/// wait: it answers a client whose task has not run again. Two clients in turn meet it often,
/// since one asks again just when the other releases.
#[test]
fn no_wake_up_is_lost_when_clients_take_turns() {
    const CLIENTS: usize = 2;
    const ROUNDS: usize = 200;
    run(async {
        let cluster = Cluster::start(1).await;
        let fight = (0..CLIENTS).map(|_| async {
            let mut client = cluster.client(0);
            let session = open_session(&mut client).await;
            let mut tokens = Vec::new();
            for _ in 0..ROUNDS {
                let granted = token(write(&mut client, acquire(session, 15_000)).await);
                tokens.push(granted);
                let released = write(&mut client, release(session, granted)).await;
                assert_eq!(released, Reply::Released);
            }
            tokens
        });
        let mut tokens = futures_util::future::join_all(fight).await.concat();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), CLIENTS * ROUNDS, "a token is granted once");
    });
}

#[test]
fn a_long_poll_is_woken_by_a_publish() {
    run(async {
        let cluster = Cluster::start(3).await;
        let (mut producer, mut consumer) = (cluster.client(0), cluster.client(1));
        let queue = || "mail".to_owned();
        let create = Command::Queue(QueueCommand::Configure {
            queue: queue(),
            settings: QueueSettings::default(),
        });
        assert_eq!(write(&mut producer, create).await, Reply::Done);
        let receive = Command::Queue(QueueCommand::Receive {
            queue: queue(),
            count: 1,
            visibility_ms: None,
        });
        let publish = Command::Queue(QueueCommand::Publish {
            queue: queue(),
            messages: vec![NewMessage {
                payload: Bytes::from_static(b"letter"),
                delay_ms: 0,
                priority: 0,
                group: None,
                dedup: None,
            }],
        });

        let empty = consumer.write(None, &receive, 50, soon()).await;
        assert_eq!(empty, Ok(Reply::Messages(vec![])), "nothing came in time");

        let begun = MemoryWorld::now();
        let poll = consumer.write(None, &receive, 15_000, soon());
        let later = async {
            // Long enough for the poll to be waiting; if it is not, the test is only easier.
            MemoryWorld::sleep(Duration::from_millis(200)).await;
            write(&mut producer, publish).await
        };
        let (received, published) = tokio::join!(poll, later);
        assert!(
            matches!(published, Reply::Published { .. }),
            "{published:?}"
        );
        let Ok(Reply::Messages(messages)) = received else {
            panic!("expected a message: {received:?}");
        };
        assert_eq!(messages.len(), 1);
        assert_eq!(&messages[0].payload[..], b"letter");
        let took = MemoryWorld::now() - begun;
        assert!(
            took < Duration::from_secs(10),
            "woken, not timed out: {took:?}"
        );
    });
}

#[test]
fn every_read_mode_answers_where_it_should() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let follower = (leader + 1) % 3;
        let mut client = cluster.client(leader);
        let query = Query::Get { keys: vec![key()] };
        let value = |reply: Result<Reply, CallError>| match reply {
            Ok(Reply::Values(values)) => values
                .into_iter()
                .flatten()
                .next()
                .map(|found| String::from_utf8_lossy(&found.value).into_owned()),
            other => panic!("expected a value: {other:?}"),
        };

        for round in 0..20 {
            let written = round.to_string();
            write(&mut client, set(&written)).await;
            for mode in [ReadMode::Linearizable, ReadMode::Lease] {
                // Asked of a follower, the client is sent on to the leader.
                for first in [leader, follower] {
                    let read = cluster.client(first).read(Some(mode), &query, soon()).await;
                    assert_eq!(value(read), Some(written.clone()), "{mode:?}");
                }
            }
            // A bound of nothing makes the follower ask the leader where it stands.
            let fresh = Some(ReadMode::Stale { bound_ms: 0 });
            let mut stale = cluster.client_of(follower);
            assert_eq!(
                value(stale.read(fresh, &query, soon()).await),
                Some(written)
            );
        }

        let deadline = soon();
        let mut local = cluster.client_of(follower);
        while value(local.read(Some(ReadMode::Local), &query, deadline).await).as_deref()
            != Some("19")
        {
            assert!(
                MemoryWorld::now() < deadline,
                "the follower never catches up"
            );
            MemoryWorld::sleep(Duration::from_millis(10)).await;
        }
        let mut linearizable = cluster.client_of(follower);
        let read = linearizable
            .read(Some(ReadMode::Linearizable), &query, soon())
            .await;
        assert_eq!(
            value(read),
            Some("19".into()),
            "redirected to a new address"
        );
    });
}

#[test]
fn an_ended_node_says_why_and_a_stopped_one_that_it_stopped() {
    run(async {
        let cluster = Cluster::start(1).await;
        let node = cluster.nodes[0].clone();
        let stop = async {
            MemoryWorld::sleep(Duration::from_millis(20)).await;
            node.stop("the test asks for it").await;
        };
        let (why, ()) = tokio::join!(node.ended(), stop);
        assert_eq!(why, "stopped");
        assert!(node.is_stopping());
        // Asking late gets the same answer.
        assert_eq!(node.ended().await, "stopped");
        let deadline = MemoryWorld::now() + Duration::from_millis(100);
        let mut client = cluster.client(0);
        let refused = client.write(None, &increment(), 0, deadline).await;
        assert!(
            matches!(refused, Err(CallError::Definite(_))),
            "{refused:?}"
        );
    });
}

/// The next messages of a stream, up to and including the next `upto`.
async fn until_up_to(stream: &mut Tracking<MemoryWorld>) -> (Vec<Push>, u64) {
    let mut pushes = Vec::new();
    loop {
        let next = timeout_at::<MemoryWorld, _>(soon(), stream.next()).await;
        match next.expect("in time").expect("the stream goes on") {
            Push::UpTo(index) => return (pushes, index),
            push => pushes.push(push),
        }
    }
}

#[test]
fn a_stream_of_invalidations_is_resumed_exactly() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        // Another node says where the stream is to be had.
        let mut client = cluster.client((leader + 1) % 3);
        let mut stream = loop {
            match client.track(0, soon()).await {
                Ok(stream) => break stream,
                Err(CallError::Definite(_)) => {}
                Err(e) => panic!("not refused, but redirected: {e}"),
            }
        };
        let (pushes, start) = until_up_to(&mut stream).await;
        assert_eq!(pushes, [], "from now on");

        let mut writer = cluster.client(leader);
        let mut indexes = Vec::new();
        for value in ["a", "b"] {
            match write(&mut writer, set(value)).await {
                Reply::Stored { version } => indexes.push(version.expect("stored")),
                other => panic!("expected a version: {other:?}"),
            }
        }
        stream.ping(soon()).await.expect("the stream is open");
        let (pushes, _) = until_up_to(&mut stream).await;
        let of = |index: &u64| Push::Invalidate {
            index: *index,
            keys: vec![key()],
        };
        assert_eq!(pushes, indexes.iter().map(of).collect::<Vec<_>>());
        drop(stream);

        let mut client = cluster.client(leader);
        let mut resumed = client.track(indexes[0], soon()).await.expect("it leads");
        assert_eq!(until_up_to(&mut resumed).await.0, [of(&indexes[1])]);
        let mut again = client.track(start, soon()).await.expect("it leads");
        assert_eq!(until_up_to(&mut again).await.0.len(), 2);

        // What no node has applied cannot be where anybody was.
        let mut lost = client.track(u64::MAX >> 1, soon()).await.expect("it leads");
        let (pushes, index) = until_up_to(&mut lost).await;
        assert_eq!(pushes, [Push::Flush(index)]);
    });
}
