//! Ten times as many commands as the cluster can bear, from clients that wait for no answer.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::{join, join_all, join3};
use squall_cluster::protocol::{BytesFrame, encode_call, next_frame};
use squall_cluster::world::{Instant, RealWorld, World, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Client, Failure};
use crate::load::{Seen, closed};
use crate::nodes::{Nodes, Site};
use crate::report::{Report, mib, shown};

const CAPACITY_CLIENTS: usize = 64;
const CAPACITY_COMMANDS: u64 = 60_000;
const TIMES: f64 = 10.0;
const CONNECTIONS: usize = 256;
const LENGTH: Duration = Duration::from_secs(15);
/// Commands are made in steps of this length.
const STEP: Duration = Duration::from_millis(10);
/// What a client keeps that its connection does not take; what is more it gives up.
const MOST_UNSENT: usize = 16 * 1024;
const RECOVERY: Duration = Duration::from_secs(5);
/// Before the load and after it somebody asks so often.
const PROBE_EVERY: Duration = Duration::from_millis(20);
const MEMORY: u64 = 1 << 30;

/// What the clients saw that wait for nothing.
#[derive(Default)]
struct Flood {
    offered: u64,
    sent: u64,
    served: u64,
    errors: BTreeMap<String, u64>,
    /// The connection ended.
    lost: u64,
    seen: Seen,
}

pub async fn play(site: &Site, report: &mut Report) -> Result<(), String> {
    let mut nodes = Nodes::start(site, &site.node, 3, &[]).await?;
    let leader = nodes.leader().await?;
    let addresses = nodes.addresses();
    let capacity = closed(&addresses, CAPACITY_CLIENTS, CAPACITY_COMMANDS, &put).await;
    report.figure(
        format!("CACHE.PUT of 100 B by {CAPACITY_CLIENTS} clients in closed loop"),
        format!("{:.0} a second", capacity.rate()),
    );
    let elected = nodes.elections();
    let ends = RealWorld::now() + LENGTH + Duration::from_secs(2);
    let end = Cell::new(None);
    let flooding = async {
        RealWorld::sleep(Duration::from_secs(2)).await;
        let flood = flood(&addresses[leader - 1], capacity.rate() * TIMES).await;
        end.set(Some(RealWorld::now()));
        flood
    };
    let (probes, flood) = join(probe(&addresses, ends), flooding).await;
    let end = end.get().unwrap_or(ends);

    let rate = flood.offered as f64 / LENGTH.as_secs_f64();
    report.row(
        format!("commands offered by {CONNECTIONS} clients that wait for nothing"),
        format!("{TIMES:.0} times that"),
        format!("{rate:.0} a second, for {} s", LENGTH.as_secs()),
        rate >= capacity.rate() * TIMES * 0.9,
    );
    report.figure(
        "of them taken from their clients, served, answered with an error",
        format!(
            "{}, {}, {}",
            flood.sent,
            flood.served,
            flood.errors.values().sum::<u64>()
        ),
    );
    let errors: Vec<String> = (flood.errors.iter())
        .map(|(kind, count)| format!("{count} × {kind}"))
        .collect();
    // All of them say that the command had no effect.
    let clear = ["TRYAGAIN", "OOM", "MOVED", "CLUSTERDOWN"];
    let is_clear = |kind: &String| clear.iter().any(|code| kind.starts_with(code));
    report.row(
        "errors that they got",
        "without effect, and saying so",
        if errors.is_empty() {
            "none".into()
        } else {
            errors.join(", ")
        },
        flood.errors.keys().all(is_clear),
    );
    report.none("connections of theirs that were broken", flood.lost);
    report.figure(
        "answers took, p50 and worst",
        format!(
            "{}, {}",
            shown(flood.seen.permille(500)),
            shown(flood.seen.worst())
        ),
    );
    let during = probes.between(Some(end - LENGTH), Some(end));
    report.figure(
        "one who asked and waited meanwhile: p50, worst",
        format!("{}, {}", shown(during.permille(500)), shown(during.worst())),
    );
    report.none("elections", nodes.elections() - elected);
    let peak = nodes.memory(leader)?.peak;
    report.row(
        "memory of the leader, at its peak",
        mib(MEMORY),
        mib(peak),
        peak <= MEMORY,
    );
    let before = probes.between(None, Some(end - LENGTH));
    let usual = (before.p99() * 2).max(Duration::from_millis(50));
    report.at_most(
        format!(
            "from the end until answers take {} again, and go on so",
            shown(usual)
        ),
        RECOVERY,
        probes.last_slower(usual, end),
    );
    report.none("nodes that ended", nodes.ended());
    Ok(())
}

/// A command that shares no entry of the log, so that waiting for nothing makes none cheaper.
fn put(number: u64) -> Vec<Vec<u8>> {
    let key = format!("key-{}", number * 7_919 % 100_000);
    vec![b"CACHE.PUT".to_vec(), key.into_bytes(), vec![b'v'; 100]]
}

/// When somebody asked, and how long the answer took, an error included.
struct Probes(Vec<(Instant, Duration)>);

impl Probes {
    fn between(&self, from: Option<Instant>, to: Option<Instant>) -> Seen {
        let mut seen = Seen::default();
        for (at, took) in &self.0 {
            if from.is_none_or(|from| from <= *at) && to.is_none_or(|to| *at < to) {
                seen.note(*took);
            }
        }
        seen
    }

    /// How long after `end` the last answer came that took longer.
    fn last_slower(&self, usual: Duration, end: Instant) -> Duration {
        let after = self
            .0
            .iter()
            .filter(|(at, took)| *at + *took > end && *took > usual);
        let last = after.map(|(at, took)| *at + *took - end).max();
        last.unwrap_or_default()
    }
}

/// Asks and waits, now and for twice the time of recovery after `ends`.
async fn probe(addresses: &[String], ends: Instant) -> Probes {
    let mut probes = Vec::new();
    let mut client = Client::new(addresses, 0);
    while RealWorld::now() < ends + RECOVERY * 2 {
        let begun = RealWorld::now();
        loop {
            match client.ask(&[b"SET", b"probe", b"v"]).await {
                Ok(_) => break,
                Err(_) => RealWorld::sleep(Duration::from_millis(5)).await,
            }
        }
        probes.push((begun, RealWorld::now() - begun));
        RealWorld::sleep(PROBE_EVERY).await;
    }
    Probes(probes)
}

/// All of it to one node, for as long as it lasts; then the clients hang up.
async fn flood(address: &str, rate: f64) -> Flood {
    let flood = RefCell::new(Flood::default());
    let ends = RealWorld::now() + LENGTH;
    let all = (0..CONNECTIONS).map(|at| pour(address, at, rate / CONNECTIONS as f64, ends, &flood));
    join_all(all).await;
    flood.into_inner()
}

async fn pour(address: &str, at: usize, rate: f64, ends: Instant, flood: &RefCell<Flood>) {
    let Ok(stream) = RealWorld::connect(address).await else {
        flood.borrow_mut().lost += 1;
        return;
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let unsent: RefCell<BytesMut> = RefCell::default();
    let asked: RefCell<VecDeque<Instant>> = RefCell::default();
    let begun = RealWorld::now();
    let make = async {
        let mut made = 0;
        while RealWorld::now() < ends {
            let due = ((RealWorld::now() - begun).as_secs_f64() * rate) as u64;
            flood.borrow_mut().offered += due - made;
            for number in made..due {
                let mut unsent = unsent.borrow_mut();
                if unsent.len() > MOST_UNSENT {
                    break;
                }
                let words = put(number * CONNECTIONS as u64 + at as u64);
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                encode_call(&mut unsent, &words);
                asked.borrow_mut().push_back(RealWorld::now());
                flood.borrow_mut().sent += 1;
            }
            made = due;
            RealWorld::sleep(STEP).await;
        }
    };
    let send = async {
        loop {
            let bytes = unsent.borrow_mut().split();
            if bytes.is_empty() {
                RealWorld::sleep(STEP).await;
            } else if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let listen = async {
        let mut input = BytesMut::new();
        loop {
            while let Ok(Some(frame)) = next_frame(&mut input) {
                let mut flood = flood.borrow_mut();
                let begun = asked.borrow_mut().pop_front();
                if let Some(begun) = begun {
                    flood.seen.note(RealWorld::now() - begun);
                }
                match frame {
                    BytesFrame::Error(text) => {
                        let kind = Failure::Refused(text.to_string()).kind();
                        *flood.errors.entry(kind).or_default() += 1;
                    }
                    _ => flood.served += 1,
                }
            }
            input.reserve(16 * 1024);
            if !matches!(reader.read_buf(&mut input).await, Ok(1..)) {
                flood.borrow_mut().lost += 1;
                return;
            }
        }
    };
    // Time ends all three.
    let rest = ends - RealWorld::now();
    let _ = timeout::<RealWorld, _>(rest, join3(make, send, listen)).await;
}
