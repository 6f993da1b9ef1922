//! etcd.

use squall_history::{Action, Found, Outcome};
use squall_systems::Role;

use crate::servers::*;

#[test]
fn one_member_has_registers_and_locks() {
    with_servers(shipped("etcd"), 1, |servers| async move {
        registers_work(&servers).await;
        locks_work(&servers).await;
        tokens_fence(&servers).await;
        several_keys_are_read_at_once(&servers).await;
    });
}

async fn tokens_fence(servers: &Servers) {
    let mut client = servers.client(0);
    let session = client.open(30_000).await;
    let check = |token| Action::Check {
        name: "f".into(),
        token,
    };
    let old = client.acquire("f", session, 0).await.expect("it is free");
    assert_eq!(
        client.ask(check(old)).await,
        Outcome::Checked { accepted: true }
    );
    client.ask(release("f", session, old)).await;
    let new = client.acquire("f", session, 0).await.expect("it is free");
    assert!(new > old);
    assert_eq!(
        client.ask(check(old)).await,
        Outcome::Checked { accepted: false }
    );
    // Who asks again has it already.
    assert_eq!(client.acquire("f", session, 0).await, Some(new));
    let gone = Action::KeepAlive { session: 77 };
    assert_eq!(client.ask(gone).await, Outcome::NotHeld);
    assert_eq!(client.ask(acquire("g", 77, 0)).await, Outcome::NotHeld);
}

async fn several_keys_are_read_at_once(servers: &Servers) {
    let mut client = servers.client(0);
    let Outcome::Stored { version } = client.ask(set("x", "1")).await else {
        panic!("it was stored");
    };
    let keys = vec!["x".to_owned(), "never".to_owned()];
    let values = vec![
        Found {
            value: Some("1".into()),
            version,
        },
        Found {
            value: None,
            version: 0,
        },
    ];
    assert_eq!(
        client.ask(Action::GetMany { keys }).await,
        Outcome::Values { values }
    );
    let deleted = client.ask(Action::Delete { key: "x".into() }).await;
    assert_eq!(deleted, Outcome::Stored { version: 0 });
}

#[test]
fn three_members_survive_their_leader_and_say_who_leads() {
    with_servers(shipped("etcd"), 3, |mut servers| async move {
        let before = servers.until("one leads", |all| leaders(all) == 1).await;
        let leader = servers.leader().await;
        let term = before[leader]
            .and_then(|status| status.term)
            .expect("Raft has terms");
        assert!(before[leader].and_then(|status| status.applied) > Some(0));

        let mut client = servers.client(leader);
        assert!(client.insist(set("k", "a")).await.is_acknowledged());
        servers.kill(leader).await;
        // The connection breaks, and the next member is asked.
        client.insist(set("k", "b")).await;
        let Outcome::Value { value, .. } = client.insist(get("k")).await else {
            panic!("it was read");
        };
        assert_eq!(value.as_deref(), Some("b"));
        let after = servers.leader().await;
        let status = servers.statuses().await[after].expect("it answers");
        assert_eq!(status.role, Role::Leader);
        assert!(status.term > Some(term), "{status:?}");

        // Without a majority nothing is certain, and nothing is claimed.
        servers.kill(after).await;
        let outcome = client.ask_within(set("k", "c"), 1_500).await;
        assert!(!outcome.is_acknowledged(), "{outcome:?}");
    });
}
