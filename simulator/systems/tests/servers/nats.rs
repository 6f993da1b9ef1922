//! NATS JetStream.

use std::path::Path;
use std::time::Duration;

use squall_history::{Action, Outcome};
use squall_systems::SystemFile;
use squall_world::{RealWorld, World};

use crate::queues::*;
use crate::servers::*;

#[test]
fn three_servers_have_registers_and_queues() {
    with_servers(shipped("nats-jetstream"), 3, |servers| async move {
        registers_work(&servers).await;
        a_deleted_key_is_created_again(&servers).await;
        queues_work(&servers, false).await;
        what_is_given_back_comes_again(&servers).await;
    });
}

async fn a_deleted_key_is_created_again(servers: &Servers) {
    let mut client = servers.client(2);
    let Outcome::Stored { version: first } = client.ask(set("d", "a")).await else {
        panic!("it was stored");
    };
    let deleted = client.ask(Action::Delete { key: "d".into() }).await;
    assert_eq!(deleted, Outcome::Stored { version: 0 });
    let absent = Outcome::Value {
        value: None,
        version: 0,
    };
    assert_eq!(client.ask(get("d")).await, absent);
    assert_eq!(client.ask(set_if("d", first, "b")).await, Outcome::Mismatch);
    let Outcome::Stored { version } = client.ask(set_if("d", 0, "c")).await else {
        panic!("it is not there");
    };
    assert!(version > first);
    assert_eq!(client.ask(set_if("d", 0, "e")).await, Outcome::Mismatch);
}

async fn what_is_given_back_comes_again(servers: &Servers) {
    let mut client = servers.client(0);
    client.insist(publish("n", "a")).await;
    let got = received(&mut client, receive("n", 600_000, 500)).await;
    let nack = Action::Nack {
        queue: "n".into(),
        receipt: got[0].receipt,
        value: got[0].value.clone(),
        delay_ms: 300,
    };
    let settled = Outcome::Settled { valid: true };
    let began = RealWorld::now();
    assert_eq!(client.ask(nack).await, settled);
    let again = received(&mut client, receive("n", 600_000, 700)).await;
    assert_eq!((again.len(), again[0].deliveries), (1, 2));
    assert!(RealWorld::now() - began > Duration::from_millis(250));
    assert_eq!(client.ask(ack("n", &again[0])).await, settled);
    until_holds(&mut client, "n", holds(0, 0)).await;
}

#[test]
fn direct_gets_are_answered_by_any_replica() {
    let text = squall_systems::shipped::text("nats-jetstream").expect("it ships");
    let text = text.replace("reads = \"primary\"", "reads = \"any\"");
    let system = SystemFile::parse(&text, "nats.toml", Path::new(".")).expect("a system");
    with_servers(system, 3, |servers| async move {
        let mut client = servers.client(0);
        let absent = Outcome::Value {
            value: None,
            version: 0,
        };
        assert_eq!(client.ask(get("k")).await, absent);
        let Outcome::Stored { version } = client.insist(set("k", "a")).await else {
            panic!("it was stored");
        };
        // A replica may not have it yet.
        let value = Some("a".to_owned());
        let stored = Outcome::Value { value, version };
        let limit = RealWorld::now() + Duration::from_secs(5);
        while client.ask(get("k")).await != stored {
            assert!(RealWorld::now() < limit, "no replica has it");
        }
    });
}

#[test]
fn the_leader_of_the_bucket_leads_and_what_it_does_not_answer_is_unknown() {
    with_servers(shipped("nats-jetstream"), 3, |mut servers| async move {
        let one = |all: &[Option<squall_systems::Status>]| {
            let mut known = all.iter().flatten();
            leaders(all) == 1 && known.all(|status| status.term.is_none())
        };
        servers.until("one leads", one).await;
        let leader = servers.leader().await;
        // By way of another server than the leader.
        let mut client = servers.client(leader + 1);
        client.insist(set("k", "a")).await;
        servers.signal(leader, "-STOP").await;
        let outcome = client.ask_within(set("k", "b"), 500).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        servers.signal(leader, "-CONT").await;
        servers
            .until("all are back", |all| {
                all.iter().all(Option::is_some) && leaders(all) == 1
            })
            .await;

        let leader = servers.leader().await;
        let mut client = servers.client(leader + 1);
        client.insist(set("k", "c")).await;
        servers.kill(leader).await;
        // Nobody is there to take it, as soon as the others have seen that.
        let limit = RealWorld::now() + Duration::from_secs(3);
        let mut outcome = client.ask_within(set("k", "d"), 100).await;
        while !matches!(outcome, Outcome::Failed { .. }) {
            assert!(RealWorld::now() < limit, "{outcome:?}");
            outcome = client.ask_within(set("k", "d"), 100).await;
        }
        client.insist(set("k", "e")).await;
        assert_ne!(servers.leader().await, leader);
        let Outcome::Value { value, .. } = client.insist(get("k")).await else {
            panic!("it was read");
        };
        assert_eq!(value.as_deref(), Some("e"));
    });
}
