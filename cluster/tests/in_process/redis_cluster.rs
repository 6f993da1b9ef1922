//! What clients of a Redis Cluster are told of the members.

use crate::nodes::{Cluster, Wire, run};

#[test]
fn all_members_are_one_shard_and_the_leader_is_its_master() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let follower = (leader + 1) % 3;
        for (node, version) in [(leader, 2), (follower, 3)] {
            let mut wire = Wire::connect(&cluster.addresses[node]).await;
            wire.send(&[&format!("HELLO {version}"), "PING"]).await;
            while wire.line().await != "+PONG" {}
            wire.send(&["CLUSTER SHARDS"]).await;
            let (shard, member) = match version {
                2 => ("*4", "*14"),
                _ => ("%2", "%7"),
            };
            wire.expect(&format!("*1,{shard},$5,slots,*2,:0,:16383,$5,nodes,*3"))
                .await;
            let mut others: Vec<usize> = (0..3).filter(|other| *other != leader).collect();
            others.insert(0, leader);
            for (place, at) in others.into_iter().enumerate() {
                let (host, port) = cluster.addresses[at].rsplit_once(':').expect("host:port");
                wire.expect(&format!("{member},$4,port,:{port},$2,id,$40"))
                    .await;
                let id = wire.line().await;
                let mut own = Wire::connect(&cluster.addresses[at]).await;
                own.send(&["CLUSTER MYID"]).await;
                own.expect(&format!("$40,{id}")).await;
                let role = match place {
                    0 => "$6,master",
                    _ => "$7,replica",
                };
                let length = host.len();
                wire.expect(&format!(
                    "$2,ip,${length},{host},$8,endpoint,${length},{host}"
                ))
                .await;
                wire.expect(&format!("$4,role,{role},$6,health,$6,online"))
                    .await;
                wire.expect("$18,replication-offset").await;
                let offset = wire.line().await;
                assert!(offset.starts_with(':'), "{offset}");
            }
        }
    });
}
