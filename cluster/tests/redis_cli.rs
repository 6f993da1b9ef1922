//! Real nodes, real sockets, a real Redis client: what an operator and a user would do.
//!
//! Each test starts its own `squall-node` processes and talks to them with `redis-cli`. All
//! waiting is polling with a bound. Without `redis-cli` the tests pass and say that they were
//! skipped, except where `CI=true`.

mod ports;
mod processes;

use processes::{Cluster, Raw, cli, cli_with_input, eventually, redis_cli_is_there, say};

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("expected a number, got: {text}"))
}

#[test]
fn locks_queues_and_cache_answer_redis_cli_on_every_node() {
    if !redis_cli_is_there() {
        return;
    }
    let cluster = Cluster::start(3);
    for id in 1..=3 {
        // Two of the three must redirect; `redis-cli -c` follows.
        let port = cluster.port(id);
        cache(port);
        locks(port);
        queues(port);
    }
    let leader = cluster.leader(1);
    let follower = cluster.other_than(&[leader]);
    let mut direct = Raw::connect(cluster.port(follower));
    direct.send(b"GET greeting\r\n");
    let redirection = direct.line();
    let address = cluster.address(leader);
    assert!(
        redirection.starts_with("-MOVED ") && redirection.ends_with(&address),
        "{redirection} does not point to {address}"
    );
}

fn cache(port: u16) {
    assert_eq!(say(port, "SET greeting hello"), "OK");
    assert_eq!(say(port, "GET greeting"), "hello");
    assert_eq!(say(port, "DEL counter"), say(port, "EXISTS counter-before"));
    assert_eq!(say(port, "INCR counter"), "1");
    assert_eq!(say(port, "INCRBY counter 41"), "42");
    assert_eq!(say(port, "TTL counter"), "-1");
    assert_eq!(say(port, "EXPIRE counter 100"), "1");
    let ttl = number(&say(port, "TTL counter"));
    assert!((98..=100).contains(&ttl), "{ttl}");
    assert_eq!(say(port, "PEXPIRE counter 1"), "1");
    eventually("the counter expires", || {
        match say(port, "TTL counter").as_str() {
            "-2" => Ok(()),
            ttl => Err(ttl.to_owned()),
        }
    });
}

fn locks(port: u16) {
    let session = say(port, "SESSION.OPEN 30000");
    let mut last_token = number(
        say(port, "LOCK.INFO printer")
            .lines()
            .last()
            .expect("a token"),
    );
    for _ in 0..3 {
        let token = number(&say(port, &format!("LOCK.ACQUIRE printer {session}")));
        assert!(token > last_token, "{token} after {last_token}");
        last_token = token;
        let other = say(port, "SESSION.OPEN 30000");
        assert_eq!(say(port, &format!("LOCK.ACQUIRE printer {other}")), "");
        assert_eq!(
            say(port, &format!("LOCK.RELEASE printer {session} {token}")),
            "OK"
        );
        let again = say(port, &format!("LOCK.RELEASE printer {session} {token}"));
        assert!(again.starts_with("NOTHELD"), "{again}");
    }
}

fn queues(port: u16) {
    assert_eq!(say(port, "QUEUE.CREATE mail VISIBILITY 20000"), "OK");
    let id = number(&say(port, "QUEUE.PUBLISH mail letter"));
    let delivery = say(port, "QUEUE.RECEIVE mail");
    let delivery: Vec<&str> = delivery.lines().collect();
    let [delivered, receipt, deliveries, payload] = delivery[..] else {
        panic!("a delivery has four parts: {delivery:?}");
    };
    assert_eq!(
        (number(delivered), deliveries, payload),
        (id, "1", "letter")
    );
    assert_eq!(say(port, "QUEUE.RECEIVE mail"), "", "the message is hidden");
    assert_eq!(say(port, &format!("QUEUE.ACK mail {receipt}")), "1");
    assert_eq!(say(port, &format!("QUEUE.ACK mail {receipt}")), "0");
}

#[test]
fn mistakes_of_one_client_harm_neither_the_node_nor_other_clients() {
    if !redis_cli_is_there() {
        return;
    }
    let mut cluster = Cluster::start(1);
    let port = cluster.port(1);
    let mut bystander = Raw::connect(port);
    bystander.ping();
    assert_eq!(say(port, "SET text hello"), "OK");
    for (line, error) in [
        ("NOSUCH thing", "ERR unknown command 'NOSUCH'"),
        ("GET", "ERR wrong number of arguments for 'get' command"),
        ("INCR text", "ERR value is not an integer or out of range"),
        (
            "EXPIRE text soon",
            "ERR value is not an integer or out of range",
        ),
        (
            "SET text hello EX 0",
            "ERR invalid expire time in 'set' command",
        ),
        ("QUEUE.RECEIVE mail COUNT -1", "ERR value is not an integer"),
        ("LOCK.ACQUIRE printer 999999", "NOSESSION"),
        ("RAFT.REMOVE 7", "ERR node-7 is no member"),
        ("RAFT.ADD 7 nonsense", "ERR invalid address"),
    ] {
        let answer = say(port, line);
        assert!(answer.starts_with(error), "{line}: {answer}");
        bystander.ping();
    }
    let oversized = vec![b'x'; 8 * 1024 * 1024 + 1];
    let answer = cli_with_input(port, &["SET", "big"], &oversized);
    assert!(answer.starts_with("ERR value exceeds"), "{answer}");
    assert_eq!(say(port, "EXISTS big"), "0");
    bystander.ping();

    for malformed in [
        &b"*1\r\n$-5\r\n"[..],
        b"*99999999\r\n",
        b"*2\r\n$3\r\nGET\r\n$17000000\r\n",
        b"*1\r\n:5\r\n",
    ] {
        let mut broken = Raw::connect(port);
        broken.send(malformed);
        let farewell = broken.rest();
        let sent = String::from_utf8_lossy(malformed);
        assert!(
            farewell.starts_with("-ERR Protocol error"),
            "{sent}: {farewell}"
        );
        bystander.ping();
    }
    // Half a command, and gone.
    Raw::connect(port).send(b"*2\r\n$3\r\nGET\r\n$4\r\nte");
    bystander.ping();
    assert_eq!(say(port, "GET text"), "hello");
    assert!(cluster.is_running(1));
    cluster.stop(1);
    let farewell = cluster.events(1);
    assert!(farewell.contains(r#""is":"stopped""#), "{farewell}");
}

#[test]
fn a_node_without_a_quorum_is_not_healthy() {
    if !redis_cli_is_there() {
        return;
    }
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader(1);
    let is_healthy = |address: String| {
        let health = std::process::Command::new(env!("CARGO_BIN_EXE_squall-node"))
            .args(["--health", &address])
            .output();
        health.expect("squall-node was built").status.code()
    };
    for id in 1..=3 {
        assert_eq!(is_healthy(cluster.address(id)), Some(0), "node {id}");
    }
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.kill(id);
    }
    eventually("the leader is not healthy by itself", || {
        match is_healthy(cluster.address(leader)) {
            Some(70) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn a_killed_leader_costs_nothing_acknowledged_and_comes_back() {
    if !redis_cli_is_there() {
        return;
    }
    let mut cluster = Cluster::start(3);
    let first = cluster.leader(1);
    let port = cluster.port(first);
    let session = say(port, "SESSION.OPEN 60000");
    let token = number(&say(port, &format!("LOCK.ACQUIRE printer {session}")));
    say(port, "QUEUE.CREATE mail");
    for n in 0..20 {
        assert_eq!(say(port, &format!("SET key-{n} value-{n}")), "OK");
        number(&say(port, &format!("QUEUE.PUBLISH mail letter-{n}")));
    }

    cluster.kill(first);
    let survivor = cluster.other_than(&[first]);
    cluster.await_serving(survivor);
    let port = cluster.port(survivor);
    for n in 0..20 {
        assert_eq!(say(port, &format!("GET key-{n}")), format!("value-{n}"));
        let delivery = say(port, "QUEUE.RECEIVE mail");
        assert!(delivery.ends_with(&format!("letter-{n}")), "{delivery}");
    }
    assert_eq!(
        say(port, &format!("LOCK.RELEASE printer {session} {token}")),
        "OK",
        "the lock outlives the leader that granted it"
    );
    let next = number(&say(port, &format!("LOCK.ACQUIRE printer {session}")));
    assert!(next > token);
    assert_eq!(say(port, "SET missed yes"), "OK");

    cluster.start_node(first);
    let second = cluster.leader(survivor);
    eventually("the killed node answers", || {
        cluster.status(first, "applied").map(drop)
    });
    cluster.await_caught_up(first, second);
    let port = cluster.port(first);
    assert_eq!(say(port, "READ LOCAL GET missed"), "yes");
    assert_eq!(say(port, "READ LOCAL GET key-7"), "value-7");

    // And it counts: with it, the cluster can do without yet another.
    let third = cluster.other_than(&[first, second]);
    cluster.kill(third);
    cluster.await_serving(first);
}

#[test]
fn members_come_and_go_and_leadership_goes_where_it_is_sent() {
    if !redis_cli_is_there() {
        return;
    }
    let mut cluster = Cluster::start(3);
    let port = cluster.port(1);
    assert_eq!(say(port, "SET before yes"), "OK");

    let fourth = cluster.start_joining();
    let address = cluster.address(fourth);
    eventually("the new node answers", || {
        cluster.status(fourth, "state").map(drop)
    });
    assert_eq!(cli(port, &["RAFT.ADD", "4", &address]), "node-4 added");
    let old = cluster.leader(1);
    cluster.await_caught_up(fourth, old);
    assert_eq!(say(cluster.port(fourth), "READ LOCAL GET before"), "yes");

    assert_eq!(say(port, "RAFT.TRANSFER 4"), "OK");
    eventually("the new node leads", || match cluster.leader(fourth) {
        4 => Ok(()),
        other => Err(format!("node {other} leads")),
    });
    cluster.await_serving(old);

    // Twice: a follower, then the leader itself.
    let port = cluster.port(fourth);
    let removed = format!("RAFT.REMOVE {old}");
    assert_eq!(say(port, &removed), format!("node-{old} removed"));
    assert!(!say(port, "RAFT.STATUS").contains(&format!("member:node-{old},")));
    cluster.stop(old);
    assert_eq!(say(port, "SET after yes"), "OK");
    assert_eq!(say(port, "RAFT.REMOVE 4"), "node-4 removed");
    let remaining = cluster.other_than(&[old, fourth]);
    eventually("another node leads", || match cluster.leader(remaining) {
        4 => Err("node 4 leads".to_owned()),
        _ => Ok(()),
    });
    cluster.stop(fourth);
    cluster.await_serving(remaining);
    assert_eq!(say(cluster.port(remaining), "GET after"), "yes");
}
