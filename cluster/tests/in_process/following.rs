//! A node whose leader contradicts what it has applied: it says so, where operators look, and
//! follows again when there is a leader that it can follow.

use std::io::Write;
use std::sync::{Arc, Mutex};

use openraft::EntryPayload;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use squall_cluster::node::{ClientOptions, NodeOptions};
use squall_cluster::raft::wire::{Connection, PeerRequest, PeerResponse};
use squall_cluster::raft::{LogEntry, LogId, Vote, peer_address};
use squall_cluster::world::{RealStream, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, free_address, run};
use crate::peer_port::hello_from;

type Request = PeerRequest<MemoryWorld>;
type Response = PeerResponse<MemoryWorld>;

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("no writer panics");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.lock().expect("no writer panics");
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn id(term: u64, index: u64) -> LogId<MemoryWorld> {
    LogId::<MemoryWorld>::new_term_index(term, index)
}

/// What node 2 sends as the leader of `term`, behind the entry `before`.
fn append(term: u64, before: Option<(u64, u64)>, ids: &[(u64, u64)]) -> Request {
    let entries = ids.iter().map(|(term, index)| LogEntry::<MemoryWorld> {
        log_id: id(*term, *index),
        payload: EntryPayload::Blank,
    });
    let last = ids.last().copied().or(before);
    PeerRequest::AppendPromising(AppendEntriesRequest {
        vote: Vote::<MemoryWorld>::new_committed(term, 2),
        prev_log_id: before.map(|(term, index)| id(term, index)),
        entries: entries.collect(),
        leader_commit: last.map(|(term, index)| id(term, index)),
    })
}

/// Node 2, to the port for nodes of node 1.
struct Leader(Connection<RealStream>);

impl Leader {
    async fn connect(address: &str) -> Self {
        let peers = peer_address(address).expect("it has a port");
        let connected = MemoryWorld::connect(&peers).await;
        let mut stream = connected.expect("the node listens");
        let greeted = stream.write_all(&hello_from(2, 1)).await;
        greeted.expect("the node reads");
        let mut leader = Self(Connection::new(stream));
        leader.0.receive_greeting().await.expect("it is welcome");
        leader
    }

    async fn call(&mut self, request: Request) -> Response {
        let sent = self.0.send(None, &request).await;
        sent.expect("the node reads");
        let answer = self.0.receive().await.expect("the node answers");
        answer.expect("the node does not hang up")
    }

    async fn must_take(&mut self, request: Request) {
        let answer = self.call(request).await;
        let taken = matches!(answer, Response::Append(AppendEntriesResponse::Success));
        assert!(taken, "the entries are not taken");
    }
}

async fn figures(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let asked = stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await;
    asked.expect("it reads");
    let mut text = String::new();
    let read = stream.read_to_string(&mut text).await;
    read.expect("it answers");
    text
}

#[test]
fn a_node_that_cannot_follow_says_so_once_and_shows_it_for_as_long_as_it_lasts() {
    let log = Log::default();
    let writer = {
        let log = log.clone();
        move || log.clone()
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    run(async {
        let metrics = free_address();
        let with = |options| NodeOptions {
            clients: ClientOptions {
                metrics: Some(metrics.clone()),
                ..ClientOptions::default()
            },
            ..options
        };
        let cluster = Cluster::start_as(2, 1, with).await;
        let address = &cluster.addresses[0];
        let mut leader = Leader::connect(address).await;
        leader
            .must_take(append(5, None, &[(5, 0), (5, 1), (5, 2)]))
            .await;
        while cluster.nodes[0].applied_index() < 2 {
            MemoryWorld::sleep(std::time::Duration::from_millis(1)).await;
        }
        let mut wire = Wire::connect(address).await;
        wire.send(&["INFO replication"]).await;
        assert!(wire.bulk().await.contains("\ncannot_follow:no\r"));
        assert!(
            figures(&metrics)
                .await
                .contains("\nsquall_cannot_follow 0\n")
        );

        // A leader that was deposed may have another entry there, and is told.
        let answer = leader.call(append(4, Some((4, 2)), &[])).await;
        let names_it = matches!(
            answer,
            Response::Append(AppendEntriesResponse::HigherVote(_))
        );
        assert!(names_it, "it does not hear of the higher term");
        wire.send(&["INFO replication"]).await;
        assert!(wire.bulk().await.contains("\ncannot_follow:no\r"));

        for _ in 0..50 {
            let answer = leader.call(append(6, Some((6, 2)), &[])).await;
            assert!(matches!(answer, Response::Failed(_)), "it is not refused");
        }
        let why = "node-1 cannot follow node-2: entry ";
        wire.send(&["INFO replication"]).await;
        let info = wire.bulk().await;
        assert!(info.contains(&format!("\ncannot_follow:{why}")), "{info}");
        assert!(
            figures(&metrics)
                .await
                .contains("\nsquall_cannot_follow 1\n")
        );
        // What `--health` asks.
        wire.send(&["READ STALE 1000 DBSIZE"]).await;
        let answer = wire.line().await;
        assert!(answer.starts_with(&format!("-TRYAGAIN {why}")), "{answer}");
        let logged = log.text();
        assert_eq!(logged.matches(why).count(), 1, "{logged}");
        assert!(
            logged.contains("start it with --join, RAFT.ADD 1 "),
            "{logged}"
        );
        let warned = logged.matches("refused what node-2 sent").count();
        assert_eq!(warned, 1, "{logged}");

        // Its leader finds where the logs part, which is not yet to be followed.
        for _ in 0..10 {
            leader.must_take(append(6, Some((5, 1)), &[])).await;
            let answer = leader.call(append(6, Some((5, 1)), &[(6, 2)])).await;
            assert!(matches!(answer, Response::Failed(_)), "it is not refused");
        }
        wire.send(&["INFO replication"]).await;
        let info = wire.bulk().await;
        assert!(info.contains(&format!("\ncannot_follow:{why}")), "{info}");
        let logged = log.text();
        assert_eq!(
            logged.matches("cannot follow node-2").count(),
            1,
            "{logged}"
        );

        leader.must_take(append(7, Some((5, 2)), &[])).await;
        wire.send(&["INFO replication"]).await;
        assert!(wire.bulk().await.contains("\ncannot_follow:no\r"));
        assert!(log.text().contains("follows a leader again"));
    });
}
