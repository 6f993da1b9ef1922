//! Redis: alone, with Sentinel, and as a cluster.

use std::path::Path;
use std::time::Duration;

use squall_history::Outcome;
use squall_systems::SystemFile;
use squall_world::{RealWorld, World};

use crate::queues::*;
use crate::servers::*;

#[test]
fn one_server_has_registers_locks_and_queues() {
    with_servers(shipped("redis"), 1, |servers| async move {
        registers_work(&servers).await;
        locks_work(&servers).await;
        queues_work(&servers, true).await;
    });
}

#[test]
fn a_list_hands_a_message_out_at_most_once() {
    let text = squall_systems::shipped::text("redis").expect("it ships");
    let text = text.replace("kind = \"stream\"", "kind = \"list\"");
    let text = text.replace("at-least-once", "at-most-once");
    let system = SystemFile::parse(&text, "redis.toml", Path::new(".")).expect("a system");
    with_servers(system, 1, |servers| async move {
        let mut client = servers.client(0);
        client.ask(publish("q", "a")).await;
        assert_eq!(client.ask(depth("q")).await, holds(1, 0));
        let got = received(&mut client, receive("q", 1, 0)).await;
        assert_eq!((got.len(), got[0].value.as_str()), (1, "a"));
        assert_eq!(
            client.ask(ack("q", &got[0])).await,
            Outcome::Settled { valid: true }
        );
        assert!(received(&mut client, receive("q", 1, 100)).await.is_empty());
        client.ask(publish("q", "b")).await;
        assert_eq!(received(&mut client, receive("q", 1, 1_000)).await.len(), 1);
    });
}

#[test]
fn a_server_that_is_stopped_leaves_it_unknown_and_one_that_is_gone_does_not() {
    with_servers(shipped("redis"), 1, |mut servers| async move {
        let mut client = servers.client(0);
        client.insist(set("k", "a")).await;
        servers.signal(0, "-STOP").await;
        let outcome = client.ask_within(set("k", "b"), 300).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        servers.signal(0, "-CONT").await;
        // What was unknown had reached the server, which did it when it could.
        servers.until("it is back", |all| all[0].is_some()).await;
        let mut seen = client.insist(get("k")).await;
        let limit = RealWorld::now() + Duration::from_secs(5);
        while !matches!(&seen, Outcome::Value { value: Some(v), .. } if v == "b") {
            assert!(RealWorld::now() < limit, "{seen:?}");
            seen = client.insist(get("k")).await;
        }
        servers.kill(0).await;
        let mut fresh = servers.client(1);
        let outcome = fresh.ask_within(set("k", "c"), 300).await;
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        // Every write was synced before it was answered.
        servers.start_node(0);
        let Outcome::Value { value, .. } = client.insist(get("k")).await else {
            panic!("it was read");
        };
        assert_eq!(value.as_deref(), Some("b"));
    });
}

#[test]
fn sentinels_say_who_is_the_master_before_and_after_a_failover() {
    with_servers(shipped("redis-sentinel"), 3, |mut servers| async move {
        let known = |all: &[Option<squall_systems::Status>]| {
            leaders(all) == 1
                && all
                    .iter()
                    .all(|status| status.is_some_and(|s| s.term.is_some()))
        };
        let before = servers.until("Sentinels know the master", known).await;
        let master = servers.leader().await;
        let term = before[master].and_then(|status| status.term);
        let mut client = servers.client(0);
        client.insist(set("k", "a")).await;
        // Sentinels must have heard of replicas and of each other, or there is nobody to vote.
        let replicas = format!("{}:26379", servers.members[1].ip);
        until_known(&replicas, "num-slaves", 2).await;
        until_known(&replicas, "num-other-sentinels", 2).await;

        servers.kill(master).await;
        client.insist(set("k", "b")).await;
        let now = servers.leader().await;
        assert_ne!(now, master);
        let risen = |all: &[Option<squall_systems::Status>]| {
            all[now].is_some_and(|status| status.term > term)
        };
        servers.until("the epoch has risen", risen).await;
        let Outcome::Value { value, .. } = client.insist(get("k")).await else {
            panic!("it was read");
        };
        assert_eq!(value.as_deref(), Some("b"));
    });
}

/// Waits until a Sentinel counts so many.
async fn until_known(sentinel: &str, field: &str, count: u64) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let limit = RealWorld::now() + Duration::from_secs(30);
    loop {
        let mut stream = RealWorld::connect(sentinel).await.expect("it listens");
        stream
            .write_all(b"SENTINEL master squall\r\n")
            .await
            .expect("it listens");
        // The last of its fields.
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains("parallel-syncs\r\n$1\r\n1") {
            let count = stream.read_buf(&mut answer).await.expect("it answers");
            assert_ne!(count, 0, "it answers to the end");
        }
        let answer = String::from_utf8_lossy(&answer);
        let mut words = answer.lines().skip_while(|line| *line != field).skip(2);
        let known = words.next().and_then(|number| number.parse::<u64>().ok());
        if known >= Some(count) {
            return;
        }
        assert!(RealWorld::now() < limit, "{field}: {known:?}");
        RealWorld::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_cluster_sends_each_key_to_its_master() {
    with_servers(shipped("redis-cluster"), 6, |servers| async move {
        // Of three masters, the one that has the first slot.
        let is_one = |all: &[Option<squall_systems::Status>]| {
            let mut statuses = all.iter().flatten();
            leaders(all) == 1 && statuses.all(|status| status.applied.is_none())
        };
        servers.until("one leads", is_one).await;
        let mut client = servers.client(0);
        for number in 0..30 {
            client
                .insist(set(&format!("k{number}"), &format!("v{number}")))
                .await;
        }
        let mut other = servers.client(3);
        for number in 0..30 {
            let Outcome::Value { value, .. } = other.ask(get(&format!("k{number}"))).await else {
                panic!("it was read");
            };
            assert_eq!(value, Some(format!("v{number}")));
        }
        registers_work(&servers).await;
        queues_work(&servers, true).await;
    });
}
