//! What a node of Redis says of itself.

use squall_world::Instant;

use super::Topology;
use super::connection::{Connection, Frame, list, number, text};
use crate::outcome::Trouble;
use crate::status::{Role, Status};

/// The role of the node at `address`. The term is the epoch of its Sentinel, or of the cluster;
/// alone there is none. `sentinel` is the address of the node's own.
pub(crate) async fn status(
    topology: &Topology,
    address: &str,
    sentinel: Option<&str>,
    deadline: Instant,
) -> Option<Status> {
    let role = ask(address, &[b"ROLE"], deadline).await?;
    let mut role = list(role).into_iter();
    let name = text(&role.next()?)?;
    let is_master = name == "master";
    // A master tells its offset next; a replica, after whom it follows, and how that goes.
    let applied = role.nth(if is_master { 0 } else { 3 });
    let term = match (topology, sentinel) {
        (Topology::Single, _) | (Topology::Sentinel { .. }, None) => None,
        (Topology::Sentinel { master, .. }, Some(sentinel)) => {
            config_epoch(sentinel, master, deadline).await
        }
        (Topology::Cluster, _) => my_epoch(address, deadline).await,
    };
    Some(Status {
        role: if is_master {
            Role::Leader
        } else {
            Role::Follower
        },
        term,
        applied: applied.as_ref().and_then(number),
    })
}

/// Rises with every failover.
async fn config_epoch(sentinel: &str, master: &str, deadline: Instant) -> Option<u64> {
    let question: [&[u8]; 3] = [b"SENTINEL", b"master", master.as_bytes()];
    let fields = list(ask(sentinel, &question, deadline).await?);
    let mut pairs = fields.chunks_exact(2);
    let epoch = pairs.find(|pair| text(&pair[0]).as_deref() == Some("config-epoch"))?;
    number(&epoch[1])
}

async fn my_epoch(address: &str, deadline: Instant) -> Option<u64> {
    let info = text(&ask(address, &[b"CLUSTER", b"INFO"], deadline).await?)?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("cluster_my_epoch:"))?;
    line.trim().parse().ok()
}

async fn ask(address: &str, arguments: &[&[u8]], deadline: Instant) -> Option<Frame> {
    let answer: Result<Frame, Trouble> = async {
        let mut connection = Connection::open(address, deadline).await?;
        connection.call(arguments, deadline).await
    }
    .await;
    answer
        .ok()
        .filter(|frame| !matches!(frame, Frame::Error(_)))
}
