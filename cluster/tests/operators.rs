//! Operators' work on a cluster of real processes, mistakes included.

#![allow(clippy::disallowed_methods)] // real processes, waited for in real time

mod ports;
mod processes;

use std::time::{Duration, Instant};

use processes::{Cluster, Raw, ask, eventually};

/// The line of the node's `RAFT.STATUS` that begins with `start`.
fn status_line(port: u16, start: &str) -> Option<String> {
    let lines = ask(port, "RAFT.STATUS");
    lines.into_iter().find(|line| line.starts_with(start))
}

#[test]
fn a_transfer_to_the_leader_itself_is_done_at_once_and_changes_nothing() {
    let cluster = Cluster::start(1);
    let port = cluster.port(1);
    let term = status_line(port, "term:");
    assert_eq!(ask(port, "RAFT.TRANSFER 1"), ["+OK"]);
    assert_eq!(ask(port, "SET a b"), ["+OK"]);
    assert_eq!(status_line(port, "term:"), term, "nobody was elected");
    let answer = ask(port, "RAFT.TRANSFER 2");
    assert_eq!(answer, ["-ERR node-2 has no vote"]);
}

#[test]
fn a_member_that_nobody_answers_for_is_refused_and_the_cluster_goes_on() {
    let cluster = Cluster::start(1);
    let port = cluster.port(1);
    let nobody = ports::free(1)[0];
    for command in ["RAFT.ADD 2", "RAFT.REPLACE 1 2"] {
        let answer = ask(port, &format!("{command} 127.0.0.1:{nobody}"));
        assert!(
            answer[0].starts_with("-TRYAGAIN node-2 does not answer at"),
            "{answer:?}"
        );
        assert_eq!(ask(port, "SET a b"), ["+OK"]);
        assert_eq!(
            status_line(port, "member:node-2"),
            None,
            "it was taken back"
        );
        assert_eq!(
            status_line(port, "membership:").unwrap(),
            "membership:uniform"
        );
    }
}

#[test]
fn a_leader_says_how_far_the_others_are_and_hands_over_to_none_that_is_dead() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader(1);
    let port = cluster.port(leader);
    let dead = cluster.other_than(&[leader]);
    let name = format!("lag:node-{dead},");
    eventually("the follower has caught up", || {
        let line = status_line(port, &name).ok_or("no line")?;
        line.contains("entries=0,").then_some(()).ok_or(line)
    });
    cluster.kill(dead);
    // On a busy machine the others may elect anew meanwhile.
    let alive = cluster.other_than(&[dead]);
    let port = eventually("the transfer is refused", || {
        let port = cluster.port(cluster.leader(alive));
        let answer = ask(port, &format!("RAFT.TRANSFER {dead}")).remove(0);
        let refused = answer.contains("does not answer now");
        refused.then_some(port).ok_or(answer)
    });
    cluster.await_serving(alive);
    let line = status_line(port, &name).expect("it is a member");
    assert!(!line.contains("entries=0,"), "{line}");
}

#[test]
fn without_a_quorum_nobody_is_named_as_the_leader() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader(1);
    let survivor = cluster.other_than(&[leader]);
    let other = cluster.other_than(&[leader, survivor]);
    assert!(ask(cluster.port(survivor), "GET a")[0].starts_with("-MOVED"));
    cluster.kill(leader);
    cluster.kill(other);
    let port = cluster.port(survivor);
    let killed = Instant::now();
    eventually("the follower names no leader", || {
        let answer = ask(port, "GET a").remove(0);
        answer
            .starts_with("-CLUSTERDOWN")
            .then_some(())
            .ok_or(answer)
    });
    assert!(killed.elapsed() < Duration::from_secs(5));
    let mut slots = Raw::connect(port);
    slots.send(b"CLUSTER SLOTS\r\nECHO end\r\n");
    let lines = std::iter::repeat_with(|| slots.line());
    let named: Vec<String> = lines.take_while(|line| line != "end").collect();
    // The node that is asked stands where the master does, so that a client has one to ask.
    let master = named.iter().skip_while(|line| *line != "127.0.0.1").nth(1);
    assert_eq!(master, Some(&format!(":{port}")), "{named:?}");
    assert_eq!(status_line(port, "leader:").unwrap(), "leader:none");
    let raw = ask(port, "READ STALE 1 GET a").remove(0);
    assert!(raw.starts_with("-CLUSTERDOWN"), "{raw}");
}

#[test]
fn a_session_outlives_the_time_in_which_its_leader_has_no_quorum() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader(1);
    let port = cluster.port(leader);
    let opened = ask(port, "SESSION.OPEN 2000").remove(0);
    let session: u64 = opened.trim_start_matches(':').parse().expect("a session");
    let followers: Vec<usize> = (1..=3).filter(|id| *id != leader).collect();
    for id in &followers {
        cluster.kill(*id);
    }
    std::thread::sleep(Duration::from_secs(4));
    for id in &followers {
        cluster.start_node(*id);
    }
    eventually("the session is renewed", || {
        for id in 1..=3 {
            let answer = ask(cluster.port(id), &format!("SESSION.KEEPALIVE {session}")).remove(0);
            assert!(!answer.starts_with("-NOSESSION"), "it has ended");
            if answer == ":2000" {
                return Ok(());
            }
        }
        Err("no node answers".to_owned())
    });
}

/// Sets keys of so many bytes, at whoever leads.
fn set_large(cluster: &Cluster, asked: usize, keys: usize, bytes: usize) {
    let value = "v".repeat(bytes);
    for key in 0..keys {
        eventually("the write is served", || {
            let mut raw = Raw::connect(cluster.port(cluster.leader(asked)));
            let head = format!("*3\r\n$3\r\nSET\r\n$4\r\nk{key:03}\r\n${bytes}\r\n");
            raw.send(format!("{head}{value}\r\n").as_bytes());
            let answer = raw.line();
            (answer == "+OK").then_some(()).ok_or(answer)
        });
    }
}

#[test]
fn a_follower_that_is_behind_by_large_entries_catches_up() {
    let mut cluster = Cluster::start(3);
    let absent = cluster.other_than(&[cluster.leader(1)]);
    let asked = cluster.other_than(&[absent]);
    cluster.kill(absent);
    set_large(&cluster, asked, 12, 4 << 20);
    cluster.start_node(absent);
    eventually("the node answers", || {
        cluster.status(absent, "applied").map(drop)
    });
    cluster.await_caught_up(absent, cluster.leader(asked));
    let value = ask(cluster.port(absent), "READ LOCAL GET k011").remove(0);
    assert_eq!(value.len(), 4 << 20);
}

#[test]
fn a_node_joins_by_a_snapshot_of_many_pieces_no_faster_than_it_may() {
    let mut cluster = Cluster::start(1);
    let rate = |to: &str| ask(cluster.port(1), &format!("CONFIG {to}"));
    assert_eq!(rate("GET snapshot-rate")[1], (100 << 20).to_string());
    assert_eq!(rate("SET snapshot-rate 16mb"), ["+OK"]);
    set_large(&cluster, 1, 24, 4 << 20);
    // The log is cut off by bytes, so there is no way around the snapshot.
    eventually("a snapshot is there", || {
        let index = cluster.status(1, "snapshot")?;
        (index != "0").then_some(()).ok_or(index)
    });
    let second = cluster.start_joining();
    eventually("the new node answers", || {
        cluster.status(second, "state").map(drop)
    });
    let address = cluster.address(second);
    let begun = Instant::now();
    assert_eq!(
        ask(cluster.port(1), &format!("RAFT.ADD {second} {address}")),
        ["+node-2 added"]
    );
    // The snapshot has 64 MiB at least.
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(3_900), "{took:?}");
    assert!(
        cluster
            .events(second)
            .contains(r#""is":"snapshot_installed""#),
        "{}",
        cluster.events(second)
    );
    for key in ["k000", "k023"] {
        let value = ask(cluster.port(second), &format!("READ LOCAL GET {key}")).remove(0);
        assert_eq!(value.len(), 4 << 20, "{key}");
    }
}

#[test]
fn a_log_that_lost_its_end_is_caught_up_and_one_without_its_vote_is_refused() {
    let mut cluster = Cluster::start(3);
    let cut = cluster.other_than(&[cluster.leader(1)]);
    let asked = cluster.other_than(&[cut]);
    eventually("a snapshot is there", || {
        ask(cluster.port(cut), "RAFT.SNAPSHOT");
        let index = cluster.status(cut, "snapshot")?;
        (index != "0").then_some(()).ok_or(index)
    });
    set_large(&cluster, asked, 3, 1_000);
    cluster.await_caught_up(cut, cluster.leader(asked));
    cluster.stop(cut);
    let wal = cluster.directory(cut).join("wal");
    let bytes = std::fs::metadata(&wal).expect("there is a log").len();
    let file = std::fs::File::options().write(true).open(&wal);
    let file = file.expect("the node has stopped");
    file.set_len(bytes - 1_200).expect("a file can be cut");
    cluster.start_node(cut);
    eventually("the node answers", || {
        cluster.status(cut, "applied").map(drop)
    });
    cluster.await_caught_up(cut, cluster.leader(asked));

    cluster.stop(cut);
    std::fs::remove_file(&wal).expect("there is a log");
    cluster.start_node(cut);
    let (code, why) = cluster.ended(cut);
    assert_eq!(code, Some(70), "{why}");
    assert!(why.contains("its last vote is of term 0"), "{why}");
}

#[test]
fn a_node_does_not_start_on_the_directory_of_another() {
    let mut cluster = Cluster::start(2);
    let [one, two] = [1, 2].map(|id| {
        cluster.stop(id);
        cluster.directory(id)
    });
    let aside = one.with_extension("aside");
    for (from, to) in [(&one, &aside), (&two, &one), (&aside, &two)] {
        std::fs::rename(from, to).expect("nobody uses it");
    }
    cluster.start_node(1);
    let (code, why) = cluster.ended(1);
    assert_eq!(code, Some(70), "{why}");
    assert!(
        why.contains("belongs to node-2, and this is node-1"),
        "{why}"
    );
}

#[test]
fn a_voter_that_comes_back_without_its_data_has_no_vote_until_it_is_added_again() {
    let mut cluster = Cluster::start(3);
    let wiped = 1;
    let asked = 2;
    set_large(&cluster, asked, 3, 100);
    cluster.kill(wiped);
    std::fs::remove_dir_all(cluster.directory(wiped)).expect("nobody uses it");
    cluster.await_serving(asked);
    cluster.start_node(wiped);
    eventually("it says why it does not take part", || {
        let log = cluster.log(wiped);
        let says = log.contains("not forming a new cluster: node-1 has lost its data");
        says.then_some(()).ok_or(log)
    });
    assert_eq!(cluster.status(wiped, "applied"), Ok("0".into()));
    assert_eq!(cluster.status(wiped, "leader"), Ok("none".into()));

    let address = cluster.address(wiped);
    for (command, done) in [
        (format!("RAFT.REMOVE {wiped}"), "+node-1 removed"),
        (format!("RAFT.ADD {wiped} {address}"), "+node-1 added"),
    ] {
        eventually(&command, || {
            let leader = cluster.leader(asked);
            let answer = ask(cluster.port(leader), &command).remove(0);
            (answer == done).then_some(()).ok_or(answer)
        });
    }
    cluster.await_caught_up(wiped, cluster.leader(asked));
}

#[test]
fn one_of_three_goes_on_alone_by_force_and_the_others_come_back_empty() {
    let mut cluster = Cluster::start(3);
    set_large(&cluster, 1, 3, 100);
    let survivor = cluster.other_than(&[cluster.leader(1)]);
    cluster.await_caught_up(survivor, cluster.leader(1));
    let lost: Vec<usize> = (1..=3).filter(|id| *id != survivor).collect();
    for id in 1..=3 {
        cluster.kill(id);
    }
    let (status, output) = cluster.run(survivor, &["--force-new-cluster"]);
    assert!(status.success(), "{output}");
    let only = format!("node-{survivor} at {}", cluster.address(survivor));
    assert!(output.contains(&only), "{output}");

    cluster.start_node(survivor);
    cluster.await_serving(survivor);
    let port = cluster.port(survivor);
    assert_eq!(ask(port, "EXISTS k000 k001 k002"), [":3"]);
    // What is left of the old cluster elects nobody, and is no member here.
    cluster.start_node(lost[0]);
    let address = cluster.address(lost[0]);
    let add = format!("RAFT.ADD {} {address}", lost[0]);
    let refused = ask(port, &add).remove(0);
    assert!(refused.starts_with("-TRYAGAIN"), "{refused}");
    assert_eq!(ask(port, "SET still serves"), ["+OK"]);
    cluster.kill(lost[0]);
    for id in lost {
        std::fs::remove_dir_all(cluster.directory(id)).expect("nobody uses it");
        cluster.start_alone(id);
        let add = format!("RAFT.ADD {id} {}", cluster.address(id));
        let added = format!("+node-{id} added");
        eventually(&add, || {
            let answer = ask(port, &add).remove(0);
            (answer == added).then_some(()).ok_or(answer)
        });
    }
    cluster.kill(survivor);
    let other = cluster.other_than(&[survivor]);
    cluster.await_serving(other);
    let port = cluster.port(cluster.leader(other));
    assert_eq!(ask(port, "EXISTS k000 k001 k002"), [":3"]);
}
