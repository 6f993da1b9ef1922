//! What a node of Redis says of itself.
//!
//! A role and a term belong together, or they are no answer: in a failover a replica calls
//! itself the master before anybody has numbered that, so its old number would name two
//! masters. Of Sentinels, a node leads if its own Sentinel names it and it agrees, in that
//! Sentinel's epoch. Of a cluster, in which every shard has a master and an epoch of its own,
//! one shard is looked at: the one that has [`SLOT`].

use squall_world::Instant;

use super::Topology;
use super::connection::{Connection, Frame, list, number, text};
use crate::outcome::Trouble;
use crate::role::{Role, Status};

/// Whoever has this slot of a cluster is called its leader.
const SLOT: u16 = 0;

/// The role of the node at `address`, and the term of that. `sentinel` is the address of the
/// node's own.
pub(crate) async fn status(
    topology: &Topology,
    address: &str,
    sentinel: Option<&str>,
    deadline: Instant,
) -> Option<Status> {
    match topology {
        Topology::Single => {
            let (is_master, applied) = role(address, deadline).await?;
            Some(Status {
                role: part(is_master),
                term: None,
                applied,
            })
        }
        Topology::Sentinel { master, .. } => {
            let (named, epoch) = named(sentinel?, master, deadline).await?;
            let (is_master, applied) = role(address, deadline).await?;
            Some(Status {
                role: part(is_master && named == address),
                term: Some(epoch),
                applied,
            })
        }
        Topology::Cluster => {
            let question: [&[u8]; 2] = [b"CLUSTER", b"NODES"];
            let mut connection = Connection::open(address, deadline).await.ok()?;
            let answer = ask(&mut connection, &question, deadline).await?;
            of_shard(&text(&answer)?)
        }
    }
}

fn part(leads: bool) -> Role {
    match leads {
        true => Role::Leader,
        false => Role::Follower,
    }
}

/// Whether the node calls itself a master, and how far it has come.
async fn role(address: &str, deadline: Instant) -> Option<(bool, Option<u64>)> {
    let mut connection = Connection::open(address, deadline).await.ok()?;
    let role = ask(&mut connection, &[b"ROLE"], deadline).await?;
    let mut role = list(role).into_iter();
    let is_master = text(&role.next()?)? == "master";
    // A master tells its offset next; a replica, after whom it follows, and how that goes.
    let applied = role.nth(if is_master { 0 } else { 3 });
    Some((is_master, applied.as_ref().and_then(number)))
}

/// Whom a Sentinel names as the master, and in which epoch. They are two questions, so the
/// epoch is asked for before and after: it rises when another master is named.
async fn named(sentinel: &str, master: &str, deadline: Instant) -> Option<(String, u64)> {
    let mut connection = Connection::open(sentinel, deadline).await.ok()?;
    let before = config_epoch(&mut connection, master, deadline).await?;
    let question: [&[u8]; 3] = [b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()];
    let address = list(ask(&mut connection, &question, deadline).await?);
    let [ip, port] = address.as_slice() else {
        return None;
    };
    let address = format!("{}:{}", text(ip)?, text(port)?);
    let after = config_epoch(&mut connection, master, deadline).await?;
    (before == after).then_some((address, after))
}

/// Rises with every failover.
async fn config_epoch(sentinel: &mut Connection, master: &str, deadline: Instant) -> Option<u64> {
    let question: [&[u8]; 3] = [b"SENTINEL", b"master", master.as_bytes()];
    let fields = list(ask(sentinel, &question, deadline).await?);
    let mut pairs = fields.chunks_exact(2);
    let epoch = pairs.find(|pair| text(&pair[0]).as_deref() == Some("config-epoch"))?;
    number(&epoch[1])
}

/// What the lines of `CLUSTER NODES` say of the node that was asked: its part in the shard of
/// [`SLOT`], and the epoch of its own shard, which no two masters share once there are slots.
/// Offsets are those of each shard, so that nothing says how far all have come.
fn of_shard(nodes: &str) -> Option<Status> {
    let fields = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let is_own = |fields: &Vec<String>| {
        let flags = fields.get(2);
        flags.is_some_and(|flags| flags.split(',').any(|flag| flag == "myself"))
    };
    let own = nodes.lines().map(fields).find(is_own)?;
    let is_master = own[2].split(',').any(|flag| flag == "master");
    let has_slot = |range: &String| {
        let (first, last) = range
            .split_once('-')
            .unwrap_or((range.as_str(), range.as_str()));
        // `[93-<-…]` is a slot on its way.
        let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        bounds.is_some_and(|(first, last)| (first..=last).contains(&SLOT))
    };
    Some(Status {
        role: part(is_master && own.iter().skip(8).any(has_slot)),
        term: Some(own.get(6)?.parse().ok()?),
        applied: None,
    })
}

async fn ask(connection: &mut Connection, arguments: &[&[u8]], deadline: Instant) -> Option<Frame> {
    let answer: Result<Frame, Trouble> = connection.call(arguments, deadline).await;
    answer
        .ok()
        .filter(|frame| !matches!(frame, Frame::Error(_)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use squall_world::{RealWorld, World};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::testing::in_real_world;

    /// Answers commands by their words as a server would; its address.
    #[allow(clippy::disallowed_methods)] // a server of the real world
    async fn server(answers: impl IntoIterator<Item = (&'static str, Vec<String>)>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let mut answers: BTreeMap<&str, Vec<String>> = answers.into_iter().collect();
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = [0; 1_000];
                while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                    let sent = String::from_utf8_lossy(&bytes[..count]).into_owned();
                    let words: Vec<&str> = sent.lines().skip(2).step_by(2).take(2).collect();
                    let known = answers.get_mut(words.join(" ").as_str());
                    let known = known.unwrap_or_else(|| panic!("nobody asks {sent}"));
                    let answer = match known.len() {
                        1 => known[0].clone(),
                        _ => known.remove(0),
                    };
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            }
        });
        address
    }

    fn words(words: &[&str]) -> String {
        let parts = words
            .iter()
            .map(|word| format!("${}\r\n{word}\r\n", word.len()));
        format!("*{}\r\n{}", words.len(), parts.collect::<String>())
    }

    const MASTER: &str = "*3\r\n$6\r\nmaster\r\n:70\r\n*0\r\n";

    /// What is said of a node that calls itself the master, whose Sentinel names `other` or
    /// the node, and its epoch in turns.
    async fn status_of(names_other: bool, epochs: &[&str]) -> Option<Status> {
        let node = server([("ROLE", vec![MASTER.to_owned()])]).await;
        let other = "10.9.9.9:6379".to_owned();
        let (ip, port) = match names_other {
            true => other.rsplit_once(':'),
            false => node.rsplit_once(':'),
        }
        .expect("an address");
        let epochs = epochs.iter();
        let epochs = epochs.map(|epoch| words(&["name", "m", "config-epoch", epoch]));
        let sentinel = server([
            ("SENTINEL master", epochs.collect()),
            ("SENTINEL get-master-addr-by-name", vec![words(&[ip, port])]),
        ])
        .await;
        let topology = Topology::Sentinel {
            addresses: vec![sentinel.clone()],
            master: "m".into(),
        };
        let deadline = RealWorld::now() + Duration::from_secs(5);
        status(&topology, &node, Some(&sentinel), deadline).await
    }

    #[test]
    fn a_master_leads_when_its_own_sentinel_names_it_in_one_epoch() {
        in_real_world(async {
            let at = |role, term| {
                Some(Status {
                    role,
                    term: Some(term),
                    applied: Some(70),
                })
            };
            assert_eq!(status_of(false, &["4"]).await, at(Role::Leader, 4));
            // Promoted, and its Sentinel has not heard of it: the old epoch is another's.
            assert_eq!(status_of(true, &["4"]).await, at(Role::Follower, 4));
            // Between the two questions another was named.
            assert_eq!(status_of(false, &["4", "5"]).await, None);
        });
    }

    #[test]
    fn a_node_whose_sentinel_is_gone_has_no_answer() {
        in_real_world(async {
            let node = server([("ROLE", vec![MASTER.to_owned()])]).await;
            let topology = Topology::Sentinel {
                addresses: Vec::new(),
                master: "m".into(),
            };
            let deadline = RealWorld::now() + Duration::from_secs(5);
            let gone = Some("127.0.0.1:1");
            assert_eq!(status(&topology, &node, gone, deadline).await, None);
            assert_eq!(status(&topology, &node, None, deadline).await, None);
        });
    }

    #[test]
    fn who_has_the_slot_leads_a_cluster() {
        let line = |flags: &str, epoch: u64, slots: &str| {
            let other = "b 10.0.0.2:6379@16379 master - 0 0 9 connected 0-5460";
            format!("a 10.0.0.1:6379@16379 {flags} - 0 0 {epoch} connected{slots}\n{other}\n")
        };
        let said = |flags, epoch, slots| {
            let status = of_shard(&line(flags, epoch, slots)).expect("it is there");
            assert_eq!(status.applied, None, "offsets of shards are not alike");
            (status.role, status.term)
        };
        let (leads, follows) = (Role::Leader, Role::Follower);
        assert_eq!(said("myself,master", 3, " 0-5460"), (leads, Some(3)));
        assert_eq!(said("myself,master", 3, " 7 0"), (leads, Some(3)));
        // Before the cluster is made all are masters, of nothing.
        assert_eq!(said("myself,master", 0, ""), (follows, Some(0)));
        assert_eq!(said("myself,master", 2, " 5461-10922"), (follows, Some(2)));
        assert_eq!(said("myself,master", 2, " [0-<-b]"), (follows, Some(2)));
        assert_eq!(said("myself,slave", 4, ""), (follows, Some(4)));
        assert_eq!(
            of_shard("b 10.0.0.2:6379@16379 master - 0 0 9 connected"),
            None
        );
    }
}
