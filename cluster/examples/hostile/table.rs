//! What brought nodes down when Squall was young, once more.

use std::time::Duration;

use squall_cluster::protocol::BytesFrame;

use crate::client::Client;
use crate::load::closed;
use crate::nodes::{Nodes, Site};
use crate::report::{Report, mib};

const KEYS: u64 = 100_000;
const SETS: u64 = 120_000;
const CLIENTS: usize = 32;
/// Beside the 8 MB that an answer may hold of the value.
const FLAT: u64 = 96 << 20;

pub async fn play(site: &Site, rounds: u64, report: &mut Report) -> Result<(), String> {
    large_reply(site, report).await?;
    mistakes(site, report).await?;
    for round in 1..=rounds {
        let small = values(site, 100, round, report).await?;
        let large = values(site, 5_000, round, report).await?;
        report.row(
            format!("throughput with 5 KB by that with 100 B, round {round}"),
            "at least 0.50",
            format!("{:.2}", large / small),
            large >= small / 2.0,
        );
    }
    Ok(())
}

/// One value of 8 MB, and a request of 8 KB that asks for it a thousand times.
async fn large_reply(site: &Site, report: &mut Report) -> Result<(), String> {
    let mut nodes = Nodes::start(site, &site.node, 1, &[]).await?;
    let mut client = Client::new(&nodes.addresses(), 0);
    let value = vec![b'v'; 8_000_000];
    let failed = |e| format!("{e:?}");
    (client.ask(&[b"SET", b"k", &value]).await).map_err(failed)?;
    let before = nodes.memory(1)?;
    nodes.forget_peak(1)?;
    let words: Vec<&[u8]> = [&b"MGET"[..]]
        .into_iter()
        .chain([&b"k"[..]; 1_000])
        .collect();
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(client.ask(&words).await);
    }
    let refused = |answer: &Result<BytesFrame, _>| matches!(answer, Err(crate::client::Failure::Refused(why)) if why.contains("exceeds the limit"));
    let first = answers
        .first()
        .map(|answer| format!("{answer:?}"))
        .unwrap_or_default();
    report.row(
        "20 × MGET of 1,000 times 8 MB, one node",
        "an error that names the limit",
        first,
        answers.iter().all(refused),
    );
    let grown = nodes.memory(1)?.peak.saturating_sub(before.now);
    let limit = format!("{} more at its peak", mib(FLAT));
    report.row("memory of that node", limit, mib(grown), grown <= FLAT);
    let serves = client.ask(&[b"SET", b"after", b"it"]).await;
    report.row(
        "it goes on",
        "serves",
        format!("{:?}", serves.is_ok()),
        serves.is_ok(),
    );
    report.none("nodes that ended", nodes.ended());
    Ok(())
}

/// A transfer to itself, and a member that nobody answers for.
async fn mistakes(site: &Site, report: &mut Report) -> Result<(), String> {
    let nodes = Nodes::start(site, &site.node, 1, &[]).await?;
    let mut play =
        async |words: &[&str], limit, is_right: fn(&Result<Vec<String>, String>) -> bool| {
            let answer = nodes.ask(1, words).await;
            let serves = nodes.ask(1, &["SET", "a", "b"]).await;
            let measured = format!("{answer:?}, then {serves:?}");
            let what = format!("{} on a cluster of one", words.join(" "));
            report.row(what, limit, measured, is_right(&answer) && serves.is_ok());
        };
    play(&["RAFT.TRANSFER", "1"], "OK, and it serves", Result::is_ok).await;
    let add = ["RAFT.ADD", "2", "127.0.0.1:7999"];
    play(&add, "refused, and it serves", |answer| {
        answer
            .as_ref()
            .is_err_and(|why| why.starts_with("TRYAGAIN"))
    })
    .await;
    Ok(())
}

/// Sets of values of so many bytes; how many a second.
async fn values(site: &Site, bytes: usize, round: u64, report: &mut Report) -> Result<f64, String> {
    let mut nodes = Nodes::start(site, &site.node, 3, &[]).await?;
    let value = vec![b'v'; bytes];
    let call = |number: u64| {
        // A prime, so that all keys come before one comes again.
        let key = format!("key-{}", number * 7_919 % KEYS);
        vec![b"SET".to_vec(), key.into_bytes(), value.clone()]
    };
    let elected = nodes.elections();
    let seen = closed(&nodes.addresses(), CLIENTS, SETS, &call).await;
    let what = |figure: &str| format!("{bytes} B, round {round}: {figure}");
    report.figure(what("sets a second"), format!("{:.0}", seen.rate()));
    match bytes {
        100 => {
            report.figure(what("p99"), crate::report::shown(seen.p99()));
            report.figure(what("worst"), crate::report::shown(seen.worst()));
        }
        _ => {
            report.at_most(what("p99"), Duration::from_millis(50), seen.p99());
            report.at_most(what("worst"), Duration::from_millis(500), seen.worst());
        }
    }
    report.none(what("elections"), nodes.elections() - elected);
    report.none(what("errors"), seen.errors.values().sum());
    report.none(what("nodes that ended"), nodes.ended());
    Ok(seen.rate())
}
