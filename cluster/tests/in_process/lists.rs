//! Clients that wait for lists: who is served, in which order, and what becomes of those that go.

use std::time::Duration;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, run, soon};
use squall_cluster::node::{Access, ClientOptions};
use squall_cluster::world::World;

/// A connection whose client waits; it is in line when this returns.
pub async fn wait(cluster: &Cluster, node: usize, command: &str) -> Wire {
    let mut other = Wire::connect(&cluster.addresses[node]).await;
    let before = blocked(&mut other).await;
    let mut wire = Wire::connect(&cluster.addresses[node]).await;
    wire.send(&[command]).await;
    await_blocked(&mut other, before + 1).await;
    wire
}

/// How many clients wait for others.
async fn blocked(wire: &mut Wire) -> usize {
    wire.send(&["INFO clients"]).await;
    wire.line().await;
    loop {
        let line = wire.line().await;
        if let Some(count) = line.strip_prefix("blocked_clients:") {
            wire.expect(",").await;
            return count.parse().expect("a number");
        }
    }
}

/// Waits until so many clients wait for others.
pub async fn await_blocked(wire: &mut Wire, count: usize) {
    let deadline = soon();
    loop {
        let found = blocked(wire).await;
        if found == count {
            return;
        }
        assert!(MemoryWorld::now() < deadline, "{found} wait, not {count}");
        MemoryWorld::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn who_waits_is_served_in_the_order_of_coming() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        other.send(&["LLEN l", "RPUSH warm up"]).await;
        other.expect(":0,:1").await;
        let mut first = wait(&cluster, 0, "BLPOP l m 0").await;
        let mut second = wait(&cluster, 0, "BRPOP m l 0").await;
        let mut third = wait(&cluster, 0, "BLMOVE l moved LEFT RIGHT 0").await;
        let entries = cluster.nodes[0].applied_index();
        other.send(&["RPUSH l a b c", "LLEN l"]).await;
        other.expect(":3").await;
        first.expect("*2,$1,l,$1,a").await;
        second.expect("*2,$1,l,$1,c").await;
        third.expect("$1,b").await;
        let entries = cluster.nodes[0].applied_index() - entries;
        assert!(entries <= 5, "{entries} entries for a push and three pops");
        // Who is first in line takes one of a list, and the next has to wait for the next.
        let mut first = wait(&cluster, 0, "BLPOP l 0").await;
        let mut second = wait(&cluster, 0, "BLPOP l 0").await;
        other.send(&["LPUSH l d"]).await;
        first.expect("*2,$1,l,$1,d").await;
        other.send(&["LPUSH l e"]).await;
        second.expect("*2,$1,l,$1,e").await;
    });
}

#[test]
fn a_wait_ends_when_it_was_asked_to() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let begun = MemoryWorld::now();
        wire.send(&["BLPOP l 0.3", "BLMOVE l m LEFT LEFT 0.01", "HELLO 3"])
            .await;
        wire.expect("*-1,$-1").await;
        let waited = MemoryWorld::now() - begun;
        assert!(waited >= Duration::from_millis(310), "{waited:?}");
        assert!(waited < Duration::from_secs(5), "{waited:?}");
        wire.send(&["BLPOP l 86401"]).await;
        while !wire.line().await.starts_with("-OUTOFRANGE") {}
        // As in Redis, a key of another kind is an error at once, and nothing to who waits.
        wire.send(&["SET s text", "BLPOP s l 0"]).await;
        wire.expect("+OK").await;
        assert!(wire.line().await.starts_with("-WRONGTYPE"));
        let mut waiting = wait(&cluster, 0, "BLPOP l m 0").await;
        wire.send(&["SET l text", "RPUSH m x"]).await;
        wire.expect("+OK,:1").await;
        waiting.expect("*2,$1,m,$1,x").await;
    });
}

#[test]
fn a_client_that_is_gone_takes_nothing() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        let gone = wait(&cluster, 0, "BLPOP l 0").await;
        let mut next = wait(&cluster, 0, "BLPOP l 0").await;
        drop(gone);
        await_blocked(&mut other, 1).await;
        other.send(&["RPUSH l a b"]).await;
        other.expect(":2").await;
        next.expect("*2,$1,l,$1,a").await;
        other.send(&["LRANGE l 0 -1", "DEL l"]).await;
        other.expect("*1,$1,b,:1").await;
    });
}

#[test]
fn what_was_taken_for_a_client_that_is_gone_is_put_back() {
    run(async {
        // A pop takes a round trip to another node, in which the end of the client is heard of.
        let cluster = Cluster::start(3).await;
        let leader = &cluster.addresses[cluster.leader().await];
        let mut other = Wire::connect(leader).await;
        let mut given_up = 0;
        for _ in 0..20 {
            let mut gone = Wire::connect(leader).await;
            gone.send(&["RPUSH l a b c", "BRPOP l 0"]).await;
            gone.end().await;
            let rest = gone.rest().await;
            let deadline = soon();
            match rest.as_str() {
                // It had only ended its own side, and has its value.
                ":3\r\n*2\r\n$1\r\nl\r\n$1\r\nc\r\n" => {}
                ":3\r\n" => {
                    given_up += 1;
                    // Until the pop is undone, or was never done.
                    let mut lengths = Vec::new();
                    while lengths
                        .iter()
                        .rev()
                        .take(3)
                        .filter(|it| *it == ":3")
                        .count()
                        < 3
                    {
                        other.send(&["LLEN l"]).await;
                        lengths.push(other.line().await);
                        assert!(MemoryWorld::now() < deadline, "lost: {lengths:?}");
                    }
                    other.send(&["LRANGE l 0 -1"]).await;
                    other.expect("*3,$1,a,$1,b,$1,c").await;
                }
                other => panic!("{other:?}"),
            }
            other.send(&["DEL l"]).await;
            other.expect(":1").await;
        }
        assert!(
            given_up > 0,
            "no pop was on its way when its client had gone"
        );
    });
}

#[test]
fn what_waits_does_not_wait_in_a_transaction() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&[
            "MULTI",
            "BLPOP l 0",
            "RPUSH l a b",
            "BRPOP l 0",
            "LLEN l",
            "EXEC",
        ])
        .await;
        wire.expect("+OK,+QUEUED,+QUEUED,+QUEUED,+QUEUED").await;
        wire.expect("*4,*-1,:2,*2,$1,l,$1,b,:1").await;
        // What a transaction adds and takes away again, nobody gets who waits.
        let mut waiting = wait(&cluster, 0, "BLPOP m 0").await;
        wire.send(&["MULTI", "RPUSH m x", "LPOP m", "EXEC", "RPUSH m y"])
            .await;
        wire.expect("+OK,+QUEUED,+QUEUED,*2,:1,$1,x,:1").await;
        waiting.expect("*2,$1,m,$1,y").await;
        wire.send(&["WATCH l", "MULTI", "LPOP l", "EXEC"]).await;
        wire.expect("+OK,+OK,+QUEUED,*1,$1,a").await;
        wire.send(&["RPUSH l c", "WATCH l"]).await;
        wire.expect(":1,+OK").await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        other.send(&["RPUSH l d"]).await;
        other.expect(":2").await;
        wire.send(&["MULTI", "DEL l", "EXEC", "TYPE l", "OBJECT ENCODING l"])
            .await;
        wire.expect("+OK,+QUEUED,*-1,+list,$8,listpack").await;
    });
}

#[test]
fn who_waits_at_a_leader_that_leads_no_more_is_sent_to_the_next() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let mut waiting = wait(&cluster, leader, "BLPOP l 0").await;
        let next = (leader + 1) % 3;
        let mut operator = Wire::connect(&cluster.addresses[leader]).await;
        operator
            .send(&[&format!("RAFT.TRANSFER {}", next + 1)])
            .await;
        operator.expect("+OK").await;
        // The successor may not be known yet. Either way nothing was taken.
        let answer = waiting.line().await;
        let is_known = answer.ends_with(&cluster.addresses[next]);
        let moved = answer.starts_with("-MOVED ") && is_known;
        assert!(moved || answer.starts_with("-CLUSTERDOWN"), "{answer}");
        let deadline = soon();
        while !cluster.nodes[next].is_leading() {
            assert!(MemoryWorld::now() < deadline, "the next does not lead");
            MemoryWorld::sleep(Duration::from_millis(5)).await;
        }
        let mut waiting = wait(&cluster, next, "BLPOP l 0").await;
        let mut other = Wire::connect(&cluster.addresses[next]).await;
        other.send(&["RPUSH l a"]).await;
        waiting.expect("*2,$1,l,$1,a").await;
    });
}

#[test]
fn users_take_from_the_lists_that_they_may_touch() {
    run(async {
        let users = ["worker on >pw ~job:* +@all".to_owned()];
        let options = ClientOptions {
            access: Access::new(Some("secret"), &users).expect("the rules are rules"),
            ..ClientOptions::default()
        };
        let cluster = Cluster::start_with(1, options).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["AUTH worker pw", "RPUSH job:a x", "BLPOP job:a 1"])
            .await;
        wire.expect("+OK,:1,*2,$5,job:a,$1,x").await;
        for command in [
            "BLPOP job:a other 1",
            "LMPOP 2 job:a other LEFT",
            "BLMPOP 1 1 other LEFT",
            "LMOVE job:a other LEFT LEFT",
            "LRANGE other 0 -1",
        ] {
            wire.send(&[command]).await;
            let answer = wire.line().await;
            assert!(answer.starts_with("-NOPERM"), "{command}: {answer}");
        }
    });
}

#[test]
fn a_pop_under_a_sequence_is_done_once() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SESSION.OPEN 60000"]).await;
        let session = wire.line().await.trim_start_matches(':').to_owned();
        // Whoever asks again hears of it though there is nothing any more.
        let pop = format!("ONCE {session} 1 BLPOP l 0");
        wire.send(&["RPUSH l a", &pop, &pop, "LLEN l"]).await;
        wire.expect(":1,*2,$1,l,$1,a,*2,$1,l,$1,a,:0").await;
        // What found nothing has not used up its sequence.
        let pop = format!("ONCE {session} 2 BLPOP l 0.05");
        wire.send(&[&pop, "RPUSH l b", &pop, "LLEN l"]).await;
        wire.expect("*-1,:1,*2,$1,l,$1,b,:0").await;
        wire.send(&["ONCE 999 1 BLPOP l 0"]).await;
        assert!(wire.line().await.starts_with("-NOSESSION"));
    });
}

#[test]
fn who_asks_again_while_the_first_still_waits_has_the_same_answer_in_the_end() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SESSION.OPEN 60000"]).await;
        let session = wire.line().await.trim_start_matches(':').to_owned();
        let mut first = wait(&cluster, 0, &format!("ONCE {session} 1 BLPOP l 0")).await;
        let mut again = wait(&cluster, 0, &format!("ONCE {session} 1 BLPOP l 1")).await;
        wire.send(&["RPUSH l a"]).await;
        first.expect("*2,$1,l,$1,a").await;
        again.expect("*2,$1,l,$1,a").await;
    });
}

#[test]
fn what_looks_through_a_list_or_copies_it_has_an_entry_to_itself() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["RPUSH l a b b"]).await;
        wire.expect(":3").await;
        let entries = cluster.nodes[0].applied_index();
        wire.send(&[
            "COPY l m",
            "COPY l n",
            "LREM l 1 b",
            "LREM l 1 b",
            "LINSERT l AFTER a c",
            "LINSERT l AFTER a b",
            "RPUSH l d",
            "LSET l 0 a",
            "LTRIM l 0 2",
            "LRANGE l 0 -1",
        ])
        .await;
        wire.expect(":1,:1,:1,:1,:2,:3,:4,+OK,+OK").await;
        wire.expect("*3,$1,a,$1,b,$1,c").await;
        assert_eq!(cluster.nodes[0].applied_index() - entries, 7);
    });
}

#[test]
fn replies_that_are_read_together_have_a_limit_together() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        // A list that takes 2 MiB beside its values, 40 times.
        let values = "$0\r\n\r\n".repeat(2_048);
        let push = format!("*2050\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n{values}");
        for pushes in 1..=32 {
            wire.send_bytes(push.as_bytes()).await;
            wire.expect(&format!(":{}", pushes * 2_048)).await;
        }
        let mut lines = vec!["MULTI"];
        lines.extend(["LRANGE l 0 -1"; 40]);
        lines.push("EXEC");
        wire.send(&lines).await;
        wire.end().await;
        let answers = wire.rest().await;
        assert_eq!(answers.matches("*65536\r\n").count(), 32);
        assert_eq!(
            answers.lines().filter(|line| line.starts_with('-')).count(),
            8
        );
    });
}

#[test]
fn what_cannot_be_watched_does_not_look_as_if_it_were() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let value = "x".repeat(8 << 20);
        let set = format!(
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n",
            value.len()
        );
        wire.send_bytes(set.as_bytes()).await;
        wire.expect("+OK").await;
        for copy in 1..=8 {
            wire.send(&[&format!("COPY k k{copy}")]).await;
            wire.expect(":1").await;
        }
        wire.send(&["WATCH k k1 k2 k3 k4 k5 k6 k7 k8"]).await;
        let answer = wire.line().await;
        assert!(answer.starts_with('-'), "{answer}");
    });
}
