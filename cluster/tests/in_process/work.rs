//! How much work a few bytes of a client may make: nobody keeps a node to himself, and nothing
//! comes into the log that holds up every member.

use crate::nodes::{Cluster, Wire, run};
use squall_cluster::node::ClientOptions;

async fn one() -> (Cluster, Wire) {
    let cluster = Cluster::start_with(1, ClientOptions::default()).await;
    let wire = Wire::connect(&cluster.addresses[0]).await;
    (cluster, wire)
}

/// A command whose arguments may be long.
fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend(format!("${}\r\n", arg.len()).into_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// As an entry holds them all, too many of them would be an entry that nobody can be sent.
#[test]
fn what_is_watched_is_bounded_and_counts_once() {
    run(async {
        let (cluster, mut wire) = one().await;
        let watch = |from: usize| {
            let keys: String = (from..from + 2_000).map(|key| format!(" k{key}")).collect();
            format!("WATCH{keys}")
        };
        let (first, second, third) = (watch(0), watch(2_000), watch(4_000));
        wire.send(&[&first, &first, &second, "WATCH k1 k1"]).await;
        wire.expect("+OK,+OK,+OK,+OK").await;
        wire.send(&[&third]).await;
        let refused = "-ERR at most 4096 keys of 4194304 bytes are watched; UNWATCH forgets them";
        wire.expect(refused).await;
        wire.send(&["UNWATCH", &third, "UNWATCH"]).await;
        wire.expect("+OK,+OK,+OK").await;

        for number in 0..66_u8 {
            let key = [&[number][..], &[b'k'; 64 * 1024 - 1]].concat();
            wire.send_bytes(&command(&[b"WATCH", &key])).await;
            wire.expect(if number < 64 { "+OK" } else { refused }).await;
        }
        let before = cluster.nodes[0].applied_index();
        wire.send(&["MULTI", "SET a 1", "EXEC", "GET a"]).await;
        wire.expect("+OK,+QUEUED,*1,+OK,$1,1").await;
        assert_eq!(cluster.nodes[0].applied_index(), before + 1);
    });
}

/// An entry is executed by every member, and once more at each restart.
#[test]
fn what_looks_at_everything_is_no_part_of_an_entry() {
    run(async {
        let (cluster, mut wire) = one().await;
        let before = cluster.nodes[0].applied_index();
        let look = [
            "KEYS *",
            "SCAN 0",
            "QUEUE.SCAN 0",
            "LOCK.SCAN 0",
            "SESSION.SCAN 0",
            "LOCK.INFO l",
        ];
        for look in look {
            for commands in [
                ["UNWATCH", "MULTI", "SET a 1", look, "EXEC"],
                ["UNWATCH", "MULTI", look, "SET a 1", "EXEC"],
                ["WATCH a", "MULTI", "GET a", look, "EXEC"],
            ] {
                wire.send(&commands).await;
                wire.expect("+OK,+OK,+QUEUED,+QUEUED").await;
                let refused = wire.line().await;
                assert!(refused.starts_with("-ERR what looks at all"), "{refused}");
            }
        }
        assert_eq!(cluster.nodes[0].applied_index(), before);
        // As a read it is served.
        wire.send(&["MULTI", "KEYS *", "DBSIZE", "EXEC"]).await;
        wire.expect("+OK,+QUEUED,+QUEUED,*2,*0,:0").await;
    });
}

const TOO_LONG: &str = "-ERR this read takes too long: ask for less in one transaction or with a \
                        simpler pattern";

#[test]
fn reads_of_one_transaction_look_at_so_much_and_by_themselves_at_more() {
    run(async {
        let (_cluster, mut wire) = one().await;
        let push = format!("RPUSH l{}", " v".repeat(4_000));
        for count in 1..=64 {
            wire.send(&[&push]).await;
            wire.expect(&format!(":{}", count * 4_000)).await;
        }
        let find = ["LPOS l w"; 12];
        wire.send(&find).await;
        wire.expect(&["$-1"; 12].join(",")).await;
        wire.send(&[&["MULTI"], &find[..], &["EXEC"]].concat())
            .await;
        wire.expect(&["+QUEUED"; 13].join(",").replacen("+QUEUED", "+OK", 1))
            .await;
        let answers = [&["*12"], &["$-1"; 8][..], &[TOO_LONG; 4]].concat();
        // Some 256,000 values are looked at each time, two million at most.
        for (answer, place) in answers.iter().zip(0..) {
            let line = wire.line().await;
            assert_eq!(line.trim_end(), *answer, "{place}");
        }
    });
}

/// Every byte of the key would be compared with half of the pattern.
#[test]
fn a_pattern_that_takes_too_long_is_refused() {
    run(async {
        let (_cluster, mut wire) = one().await;
        let key = [b'a'; 64 * 1024];
        wire.send_bytes(&command(&[b"SET", &key, b"1"])).await;
        wire.expect("+OK").await;
        let pattern = [b"*", &[b'a'; 32 * 1024][..], b"b"].concat();
        for looks in [
            command(&[b"KEYS", &pattern]),
            command(&[b"SCAN", b"0", b"MATCH", &pattern]),
        ] {
            wire.send_bytes(&looks).await;
            wire.expect(TOO_LONG).await;
        }
        wire.send(&["KEYS b*"]).await;
        wire.expect("*0").await;
    });
}

/// A second of work arrives in one piece, and who asks meanwhile is answered meanwhile.
#[test]
fn whoever_asks_much_lets_others_go_first() {
    run(async {
        let (cluster, mut wire) = one().await;
        for thousand in 0..5 {
            let pairs: String = (0..1_000).map(|n| format!(" k{thousand}-{n} v")).collect();
            wire.send(&[&format!("MSET{pairs}")]).await;
            wire.expect("+OK").await;
        }
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        other.send(&["PING"]).await;
        other.expect("+PONG").await;
        const ASKED: usize = 500;
        wire.send(&["KEYS none"; ASKED]).await;
        other.send(&["INFO commandstats"]).await;
        let stats = other.bulk().await;
        let keys = stats.lines().find(|line| line.contains("_keys:"));
        let answered = keys.map_or(0, |line| {
            let (_, calls) = line.split_once("calls=").expect("it is counted");
            let (calls, _) = calls.split_once(',').expect("more follows");
            calls.parse::<usize>().expect("a number")
        });
        assert!(answered < ASKED, "all of it was done first");
        wire.expect(&["*0"; ASKED].join(",")).await;
    });
}
