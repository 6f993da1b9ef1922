//! A large state: a node that was wiped joins by a snapshot, and one is started again, while
//! clients go on.

use std::time::Duration;

use squall_cluster::world::{RealWorld, World};

use crate::load::{closed, paced};
use crate::nodes::{Nodes, Site};
use crate::report::{Report, mib, shown};

const VALUE: usize = 16 * 1024;
const CLIENTS: usize = 32;
/// Commands a second of those that go on.
const RATE: u64 = 1_000;
const SETTLE: Duration = Duration::from_secs(15);
const BEFORE: Duration = Duration::from_secs(20);
const RESTART: Duration = Duration::from_secs(15);
/// Peak of memory of a node that starts again, by its state.
const TIMES: f64 = 2.5;

pub async fn play(site: &Site, state_mib: u64, report: &mut Report) -> Result<(), String> {
    let keys = (state_mib << 20) / VALUE as u64;
    let most = (keys * 2).max(100_000).to_string();
    let mut nodes = Nodes::start(site, &site.node, 3, &["--cache-entries", &most]).await?;
    let addresses = nodes.addresses();
    let fill = |number: u64| {
        // No two values are alike, nor compressible.
        let word = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
        vec![
            b"SET".to_vec(),
            key(number),
            word.repeat(VALUE / word.len()),
        ]
    };
    let filled = closed(&addresses, CLIENTS, keys, &fill).await;
    report.figure(
        format!("a state of {state_mib} MiB, {keys} values of 16 KiB: set in"),
        format!("{:.0} s, worst {}", filled.seconds, shown(filled.worst())),
    );
    for id in 1..=3 {
        nodes.caught_up(id).await?;
    }

    let call = |number: u64| match number % 2 {
        0 => vec![b"SET".to_vec(), small(number), vec![b'v'; 100]],
        _ => vec![b"GET".to_vec(), key(number * 7_919 % keys)],
    };
    // Clients find the leader, and what was set comes to rest on the disk.
    let settling = RealWorld::sleep(SETTLE);
    paced(&addresses, CLIENTS, RATE, &call, settling).await;
    let waiting = RealWorld::sleep(BEFORE);
    let (before, ()) = paced(&addresses, CLIENTS, RATE, &call, waiting).await;

    let wiped = nodes.follower().await?;
    let elected = nodes.elections();
    let joining = async {
        // By then every client has found the leader.
        RealWorld::sleep(Duration::from_secs(2)).await;
        let joined = replace(&mut nodes, wiped).await;
        // What it takes to come to rest counts as well.
        RealWorld::sleep(Duration::from_secs(5)).await;
        joined
    };
    let (during, joined) = paced(&addresses, CLIENTS, RATE, &call, joining).await;
    let joined = joined?;
    report.figure(
        format!("a wiped node, while {RATE} commands a second go on: removed, added, caught up in"),
        shown(joined),
    );
    let by_snapshot = nodes.installed_snapshot(wiped);
    report.row(
        "it came by a snapshot",
        "yes",
        format!("{by_snapshot}"),
        by_snapshot,
    );
    report.none("elections meanwhile", nodes.elections() - elected);
    report.figure(
        "p99 before, worst",
        format!("{}, {}", shown(before.p99()), shown(before.worst())),
    );
    report.at_most(
        "p99 meanwhile, at most twice that",
        before.p99() * 2,
        during.p99(),
    );
    report.figure("worst meanwhile", shown(during.worst()));
    let errors = during.errors.values().sum();
    report.none(format!("errors meanwhile {:?}", during.errors), errors);

    let again = nodes.follower().await?;
    nodes.stop(again).await?;
    let begun = RealWorld::now();
    nodes.start_node(again)?;
    nodes.caught_up(again).await?;
    report.at_most(
        "a follower is stopped and started again: has caught up after",
        RESTART,
        RealWorld::now() - begun,
    );
    let peak = nodes.memory(again)?.peak;
    let times = peak as f64 / (state_mib << 20) as f64;
    report.row(
        "its memory, at its peak, by the state",
        format!("{TIMES:.2}"),
        format!("{times:.2} ({})", mib(peak)),
        times <= TIMES,
    );
    report.none("nodes that ended", nodes.ended());
    Ok(())
}

fn key(number: u64) -> Vec<u8> {
    format!("large-{number}").into_bytes()
}

fn small(number: u64) -> Vec<u8> {
    format!("small-{}", number % 1_000).into_bytes()
}

/// Kills a follower, throws its data away, and has it join again; how long that took.
async fn replace(nodes: &mut Nodes, id: usize) -> Result<Duration, String> {
    let begun = RealWorld::now();
    nodes.kill_and_wipe(id).await?;
    let leader = nodes.leader().await?;
    let (number, address) = (id.to_string(), nodes.address(id));
    nodes.ask(leader, &["RAFT.REMOVE", &number]).await?;
    nodes.start_joining(id)?;
    let deadline = RealWorld::now() + Duration::from_secs(60);
    loop {
        match nodes.ask(leader, &["RAFT.ADD", &number, &address]).await {
            Ok(_) => break,
            Err(why) if RealWorld::now() >= deadline => return Err(why),
            Err(why) => eprintln!("  {why}"),
        }
    }
    nodes.caught_up(id).await?;
    Ok(RealWorld::now() - begun)
}
