//! Commands that are sent without waiting for answers: what a client may rely on.

use std::time::Duration;

use crate::lists::{await_blocked, wait};
use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, run};
use squall_cluster::world::World;

#[test]
fn pipelined_writes_share_entries_and_are_answered_in_order() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SET warm up"]).await;
        wire.expect("+OK").await;
        let before = cluster.nodes[0].applied_index();
        let lines: Vec<String> = (0..100).map(|n| format!("INCRBY counter {n}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        wire.send(&lines).await;
        let mut sum = 0;
        for n in 0..100 {
            sum += n;
            wire.expect(&format!(":{sum}")).await;
        }
        let entries = cluster.nodes[0].applied_index() - before;
        assert!(entries <= 20, "100 commands took {entries} entries");
    });
}

#[test]
fn a_read_sees_the_writes_before_it_and_not_those_behind_it() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[leader]).await;
        let mut lines = Vec::new();
        let mut answers = Vec::new();
        for n in 0..50 {
            lines.extend([
                format!("SET k {n:02}"),
                "GET k".into(),
                format!("SET k x{n:02}"),
            ]);
            answers.push(format!("+OK,$2,{n:02},+OK"));
        }
        // Of a lock, too, whose grant needs an entry of its own; an error in its place.
        lines.extend(["LOCK.CHECK l 1".into(), "LOCK.INFO l".into(), "GET".into()]);
        lines.push("GET k".into());
        answers.push(":0,*6,$7,holders,*0,$7,waiters,*0,$10,last-token,:0".into());
        answers.push("-ERR wrong number of arguments for 'get' command,$3,x49".into());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        wire.send(&lines).await;
        wire.expect(&answers.join(",")).await;
    });
}

#[test]
fn answers_before_a_waiting_command_do_not_wait_with_it() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut waiting = Wire::connect(&cluster.addresses[0]).await;
        waiting
            .send(&["SET k v", "QUEUE.RECEIVE q WAIT 60000", "GET k", "PING"])
            .await;
        waiting.expect("+OK").await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        other.send(&["SET k w", "QUEUE.PUBLISH q m"]).await;
        other.expect("+OK,:1").await;
        waiting.expect("*1,*4,:1,:1,:1,$1,m,$1,w,+PONG").await;
    });
}

#[test]
fn a_long_poll_ends_when_its_client_hangs_up() {
    run(async {
        let cluster = Cluster::start(1).await;
        let address = &cluster.addresses[0];
        let mut gone = Wire::connect(address).await;
        gone.send(&["PING", "QUEUE.RECEIVE q WAIT 60000"]).await;
        gone.expect("+PONG").await;
        drop(gone);
        // Long enough for the node to hear of it; were it not, the test would pass wrongly
        // only if the poll took nothing, either.
        MemoryWorld::sleep(Duration::from_millis(200)).await;
        let mut other = Wire::connect(address).await;
        other.send(&["QUEUE.PUBLISH q m", "QUEUE.RECEIVE q"]).await;
        other.expect(":1,*1,*4,:1,:1,:1,$1,m").await;
    });
}

#[test]
fn a_client_that_hangs_up_behind_much_that_it_sent_is_gone() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        other
            .send(&["SESSION.OPEN 60000", "SESSION.OPEN 60000"])
            .await;
        let holder = other.line().await.split_off(1);
        let waiter = other.line().await.split_off(1);
        other.send(&[&format!("LOCK.ACQUIRE held {holder}")]).await;
        assert!(other.line().await.starts_with(':'));
        // Several times what is read of who may begin nothing.
        let behind = "PING\r\n".repeat(50_000);
        for command in [
            "BLPOP l 0",
            "QUEUE.RECEIVE q WAIT 60000",
            &format!("LOCK.ACQUIRE held {waiter} WAIT 60000"),
        ] {
            let mut half = wait(&cluster, 0, command).await;
            half.send_bytes(behind.as_bytes()).await;
            half.end().await;
            assert_eq!(half.rest().await, "", "{command}");
            let mut whole = wait(&cluster, 0, command).await;
            whole.send_bytes(behind.as_bytes()).await;
            drop(whole);
            await_blocked(&mut other, 0).await;
        }
        other
            .send(&["RPUSH l a", "QUEUE.PUBLISH q m", "LLEN l"])
            .await;
        other.expect(":1,:1,:1").await;
        other.send(&["QUEUE.RECEIVE q"]).await;
        other.expect("*1,*4,:1,:1,:1,$1,m").await;
    });
}

#[test]
fn who_sends_too_much_behind_a_command_that_waits_is_told_so() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        let limit = 1024 * 1024;
        let mut much = wait(&cluster, 0, "BLPOP l 0").await;
        let behind = "GET k\r\n".repeat(limit / 7);
        much.send_bytes(behind.as_bytes()).await;
        other.send(&["RPUSH l a"]).await;
        other.expect(":1").await;
        much.expect("*2,$1,l,$1,a").await;
        much.skip(limit / 7 * "$-1\r\n".len()).await;
        // The next one is taken, and the others are beyond the limit.
        let mut more = wait(&cluster, 0, "BLPOP l 0").await;
        let behind = "GET k\r\n".repeat(limit / 7 + 3);
        more.send_bytes(behind.as_bytes()).await;
        let why = "-ERR Protocol error: more than 1048576 bytes behind a command that waits\r\n";
        assert_eq!(more.rest().await, why);
        await_blocked(&mut other, 0).await;
        other.send(&["RPUSH l a", "LLEN l"]).await;
        other.expect(":1,:1").await;
    });
}

#[test]
fn who_ends_only_his_own_side_is_answered() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SET k v", "LOCK.CHECK l 4", "GET k"]).await;
        wire.end().await;
        assert_eq!(wire.rest().await, "+OK\r\n:0\r\n$1\r\nv\r\n");
    });
}

#[test]
fn more_than_may_be_on_its_way_is_answered_all_the_same() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let echo = "x".repeat(4_000);
        let pair = |n: usize| format!("INCR n\r\nECHO {n}{echo}\r\n");
        // More than is begun at a time, and sent in pieces, so that neither side waits for the
        // other for ever.
        for round in 0..3 {
            let numbers = round * 1_500..(round + 1) * 1_500;
            let text: String = numbers.clone().map(pair).collect();
            let mut answers = String::new();
            for n in numbers {
                let said = format!("{n}{echo}");
                answers += &format!(":{},${},{said},", n + 1, said.len());
            }
            wire.exchange(text.as_bytes(), answers.trim_end_matches(','))
                .await;
        }
    });
}
