//! As many connections as a node takes, half of which stall in the middle of a request.

use std::time::Duration;

use futures_util::future::join_all;
use squall_cluster::world::{RealStream, RealWorld, World, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::load::paced;
use crate::nodes::{Nodes, Site};
use crate::report::{Report, mib};

/// For so long the others ask.
const LENGTH: Duration = Duration::from_secs(30);
/// Seconds that a connection may be idle, in the end.
const TIMEOUT: u64 = 3;
/// A command, of which those who stall send a part.
const COMMAND: &[u8] = b"*3\r\n$3\r\nSET\r\n$5\r\nstall\r\n$10\r\n0123456789\r\n";
const PART: usize = 34;

pub async fn play(site: &Site, connections: u64, report: &mut Report) -> Result<(), String> {
    let most = connections.to_string();
    let mut nodes = Nodes::start(site, &site.node, 3, &["--max-clients", &most]).await?;
    let leader = nodes.leader().await?;
    let address = nodes.address(leader);
    let elected = nodes.elections();
    let half = connections / 2;
    let mut stalled = Vec::new();
    for _ in 0..half {
        stalled.push(stall(&address).await?);
    }
    let call = |number: u64| {
        let key = format!("key-{}", number % 1_000).into_bytes();
        match number % 2 {
            0 => vec![b"SET".to_vec(), key, vec![b'v'; 100]],
            _ => vec![b"GET".to_vec(), key],
        }
    };
    // Each of the others asks once in two seconds; they connect with their first command.
    let only = [address.clone()];
    let others = (half as usize, half / 2);
    let watch = async {
        RealWorld::sleep(LENGTH / 2).await;
        let refused = one_more(&address).await;
        RealWorld::sleep(LENGTH / 2).await;
        refused
    };
    let (seen, refused) = paced(&only, others.0, others.1, &call, watch).await;
    let memory = nodes.memory(leader)?;
    report.figure(
        format!("{half} connections that ask while {half} stall: commands served"),
        format!("{} in {} s", seen.count(), LENGTH.as_secs()),
    );
    report.at_most("their p99", Duration::from_millis(100), seen.p99());
    report.at_most("their worst", Duration::from_secs(2), seen.worst());
    report.none("their errors", seen.errors.values().sum());
    let names = refused.contains("max number of clients") && refused.contains("--max-clients");
    report.row(
        "one more connection",
        "an error that names the limit",
        refused,
        names,
    );
    let limit = 512 << 20;
    report.row(
        "memory of the node, at its peak",
        mib(limit),
        mib(memory.peak),
        memory.peak <= limit,
    );
    report.none("elections", nodes.elections() - elected);

    let (finish, stay) = stalled.split_at_mut(half as usize / 2);
    let finished = join_all(finish.iter_mut().map(end_request)).await;
    let unserved = finished
        .iter()
        .filter(|answer| *answer != "+OK\r\n")
        .count();
    report.none(
        "of those who stalled and go on at last, half of them: not served",
        unserved as u64,
    );
    let timeout_s = TIMEOUT.to_string();
    let configured = nodes
        .ask(leader, &["CONFIG", "SET", "timeout", &timeout_s])
        .await;
    configured?;
    let limit = Duration::from_secs(TIMEOUT + 5);
    let ended = join_all(stay.iter_mut().map(|stream| hangs_up(stream, limit))).await;
    let open = ended.iter().filter(|ended| !**ended).count();
    report.none(
        format!(
            "of the other half, after CONFIG SET timeout {TIMEOUT}: not disconnected within {} s",
            limit.as_secs()
        ),
        open as u64,
    );
    report.none("nodes that ended", nodes.ended());
    Ok(())
}

/// A connection on which a part of a command was sent.
async fn stall(address: &str) -> Result<RealStream, String> {
    let connected = timeout::<RealWorld, _>(Duration::from_secs(10), RealWorld::connect(address));
    let connected = connected.await.map_err(|_| "cannot connect in 10 s")?;
    let mut stream = connected.map_err(|e| format!("cannot connect: {e}"))?;
    let sent = stream.write_all(&COMMAND[..PART]).await;
    sent.map_err(|e| format!("cannot send: {e}"))?;
    Ok(stream)
}

/// What a connection hears on which nothing is said.
async fn one_more(address: &str) -> String {
    let heard = async {
        let mut stream = RealWorld::connect(address).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        std::io::Result::Ok(text.trim_end().to_owned())
    };
    match timeout::<RealWorld, _>(Duration::from_secs(10), heard).await {
        Ok(heard) => heard.unwrap_or_else(|e| e.to_string()),
        Err(_) => "nothing in 10 s".into(),
    }
}

async fn end_request(stream: &mut RealStream) -> String {
    let exchange = async {
        stream.write_all(&COMMAND[PART..]).await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    match timeout::<RealWorld, _>(Duration::from_secs(20), exchange).await {
        Ok(answer) => answer.unwrap_or_else(|e| e.to_string()),
        Err(_) => "no answer".into(),
    }
}

async fn hangs_up(stream: &mut RealStream, limit: Duration) -> bool {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    timeout::<RealWorld, _>(limit, read).await.is_ok()
}
