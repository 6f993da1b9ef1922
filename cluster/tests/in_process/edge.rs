//! The client port under clients of every kind: what they may rely on, and what they cannot do.

use std::time::Duration;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, run, soon};
use squall_cluster::node::{Access, ClientOptions};
use squall_cluster::world::World;

async fn one(options: ClientOptions) -> Cluster {
    Cluster::start_with(1, options).await
}

#[test]
fn version_three_has_maps_and_nulls_of_its_own() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["GET none", "HELLO 9", "GET none", "CONFIG GET appendonly"])
            .await;
        wire.expect("$-1,%7,$6,server,$5,redis,$7,version,$5,7.4.0,$5,proto,:3")
            .await;
        wire.expect("$2,id,:1,$4,mode,$7,cluster,$4,role,$6,master,$7,modules,*0")
            .await;
        wire.expect("_,%1,$10,appendonly,$3,yes").await;
        wire.send(&["QUEUE.INFO q", "RESET", "GET none"]).await;
        wire.expect("_,+RESET,$-1").await;
    });
}

#[test]
fn a_transaction_is_one_entry_and_nothing_of_a_refused_one_is_done() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let before = cluster.nodes[0].applied_index();
        wire.send(&[
            "MULTI",
            "SET a 1",
            "INCR a",
            "GET a",
            "HSET h f v",
            "EXEC",
            "GET a",
        ])
        .await;
        wire.expect("+OK,+QUEUED,+QUEUED,+QUEUED").await;
        assert!(wire.line().await.starts_with("-ERR unknown command 'HSET'"));
        wire.expect("-EXECABORT Transaction discarded because of previous errors.,$-1")
            .await;
        assert_eq!(cluster.nodes[0].applied_index(), before);
        wire.send(&[
            "MULTI",
            "SET a 1",
            "INCR a",
            "QUEUE.PUBLISH q m",
            "GET a",
            "EXEC",
        ])
        .await;
        wire.expect("+OK,+QUEUED,+QUEUED,+QUEUED,+QUEUED,*4,+OK,:2,:1,$1,2")
            .await;
        assert_eq!(cluster.nodes[0].applied_index(), before + 1);
        for refused in [
            "SESSION.OPEN 1000",
            "QUEUE.RECEIVE q",
            "MULTI",
            "WATCH a",
            "CLIENT ID",
        ] {
            wire.send(&["MULTI", refused, "EXEC"]).await;
            wire.expect("+OK").await;
            assert!(wire.line().await.starts_with("-ERR "), "{refused}");
            assert!(wire.line().await.starts_with("-EXECABORT "), "{refused}");
        }
        wire.send(&["EXEC", "DISCARD", "MULTI", "DISCARD", "MULTI", "EXEC"])
            .await;
        wire.expect("-ERR EXEC without MULTI,-ERR DISCARD without MULTI,+OK,+OK,+OK,*0")
            .await;
    });
}

#[test]
fn a_watched_key_that_changes_stops_a_transaction() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["WATCH a b"]).await;
        wire.expect("+OK").await;
        other.send(&["SET b 1"]).await;
        other.expect("+OK").await;
        wire.send(&["MULTI", "SET a 1", "EXEC", "GET a"]).await;
        wire.expect("+OK,+QUEUED,*-1,$-1").await;
        // What was watched is forgotten with the transaction, and with UNWATCH.
        wire.send(&["MULTI", "SET a 1", "EXEC", "WATCH a", "UNWATCH", "SET a 2"])
            .await;
        wire.expect("+OK,+QUEUED,*1,+OK,+OK,+OK,+OK").await;
        wire.send(&["MULTI", "GET a", "EXEC"]).await;
        wire.expect("+OK,+QUEUED,*1,$1,2").await;
    });
}

#[test]
fn a_reply_that_is_too_large_is_an_error_and_harms_nobody() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let size = 8 * 1024 * 1024;
        let mut set = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${size}\r\n").into_bytes();
        set.extend(vec![b'x'; size]);
        set.extend(b"\r\n");
        wire.send_bytes(&set).await;
        wire.expect("+OK").await;
        let many = format!("MGET{}", " k".repeat(1_000));
        wire.send(&[&many, "STRLEN k", "PING"]).await;
        wire.expect(
            "-ERR the reply exceeds the limit of 67108864 bytes; ask for less at a time,:8388608,\
             +PONG",
        )
        .await;
    });
}

#[test]
fn a_web_page_gives_no_commands() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        for request in [
            "POST / HTTP/1.1\r\n\r\nSET k v\r\n",
            "GET /\r\nhost: here\r\nSET k v\r\n",
        ] {
            let mut page = Wire::connect(&cluster.addresses[0]).await;
            page.send_bytes(request.as_bytes()).await;
            let said = page.rest().await;
            assert!(said.ends_with("close the connection\r\n"), "{said}");
        }
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["GET k"]).await;
        wire.expect("$-1").await;
    });
}

#[test]
fn connections_above_the_limit_are_refused_and_closed_ones_free_a_place() {
    run(async {
        let cluster = one(ClientOptions {
            max_clients: 2,
            ..ClientOptions::default()
        })
        .await;
        let address = &cluster.addresses[0];
        let (mut first, mut second) = (Wire::connect(address).await, Wire::connect(address).await);
        for wire in [&mut first, &mut second] {
            wire.send(&["PING"]).await;
            wire.expect("+PONG").await;
        }
        let reply = Wire::connect(address).await.rest().await;
        assert!(
            reply.starts_with("-ERR max number of clients reached"),
            "{reply}"
        );
        first
            .send(&["CLIENT ID", "CLIENT KILL ID 2", "CONFIG SET maxclients 5"])
            .await;
        first.expect(":1,:1,+OK").await;
        assert_eq!(second.rest().await, "");
        let mut next = Wire::connect(address).await;
        next.send(&["PING"]).await;
        next.expect("+PONG").await;
    });
}

#[test]
fn an_idle_connection_is_closed_and_one_that_waits_is_not() {
    run(async {
        let cluster = one(ClientOptions {
            idle_timeout_s: 1,
            ..ClientOptions::default()
        })
        .await;
        let mut waiting = Wire::connect(&cluster.addresses[0]).await;
        waiting.send(&["QUEUE.RECEIVE q WAIT 2500"]).await;
        let idle = Wire::connect(&cluster.addresses[0]).await;
        assert_eq!(idle.rest().await, "");
        waiting.expect("*0").await;
    });
}

#[test]
fn a_new_timeout_counts_for_connections_that_are_idle_or_stall_already() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let address = &cluster.addresses[0];
        let idle = Wire::connect(address).await;
        let mut stalling = Wire::connect(address).await;
        stalling.send_bytes(b"*2\r\n$3\r\nGET\r\n$4\r\nha").await;
        let mut wire = Wire::connect(address).await;
        wire.send(&["CONFIG SET timeout 1"]).await;
        wire.expect("+OK").await;
        assert_eq!(idle.rest().await, "");
        assert_eq!(stalling.rest().await, "");
    });
}

#[test]
fn nothing_but_an_error_is_said_to_who_has_no_password() {
    run(async {
        let users = ["app on >word ~app:* +@all -@admin -append".into()];
        let cluster = one(ClientOptions {
            access: Access::new(Some("secret"), &users).expect("the rules are rules"),
            ..ClientOptions::default()
        })
        .await;
        let address = &cluster.addresses[0];
        let mut wire = Wire::connect(address).await;
        for command in [
            "GET app:k",
            "SET app:k v",
            "SHUTDOWN",
            "RAFT.STATUS",
            "PING",
            "MULTI",
        ] {
            wire.send(&[command]).await;
            wire.expect("-NOAUTH Authentication required.").await;
        }
        wire.send(&["HELLO 3"]).await;
        assert!(wire.line().await.starts_with("-NOAUTH HELLO must"));
        let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
        wire.send(&["AUTH wrong", "AUTH app wrong", "AUTH app word"])
            .await;
        wire.expect(&format!("{wrong},{wrong},+OK")).await;
        wire.send(&[
            "SET app:k v",
            "SET other v",
            "SHUTDOWN",
            "MGET app:k x",
            "KEYS *",
        ])
        .await;
        wire.expect("+OK,-NOPERM No permissions to access a key")
            .await;
        wire.expect("-NOPERM User app has no permissions to run the 'shutdown' command")
            .await;
        let no_key = "-NOPERM No permissions to access a key";
        wire.expect(&format!("{no_key},{no_key}")).await;
        wire.send(&["CLIENT ID", "CLIENT LIST", "client kill USER default"])
            .await;
        let denied = "-NOPERM User app has no permissions to run the 'client' command";
        wire.expect(&format!(":1,{denied},{denied}")).await;
        wire.send(&["ONCE 1 1 SET other v", "EVALSHA 1 1 other v"])
            .await;
        wire.expect(&format!("{no_key},{no_key}")).await;
        wire.send(&[
            "ONCE 1 1 FLUSHALL",
            "READ LOCAL KEYS app:*",
            "READ STALE 5 SCAN 0",
        ])
        .await;
        wire.expect(&format!("{no_key},{no_key},{no_key}")).await;
        wire.send(&["APPEND app:k w", "ONCE 1 1 APPEND app:k w"])
            .await;
        let denied = "-NOPERM User app has no permissions to run the 'append' command";
        wire.expect(&format!("{denied},{denied}")).await;
        wire.send(&[
            "AUTH secret",
            "SET other v",
            "CLIENT KILL USER app",
            "RESET",
            "GET k",
        ])
        .await;
        wire.expect("+OK,+OK,:0,+RESET,-NOAUTH Authentication required.")
            .await;
    });
}

#[test]
fn replies_that_are_not_wanted_are_not_sent() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["CLIENT REPLY SKIP", "SET a 1", "GET a"]).await;
        wire.expect("$1,1").await;
        wire.send(&["CLIENT REPLY OFF", "SET a 2", "GET a", "NONSENSE", "PING"])
            .await;
        wire.send(&["CLIENT REPLY ON", "GET a"]).await;
        wire.expect("+OK,$1,2").await;
    });
}

#[test]
fn scripts_of_locks_are_known_by_their_digests_once_they_are_loaded() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let release = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
                       return redis.call('DEL', KEYS[1]) else return 0 end";
        let digest = squall_cluster::protocol::sha1_hex(release.as_bytes());
        let call = format!("EVALSHA {digest} 1 lock mine");
        let load = format!("SCRIPT LOAD \"{release}\"");
        let eval = format!("EVAL \"{release}\" 1 lock yours");
        wire.send(&["SET lock mine", &call]).await;
        wire.expect("+OK,-NOSCRIPT No matching script. Please use EVAL.")
            .await;
        wire.send(&[&load, &eval, &call, &call, "EXISTS lock"])
            .await;
        wire.expect(&format!("$40,{digest},:0,:1,:0,:0")).await;
        wire.send(&[
            "SCRIPT LOAD 'return 1'",
            &format!("SCRIPT EXISTS {digest} ff"),
        ])
        .await;
        assert!(
            wire.line()
                .await
                .starts_with("-ERR this script is not known")
        );
        wire.expect("*2,:1,:0").await;
    });
}

#[test]
fn a_redirection_names_the_slot_of_the_key_within_a_wrapper() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let follower = (leader + 1) % 3;
        let mut wire = Wire::connect(&cluster.addresses[follower]).await;
        let moved = format!("-MOVED 12182 {}", cluster.addresses[leader]);
        for line in [
            "GET foo",
            "ONCE 1 2 SET foo v",
            "READ LEASE GET foo",
            "MSET foo 1",
        ] {
            wire.send(&[line]).await;
            wire.expect(&moved).await;
        }
        wire.send(&["MULTI", "SET foo 1", "EXEC"]).await;
        wire.expect(&format!("+OK,{moved}")).await;
        assert!(wire.line().await.starts_with("-EXECABORT"));
        wire.send(&["READONLY", "GET foo", "READWRITE", "GET foo"])
            .await;
        wire.expect(&format!("+OK,$-1,+OK,{moved}")).await;
    });
}

#[test]
fn a_node_that_knows_no_leader_names_itself_and_cannot_serve() {
    run(async {
        let cluster = Cluster::start_some(3, 1, ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let (host, port) = cluster.addresses[0].rsplit_once(':').expect("host:port");
        let owner = format!("*1,*5,:0,:16383,*4,${},{host},:{port}", host.len());
        let deadline = soon();
        // Until the node knows who else belongs to its cluster, it has nobody to name.
        loop {
            wire.send(&["CLUSTER SLOTS"]).await;
            if wire.line().await == "*1" {
                wire.expect(owner.trim_start_matches("*1,")).await;
                break;
            }
            assert!(MemoryWorld::now() < deadline, "no slots are listed");
            MemoryWorld::sleep(Duration::from_millis(20)).await;
        }
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        other.send(&["GET k", "SET k v"]).await;
        let down = "-CLUSTERDOWN no leader is known";
        other.expect(&format!("{down},{down}")).await;
    });
}

#[test]
fn what_is_not_answered_counts_as_what_it_came_to() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&[
            "RPUSH l a",
            "CLIENT REPLY SKIP",
            "INCR l",
            "CLIENT REPLY SKIP",
        ])
        .await;
        wire.send(&["GET l", "INFO errorstats"]).await;
        wire.expect(":1").await;
        let stats = wire.bulk().await;
        assert!(stats.contains("errorstat_WRONGTYPE:count=2\r\n"), "{stats}");
        assert!(!stats.contains("errorstat_ERR"), "{stats}");
    });
}

#[test]
fn the_table_tells_what_is_known_and_what_is_not() {
    run(async {
        let cluster = one(ClientOptions::default()).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["COMMAND INFO get nope", "COMMAND GETKEYS MSET a 1 b 2"])
            .await;
        wire.expect("*2,*10,$3,get,:2,*2,+readonly,+fast,:1,:1,:1,*1,+@read,*0,*0,*0,*-1")
            .await;
        wire.expect("*2,$1,a,$1,b").await;
        wire.send(&[
            "CONFIG GET no-such",
            "CONFIG SET maxclients 0",
            "CONFIG SET port 1",
        ])
        .await;
        wire.expect("*0").await;
        for _ in 0..2 {
            assert!(wire.line().await.starts_with("-ERR "));
        }
    });
}

#[test]
fn prometheus_reads_the_metrics_of_a_node() {
    run(async {
        let port = crate::ports::free(1)[0];
        let metrics = format!("127.0.0.1:{port}");
        let cluster = one(ClientOptions {
            metrics: Some(metrics.clone()),
            ..ClientOptions::default()
        })
        .await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SET a 1", "GET a", "GET b"]).await;
        wire.expect("+OK,$1,1,$-1").await;
        // One that is refused by the state, one that is wrong, and one that is none.
        wire.send(&["SET w word", "INCR w", "SET a", "NOSUCH"])
            .await;
        assert_eq!(wire.line().await, "+OK");
        for _ in 0..3 {
            assert!(wire.line().await.starts_with("-ERR "));
        }
        wire.send(&["MULTI", "INCR w", "EXEC"]).await;
        wire.expect("+OK,+QUEUED,*1").await;
        assert!(wire.line().await.starts_with("-ERR "));
        wire.send(&["CLIENT REPLY SKIP", "INCR w", "INFO commandstats"])
            .await;
        let stats = wire.bulk().await;
        for line in [
            "cmdstat_get:calls=2,rejected_calls=0,failed_calls=0",
            "cmdstat_set:calls=2,rejected_calls=1,failed_calls=0",
            "cmdstat_incr:calls=3,rejected_calls=0,failed_calls=2",
            "cmdstat_exec:calls=1,rejected_calls=0,failed_calls=0",
        ] {
            assert!(stats.lines().any(|found| found == line), "{line}: {stats}");
        }
        wire.send(&["INFO errorstats"]).await;
        let stats = wire.bulk().await;
        assert!(stats.contains("errorstat_ERR:count=5\r\n"), "{stats}");
        let deadline = soon();
        loop {
            let mut page = Wire::connect(&metrics).await;
            page.send(&["GET /metrics HTTP/1.1", "Host: here", ""])
                .await;
            let text = page.rest().await;
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            let expected = [
                "squall_leading 1",
                "squall_clients 1",
                "squall_cache_hits_total 1",
                "squall_memory_limit_bytes 0",
                "squall_oom_total 0",
                "squall_level 1",
                "squall_commands_total{command=\"set\",result=\"ok\"} 2",
                "squall_commands_total{command=\"set\",result=\"rejected\"} 1",
                "squall_commands_total{command=\"incr\",result=\"failed\"} 2",
                "squall_command_errors_total{code=\"ERR\"} 5",
            ];
            if expected
                .iter()
                .all(|line| text.lines().any(|printed| printed == *line))
            {
                break;
            }
            assert!(MemoryWorld::now() < deadline, "{text}");
            MemoryWorld::sleep(Duration::from_millis(20)).await;
        }
    });
}
