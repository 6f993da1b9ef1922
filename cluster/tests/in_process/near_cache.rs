//! `CLIENT TRACKING`: a client hears of every change of what it has a copy of, after the copy.

use std::time::Duration;

use squall_cluster::node::{Access, ClientOptions};
use squall_cluster::world::timeout;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, run};

/// A connection that speaks version 3 and has been answered so.
async fn version_three(cluster: &Cluster) -> Wire {
    let leader = cluster.leader().await;
    let mut wire = Wire::connect(&cluster.addresses[leader]).await;
    wire.send(&["HELLO 3", "PING"]).await;
    while wire.line().await != "+PONG" {}
    wire
}

/// Nothing comes for a while.
async fn expect_silence(wire: &mut Wire) {
    let heard = timeout::<MemoryWorld, _>(Duration::from_millis(200), wire.line()).await;
    assert!(heard.is_err(), "heard {heard:?}");
}

#[test]
fn a_changed_key_that_was_read_is_invalidated_once() {
    run(async {
        let cluster = Cluster::start(3).await;
        let mut near = version_three(&cluster).await;
        let mut other = version_three(&cluster).await;
        near.send(&["CLIENT TRACKING ON", "SET a 1", "GET a", "MGET a b"])
            .await;
        near.expect("+OK,+OK,$1,1").await;
        // Its own change comes behind what it read before, and before it reads again.
        near.expect("*2,$1,1,_").await;
        other.send(&["SET c 1", "SET a 2"]).await;
        other.expect("+OK,+OK").await;
        near.expect(">2,$10,invalidate,*1,$1,a").await;
        other.send(&["SET a 3", "APPEND b x"]).await;
        other.expect("+OK,:1").await;
        near.expect(">2,$10,invalidate,*1,$1,b").await;
        // Not read again, so not invalidated again.
        other.send(&["SET a 4"]).await;
        other.expect("+OK").await;
        expect_silence(&mut near).await;
        near.send(&["MULTI", "GET a", "EXEC"]).await;
        near.expect("+OK,+QUEUED,*1,$1,4").await;
        other.send(&["DEL a"]).await;
        other.expect(":1").await;
        near.expect(">2,$10,invalidate,*1,$1,a").await;
        near.send(&["GET a", "GET b", "CLIENT TRACKING OFF"]).await;
        near.expect("_,$1,x,+OK").await;
        other.send(&["SET a 5"]).await;
        other.expect("+OK").await;
        expect_silence(&mut near).await;
    });
}

#[test]
fn expiry_and_flush_invalidate_too() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut near = version_three(&cluster).await;
        near.send(&["SET a 1 PX 150", "CLIENT TRACKING ON", "GET a", "GET b"])
            .await;
        near.expect("+OK,+OK,$1,1,_").await;
        near.expect(">2,$10,invalidate,*1,$1,a").await;
        near.send(&["FLUSHALL"]).await;
        near.expect("+OK,>2,$10,invalidate,_").await;
    });
}

/// As clients do that ask for the copies they keep: rueidis, say.
#[test]
fn a_client_may_choose_what_is_invalidated() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut near = version_three(&cluster).await;
        let mut other = version_three(&cluster).await;
        near.send(&[
            "MSET a 1 b 1 c 1",
            "CLIENT TRACKING ON OPTIN",
            "CLIENT CACHING NO",
            "CLIENT CACHING YES",
            "MULTI",
            "PTTL a",
            "GET a",
            "EXEC",
            "GET b",
        ])
        .await;
        near.expect("+OK,+OK").await;
        assert!(near.line().await.starts_with("-ERR CLIENT CACHING YES is"));
        near.expect("+OK,+OK,+QUEUED,+QUEUED,*2,:-1,$1,1,$1,1")
            .await;
        other.send(&["SET b 2", "SET a 2"]).await;
        other.expect("+OK,+OK").await;
        near.expect(">2,$10,invalidate,*1,$1,a").await;
        near.send(&[
            "CLIENT TRACKING ON OPTOUT",
            "CLIENT CACHING NO",
            "GET a",
            "GET b",
        ])
        .await;
        near.expect("+OK,+OK,$1,2,$1,2").await;
        other.send(&["SET a 3", "SET b 3"]).await;
        other.expect("+OK,+OK").await;
        near.expect(">2,$10,invalidate,*1,$1,b").await;
    });
}

#[test]
fn broadcast_prefixes_need_no_read() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut near = version_three(&cluster).await;
        near.send(&["CLIENT TRACKING ON BCAST PREFIX user: PREFIX x"])
            .await;
        near.expect("+OK").await;
        let mut other = version_three(&cluster).await;
        for _ in 0..2 {
            other.send(&["MSET user:1 a y b x c user: d"]).await;
            other.expect("+OK").await;
            near.expect(">2,$10,invalidate,*3,$6,user:1,$1,x,$5,user:")
                .await;
        }
    });
}

/// In a pipeline that never ends, every value is followed by the news that it is old.
#[test]
fn no_value_is_left_behind_the_news_of_its_end() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut near = version_three(&cluster).await;
        near.send(&["SET n 0", "CLIENT TRACKING ON"]).await;
        near.expect("+OK,+OK").await;
        let mut other = version_three(&cluster).await;
        let (mut copy, mut invalidations) = (None, 0);
        for round in 1..=200 {
            near.send(&["GET n", "GET n", "GET n"]).await;
            other.send(&["INCR n"]).await;
            other.expect(&format!(":{round}")).await;
            for _ in 0..3 {
                invalidations += skip_news(&mut near, "$").await;
                copy = Some(near.line().await);
            }
        }
        near.send(&["PING"]).await;
        let last = skip_news(&mut near, "+PONG").await;
        // A copy that was not invalidated since is the last value.
        assert!(last > 0 || copy.as_deref() == Some("200"), "{copy:?}");
        assert!(invalidations + last > 10, "{invalidations}");
    });
}

/// Reads news of the key `n` up to an answer that begins so; how often there were any.
async fn skip_news(near: &mut Wire, start: &str) -> usize {
    let mut news = 0;
    loop {
        let line = near.line().await;
        if line.starts_with(start) {
            return news;
        }
        assert_eq!(line, ">2");
        near.expect("$10,invalidate,*1,$1,n").await;
        news += 1;
    }
}

#[test]
fn a_leader_that_hands_over_tells_to_forget_every_copy() {
    run(async {
        let cluster = Cluster::start(3).await;
        let mut near = version_three(&cluster).await;
        near.send(&["SET a 1", "CLIENT TRACKING ON", "GET a"]).await;
        near.expect("+OK,+OK,$1,1").await;
        let leader = cluster.leader().await;
        let next = (leader + 1) % 3;
        let id = cluster.nodes[next].id();
        let moved = cluster.nodes[leader].transfer_leader(id).await;
        moved.expect("it has caught up");
        near.expect(">2,$10,invalidate,_").await;
    });
}

#[test]
fn what_is_not_offered_or_not_allowed_is_refused() {
    run(async {
        let users = ["app on >word ~app:* +@all".into()];
        let options = ClientOptions {
            access: Access::new(Some("secret"), &users).expect("the rules are rules"),
            ..ClientOptions::default()
        };
        let cluster = Cluster::start_with(1, options).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["AUTH app word", "CLIENT TRACKING ON"]).await;
        wire.expect("+OK").await;
        assert!(wire.line().await.contains("needs version 3"));
        wire.send(&["HELLO 3", "PING"]).await;
        while wire.line().await != "+PONG" {}
        for (command, why) in [
            ("CLIENT TRACKING ON BCAST", "NOPERM"),
            ("CLIENT TRACKING ON PREFIX a", "requires BCAST"),
            ("CLIENT TRACKING ON OPTIN OPTOUT", "syntax"),
            ("CLIENT CACHING YES", "only when the client is in tracking"),
            ("CLIENT TRACKING ON REDIRECT 7", "not offered"),
            ("CLIENT TRACKING ON NOLOOP", "not offered"),
            ("CLIENT TRACKING perhaps", "syntax"),
        ] {
            wire.send(&[command]).await;
            let answer = wire.line().await;
            assert!(answer.contains(why), "{command}: {answer}");
        }
        wire.send(&["CLIENT TRACKING ON", "GET app:a"]).await;
        wire.expect("+OK,_").await;
    });
}
