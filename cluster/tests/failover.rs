//! Ends the leader of real processes, and tests what their clients see.

#![allow(clippy::disallowed_methods)] // real processes, waited for in real time

mod ports;
mod processes;

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use processes::{Cluster, Raw, ask, eventually};

/// Election timeouts that no test waits for.
const TIMERS: [&str; 4] = ["--election-min", "20s", "--election-max", "40s"];
/// Far less, and more than a loaded machine needs.
const SOON: Duration = Duration::from_secs(10);

/// The node that serves a write sent to it.
fn serving(cluster: &Cluster, among: &[usize]) -> usize {
    eventually("a node serves", || {
        let serves = |id: &&usize| ask(cluster.port(**id), "SET key value") == ["+OK"];
        among.iter().find(serves).copied().ok_or("none".to_owned())
    })
}

#[test]
fn a_killed_leader_is_followed_long_before_an_election_timeout() {
    let mut cluster = Cluster::start_with(3, &TIMERS);
    let leader = serving(&cluster, &[1, 2, 3]);
    let others: Vec<usize> = (1..=3).filter(|id| *id != leader).collect();
    // Until all members have said that they know promises, openraft's own lease stands.
    for id in &others {
        eventually("the rules of this release", || {
            let status = ask(cluster.port(*id), "RAFT.STATUS");
            let has_them = status.iter().any(|line| line == "level:1");
            has_them.then_some(()).ok_or(status.join(" "))
        });
    }
    // And it ends with the next call of the leader, which comes with every heartbeat.
    thread::sleep(Duration::from_millis(500));
    cluster.kill(leader);
    let killed = Instant::now();
    serving(&cluster, &others);
    assert!(killed.elapsed() < SOON, "{:?}", killed.elapsed());
    // Nobody is sent to the dead node meanwhile or afterwards.
    let dead = cluster.port(leader).to_string();
    for id in others {
        let answer = ask(cluster.port(id), "GET key").concat();
        assert!(!answer.contains(&dead), "{answer}");
    }
    cluster.start_node(leader);
    eventually("it follows", || {
        let answer = ask(cluster.port(leader), "GET key").concat();
        answer.contains("MOVED").then_some(()).ok_or(answer)
    });
}

#[test]
fn a_leader_that_stops_answers_every_write_and_names_its_successor() {
    let mut cluster = Cluster::start_with(3, &[]);
    let leader = serving(&cluster, &[1, 2, 3]);
    let port = cluster.port(leader);
    let begun = Arc::new(Barrier::new(9));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let begun = begun.clone();
            thread::spawn(move || {
                let mut node = Raw::connect(port);
                let mut write = || {
                    node.send(b"INCR count\r\n");
                    node.line()
                };
                let first = write();
                begun.wait();
                let not_served = |answer: &String| !answer.starts_with(':');
                let answers = std::iter::once(first).chain(std::iter::repeat_with(write));
                answers.into_iter().find(not_served)
            })
        })
        .collect();
    begun.wait();
    cluster.stop(leader);
    for writer in writers {
        let last = writer.join().expect("every write is answered");
        let last = last.expect("the leader has stopped");
        assert!(last.starts_with("-MOVED"), "{last}");
    }
}
