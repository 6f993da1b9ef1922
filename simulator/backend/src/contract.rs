//! Checks that a backend keeps the contract of [`crate::site`]: one function, which every
//! backend's tests run on a cluster that has just formed.
//!
//! Only what the traits promise is asserted, so a backend that passes here can be led through
//! a plan. What a world may lack is said in [`Abilities`]. Faults of disks, power and clocks
//! are not here: each of their kinds has scenarios of its own.

use std::time::Duration;

use squall_world::World;

use crate::site::{Change, Configuration, Direction, LinkEffect, Site};

/// How long anything may take that has to happen in the end.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What a backend can do beyond the rest.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    /// Processes can be stopped where they stand.
    pub pauses: bool,
}

/// Leads the cluster through everything that the traits promise. It has at least three
/// members, and every node runs.
///
/// # Panics
/// The backend departs from the contract; the message says where.
pub async fn check<S: Site>(site: &S, abilities: Abilities) {
    let members = site.members();
    assert!(
        members >= 3,
        "the contract is about a cluster of three or more"
    );
    assert!(site.len() >= members, "members are machines");
    until::<S>("a leader with its configuration", || all_vote(site)).await;
    for node in 0..members {
        assert!(site.is_up(node), "node {node} formed the cluster");
        assert_eq!(
            site.data_loss(node),
            None,
            "nothing was done to node {node}"
        );
    }
    processes(site).await;
    links(site).await;
    leadership(site).await;
    if abilities.pauses {
        pauses(site).await;
    }
    membership(site).await;
    site.emit_digests().await;
}

async fn processes<S: Site>(site: &S) {
    let (leader, node) = leader_and_follower(site);
    let killed = site.kill(&[node]).await;
    assert!(!site.is_up(node), "a killed process is gone at once");
    assert_eq!(site.applied(node), None, "who is down has applied nothing");
    assert_eq!(
        site.leader(),
        Some(leader),
        "a follower's end costs no leader"
    );
    let again = site.kill(&[node]).await;
    assert!(again.at_us >= killed.at_us, "what is dead is dead, now");
    site.start(node).await;
    until::<S>("the killed node is level again", || is_level(site, node)).await;
    site.stop(node).await;
    assert!(!site.is_up(node), "a stopped process has ended");
    assert_eq!(
        site.data_loss(node),
        None,
        "neither a kill nor a stop costs data"
    );
    site.start(node).await;
    until::<S>("the stopped node is level again", || is_level(site, node)).await;
    let leader = site.leader().expect("it leads still");
    site.kill(&[leader]).await;
    let other = || site.leader().is_some_and(|now| now != leader);
    until::<S>("another leads when the leader is dead", other).await;
    site.start(leader).await;
    until::<S>("the old leader is level", || is_level(site, leader)).await;
}

async fn links<S: Site>(site: &S) {
    let (leader, follower) = leader_and_follower(site);
    let others = (0..site.members()).filter(|node| *node != leader);
    let around: Vec<Direction> = others
        .flat_map(|other| [(leader, other), (other, leader)])
        .collect();
    // Two faults cut the same links; they carry again when both are over.
    for fault in [1_001, 1_002] {
        let cut = site.apply(fault, &around, LinkEffect::Cut).await;
        cut.expect("links can be cut");
    }
    let other = || site.leader().is_some_and(|now| now != leader);
    until::<S>("another leads when the leader is cut off", other).await;
    assert!(site.is_up(leader), "a cut link ends no process");
    site.remove(1_001).await.expect("the first fault is over");
    S::World::sleep(Duration::from_secs(5)).await;
    let now = site.leader().expect("the majority has one");
    let ahead = site.applied(now) > site.applied(leader);
    assert!(ahead, "the second fault still cuts the links");
    site.remove(1_002).await.expect("the second fault is over");
    until::<S>("who was cut off is level", || is_level(site, leader)).await;
    site.remove(1_002)
        .await
        .expect("it has nothing more to take back");
    until::<S>("the follower is level", || is_level(site, follower)).await;
}

async fn leadership<S: Site>(site: &S) {
    let (_, to) = leader_and_follower(site);
    // Whether it worked shows in who leads; it may be refused while nodes are not level.
    until_asked::<S, _>("the transfer works", async || {
        let _ = site.transfer_leader(to).await;
        site.leader() == Some(to)
    })
    .await;
}

async fn pauses<S: Site>(site: &S) {
    let (leader, node) = leader_and_follower(site);
    site.set_paused(&[node], true)
        .await
        .expect("a pause is seen");
    assert!(site.is_up(node), "a paused process runs");
    assert_eq!(
        site.leader(),
        Some(leader),
        "a paused follower costs no leader"
    );
    site.set_paused(&[node], false)
        .await
        .expect("its end as well");
    until::<S>("who was paused is level", || is_level(site, node)).await;
}

async fn membership<S: Site>(site: &S) {
    let (_, node) = leader_and_follower(site);
    change(site, node, Change::Remove).await;
    assert!(!site.voters()[node], "who was removed has no vote");
    site.kill(&[node]).await;
    site.lose_disk(node, "the contract takes it");
    let why = site.data_loss(node);
    assert_eq!(
        why.as_deref(),
        Some("the contract takes it"),
        "a lost disk is known"
    );
    site.replace(node).await;
    assert_eq!(site.data_loss(node), None, "the new disk has lost nothing");
    if !site.is_up(node) {
        site.start(node).await;
    }
    change(site, node, Change::Add).await;
    assert!(site.voters()[node], "who was added has a vote");
    until::<S>("the new node is level", || is_level(site, node)).await;
}

/// Asks for a change until it is in force.
async fn change<S: Site>(site: &S, node: usize, change: Change) {
    let is_in_force = || {
        let is_done = |now: Configuration| {
            !now.is_changing && now.voters.contains(&node) == (change == Change::Add)
        };
        site.configuration().is_some_and(is_done)
    };
    until_asked::<S, _>("the membership changes", async || {
        if let Some(leader) = site.leader().filter(|_| !is_in_force()) {
            let _ = site.change_member(leader, node, change).await;
        }
        is_in_force()
    })
    .await;
}

fn leader_and_follower<S: Site>(site: &S) -> (usize, usize) {
    let leader = site.leader().expect("the cluster has a leader");
    let follower = (0..site.members()).find(|node| *node != leader);
    (leader, follower.expect("there are several"))
}

fn all_vote<S: Site>(site: &S) -> bool {
    let votes = |now: Configuration| {
        let are_all_in = (0..site.members()).all(|node| now.voters.contains(&node));
        are_all_in && !now.is_changing
    };
    site.configuration().is_some_and(votes)
}

/// Whether the node has applied as much as the leader.
fn is_level<S: Site>(site: &S, node: usize) -> bool {
    let leader = site.leader();
    leader.is_some_and(|leader| site.is_up(node) && site.applied(node) >= site.applied(leader))
}

async fn until<S: Site>(what: &str, condition: impl Fn() -> bool) {
    until_asked::<S, _>(what, async || condition()).await;
}

async fn until_asked<S: Site, F: AsyncFn() -> bool>(what: &str, ask: F) {
    let deadline = S::World::now() + LIMIT;
    while !ask().await {
        assert!(S::World::now() < deadline, "not within {LIMIT:?}: {what}");
        S::World::sleep(LOOK).await;
    }
}
