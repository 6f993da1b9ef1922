//! The `redis` crate, which knows nothing of Squall: one connection and a cluster, blocking, async
//! and multiplexed, as its own first page shows them, and while the leader dies.

#![allow(clippy::disallowed_methods)] // real processes, waited for in real time

mod ports;
mod processes;

use std::time::Duration;

use processes::{Cluster, redis_cli_is_there};
use redis::cluster::ClusterClient;
use redis::{AsyncCommands, Client, Commands, Direction, RedisResult};

fn url(cluster: &Cluster, id: usize) -> String {
    format!("redis://{}/", cluster.address(id))
}

fn urls(cluster: &Cluster) -> Vec<String> {
    (1..=3).map(|id| url(cluster, id)).collect()
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("the system grants an event loop");
    runtime.block_on(test)
}

#[test]
fn one_connection_blocking_and_multiplexed() {
    if !redis_cli_is_there() {
        return;
    }
    let cluster = Cluster::start(3);
    let client = Client::open(url(&cluster, cluster.leader(1))).expect("it is an address");
    let blocking = || -> RedisResult<()> {
        let mut connection = client.get_connection()?;
        let _: () = connection.set("my_key", 42)?;
        assert_eq!(connection.get::<_, i64>("my_key")?, 42);
        let (k1, k2): (i32, i32) = redis::pipe()
            .cmd("SET")
            .arg("key_1")
            .arg(42)
            .ignore()
            .cmd("SET")
            .arg("key_2")
            .arg(43)
            .ignore()
            .cmd("GET")
            .arg("key_1")
            .cmd("GET")
            .arg("key_2")
            .query(&mut connection)?;
        assert_eq!((k1, k2), (42, 43));
        let key = "the_key";
        let (new_value,): (isize,) =
            redis::transaction(&mut connection, &[key], |connection, pipe| {
                let old: Option<isize> = connection.get(key)?;
                let new = old.unwrap_or(0) + 1;
                pipe.set(key, new).ignore().get(key).query(connection)
            })?;
        assert_eq!(new_value, 1);
        let found: Vec<String> = connection
            .scan_match("key_*")?
            .collect::<RedisResult<_>>()?;
        assert_eq!(found.len(), 2);
        assert_eq!(connection.rpush::<_, _, i64>("list", &["a", "b", "c"])?, 3);
        assert_eq!(
            connection.lrange::<_, Vec<String>>("list", 0, -1)?,
            ["a", "b", "c"]
        );
        let popped: (String, String) = connection.blpop("list", 1.0)?;
        assert_eq!(popped, ("list".into(), "a".into()));
        Ok(())
    };
    blocking().expect("a blocking connection works");
    let multiplexed = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        let _: () = connection.set("key1", b"foo").await?;
        redis::cmd("SET")
            .arg(&["key2", "bar"])
            .exec_async(&mut connection)
            .await?;
        let result: (String, Vec<u8>) = redis::cmd("MGET")
            .arg(&["key1", "key2"])
            .query_async(&mut connection)
            .await?;
        assert_eq!(result, ("foo".into(), b"bar".to_vec()));
        let count = |mut connection: redis::aio::MultiplexedConnection| async move {
            connection.incr::<_, _, i64>("counter", 1).await
        };
        let counted = (0..100).map(|_| count(connection.clone()));
        let counted = futures_util::future::try_join_all(counted).await?;
        assert_eq!(counted, (1..=100).collect::<Vec<_>>());
        let moved: String = connection
            .blmove("list", "done", Direction::Left, Direction::Right, 1.0)
            .await?;
        assert_eq!(moved, "b");
        RedisResult::Ok(())
    };
    block_on(multiplexed).expect("a multiplexed connection works");
}

#[test]
fn a_cluster_blocking_and_async_through_the_death_of_its_leader() {
    if !redis_cli_is_there() {
        return;
    }
    let mut cluster = Cluster::start(3);
    let client = ClusterClient::new(urls(&cluster)).expect("these are addresses");
    let blocking = || -> RedisResult<()> {
        let mut connection = client.get_connection()?;
        let _: () = connection.set("test", "test_data")?;
        assert_eq!(connection.get::<_, String>("test")?, "test_data");
        let mut pipe = redis::cluster::cluster_pipe();
        pipe.set("a", 1).ignore().incr("a", 1).lpush("l", "x");
        assert_eq!(pipe.query::<(i64, i64)>(&mut connection)?, (2, 1));
        Ok(())
    };
    blocking().expect("a blocking cluster works");
    block_on(async {
        let mut connection = client.get_async_connection().await.expect("it connects");
        let mut written = 0;
        while written < 60 {
            if written == 30 {
                let leader = cluster.leader(1);
                cluster.kill(leader);
            }
            let key = format!("survive-{written}");
            match connection.set::<_, _, ()>(&key, written).await {
                Ok(()) => written += 1,
                // The outcome of this one is not known; it is asked for again.
                Err(e) => {
                    eprintln!("again: {e}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        for n in 0..written {
            let found: RedisResult<i64> = connection.get(format!("survive-{n}")).await;
            assert_eq!(found.expect("the cluster answers"), n);
        }
    });
}
