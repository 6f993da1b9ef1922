//! Clients that wait at a real node: how long, for what, and what the wait costs.

#![allow(clippy::disallowed_methods)] // real processes, waited for in real time

mod ports;
mod processes;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use processes::{Cluster, Raw, ask};

fn number(answer: &[String]) -> u64 {
    let digits = answer[0].trim_start_matches(':');
    digits.parse().expect("an integer reply")
}

fn applied(cluster: &Cluster) -> u64 {
    let applied = cluster.status(1, "applied").expect("the node answers");
    applied.parse().expect("an index")
}

/// A connection that has sent the command and reads no answer yet.
fn begin(port: u16, line: &str) -> Raw {
    let mut raw = Raw::connect(port);
    raw.send(format!("{line}\r\n").as_bytes());
    raw
}

/// The payload of the one message that a receive is answered with.
fn payload(consumer: &mut Raw) -> String {
    let reply: Vec<String> = (0..7).map(|_| consumer.line()).collect();
    assert_eq!(reply[..2], ["*1", "*4"], "{reply:?}");
    reply[6].clone()
}

#[test]
fn a_second_wait_for_a_lock_ends_when_it_was_asked_to() {
    let cluster = Cluster::start(1);
    let port = cluster.port(1);
    let [holder, waiter] = [1, 2].map(|_| number(&ask(port, "SESSION.OPEN 60000")));
    ask(port, &format!("LOCK.ACQUIRE l {holder}"));
    let _first = begin(port, &format!("LOCK.ACQUIRE l {waiter} WAIT 60000"));
    let begun = Instant::now();
    let mut second = begin(port, &format!("LOCK.ACQUIRE l {waiter} WAIT 300"));
    assert_eq!(second.line(), "$-1");
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}

#[test]
fn a_receive_waits_a_day_at_most() {
    let cluster = Cluster::start(1);
    for wait in ["86400001", "18446744073709551615"] {
        let answer = ask(cluster.port(1), &format!("QUEUE.RECEIVE q WAIT {wait}"));
        assert!(answer[0].starts_with("-OUTOFRANGE"), "{wait}: {answer:?}");
    }
}

#[test]
fn a_herd_of_consumers_costs_no_more_entries_than_it_gets_messages() {
    const CONSUMERS: u64 = 20;
    let cluster = Cluster::start(1);
    let port = cluster.port(1);
    ask(port, "QUEUE.CREATE idle");
    let mut herd: Vec<Raw> = (0..CONSUMERS)
        .map(|_| begin(port, "QUEUE.RECEIVE idle WAIT 60000"))
        .collect();
    // Each has looked once when the last one has.
    let begun = Instant::now();
    let mut before = applied(&cluster);
    while begun.elapsed() < Duration::from_secs(1) {
        before = applied(&cluster);
    }
    for n in 0..50 {
        ask(port, &format!("QUEUE.PUBLISH busy letter-{n}"));
    }
    let after = applied(&cluster);
    // Log time is committed now and then.
    assert!(after - before <= 50 + 5, "{} entries", after - before);

    for n in 0..CONSUMERS {
        ask(port, &format!("QUEUE.PUBLISH idle letter-{n}"));
    }
    // Who came first among them is not known: each has a connection of its own.
    let got: BTreeSet<String> = herd.iter_mut().map(payload).collect();
    let sent = (0..CONSUMERS).map(|n| format!("letter-{n}")).collect();
    assert_eq!(got, sent);
    let cost = applied(&cluster) - after;
    assert!(cost <= 3 * CONSUMERS, "{cost} entries");
}

#[test]
fn messages_of_one_batch_wake_as_many_consumers() {
    let cluster = Cluster::start(1);
    let port = cluster.port(1);
    let mut herd: Vec<Raw> = (0..3)
        .map(|_| begin(port, "QUEUE.RECEIVE q WAIT 60000"))
        .collect();
    let begun = Instant::now();
    while applied(&cluster) < 5 && begun.elapsed() < Duration::from_secs(1) {}
    let mut publisher = begin(port, "QUEUE.PUBLISHBATCH q a b c");
    assert_eq!(publisher.line(), "*3");
    let mut letters: Vec<String> = herd.iter_mut().map(payload).collect();
    letters.sort();
    assert_eq!(letters, ["a", "b", "c"]);
}
