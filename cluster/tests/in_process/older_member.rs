//! A cluster with a member of the release before, which does not greet and would stop at an entry
//! that it does not know: nothing of the kind comes into its log.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use openraft::EntryPayload;
use openraft::raft::{AppendEntriesResponse, VoteResponse};
use squall_cluster::node::Node;
use squall_cluster::raft::wire::{Connection, First, PeerRequest, PeerResponse};
use squall_cluster::raft::{Members, peer_address};
use squall_cluster::state::command::{Command, Request};
use squall_cluster::storage::MemoryDisk;
use squall_cluster::world::World;
use tokio::net::TcpListener;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Wire, free_addresses, options, run, soon};

/// As much of a follower as a leader needs, which takes a greeting for nonsense and hangs up. It
/// answers nothing while it stands still.
async fn follow(listener: TcpListener, stands_still: Rc<Cell<bool>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let stands_still = stands_still.clone();
        MemoryWorld::spawn(async move {
            let mut connection = Connection::new(stream);
            let first = connection
                .receive_first::<PeerRequest<MemoryWorld>>(true)
                .await;
            let Ok(Some(First::Request(mut request))) = first else {
                return;
            };
            loop {
                while stands_still.get() {
                    MemoryWorld::sleep(Duration::from_millis(5)).await;
                }
                let response = answer(request);
                if connection.send(None, &response).await.is_err() {
                    return;
                }
                match connection.receive().await {
                    Ok(Some(next)) => request = next,
                    _ => return,
                }
            }
        });
    }
}

fn answer(request: PeerRequest<MemoryWorld>) -> PeerResponse<MemoryWorld> {
    match request {
        PeerRequest::Append(rpc) => {
            for entry in rpc.entries {
                if let EntryPayload::Normal(proposal) = entry.payload {
                    must_be_known(&postcard::from_bytes(&proposal.0).expect("it is a request"));
                }
            }
            PeerResponse::Append(AppendEntriesResponse::Success)
        }
        PeerRequest::PreVote(rpc) | PeerRequest::Vote(rpc) => {
            PeerResponse::Vote(VoteResponse::new(rpc.vote, None, true))
        }
        _ => PeerResponse::Failed("it does not know this message".into()),
    }
}

/// What the release before had.
fn must_be_known(request: &Request) {
    let unknown = matches!(
        request.command,
        Command::String(_) | Command::List(_) | Command::Transaction { .. } | Command::Raise { .. }
    );
    assert!(!unknown, "the older member stops at {request:?}");
}

/// A node that leads the two of them, where it is reached, and whether the other stands still.
pub async fn lead() -> (Node<MemoryWorld>, String, Rc<Cell<bool>>) {
    let addresses = free_addresses(2);
    let members: Members = (1..).zip(addresses.iter().cloned()).collect();
    let peers = peer_address(&addresses[1]).expect("it has a port");
    let listener = TcpListener::bind(&peers).await.expect("the port is free");
    let stands_still = Rc::default();
    MemoryWorld::spawn(follow(listener, Rc::clone(&stands_still)));
    let started = Node::start(options(1, &addresses[0], &members), MemoryDisk::new());
    let node: Node<MemoryWorld> = started.await.expect("the port is free");
    let deadline = soon();
    while !node.is_leading() {
        assert!(MemoryWorld::now() < deadline, "nobody leads");
        MemoryWorld::sleep(Duration::from_millis(10)).await;
    }
    (node, addresses[0].clone(), stands_still)
}

#[test]
fn nothing_that_an_older_member_does_not_know_is_put_into_the_log() {
    run(async {
        let (node, address, _) = lead().await;
        let mut wire = Wire::connect(&address).await;
        let before = node.applied_index();
        wire.send(&["SET a 1", "INCR a", "QUEUE.PUBLISH q m", "GET a"])
            .await;
        wire.expect("+OK,:2,:1,$1,2").await;
        assert!(node.applied_index() >= before + 3, "an entry for each");
        for command in ["APPEND a x", "QUEUE.DELETE q", "MSET a 1 b 2", "RPUSH l x"] {
            wire.send(&[command]).await;
            let answer = wire.line().await;
            let why = "-TRYAGAIN node-2 has not said that it knows this command";
            assert!(answer.starts_with(why), "{command}: {answer}");
        }
        wire.send(&["MULTI", "SET a 5", "EXEC", "GET a"]).await;
        wire.expect("+OK,+QUEUED").await;
        assert!(wire.line().await.starts_with("-TRYAGAIN node-2"));
        wire.expect("$1,2").await;
        assert_eq!(node.level(), 0);
    });
}
