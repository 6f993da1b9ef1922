//! The shortest conversation with a node: how long an answer takes, and whether it leads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{CalibrateError, processor};
use crate::stopwatch::Stopwatch;

/// A node that is silent for so long does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Not measured: the first ones open the connection's window.
const WARM: usize = 20;

/// Questions that every node answers at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// How long each took from question to answer, without waiting for a processor at either
    /// end; nanoseconds, in rising order.
    pub round_trips_ns: Vec<u64>,
    /// Processor time of a question, nanoseconds: of the node that answers, and of the thread
    /// that asks.
    pub node_ns: u64,
    /// See `node_ns`.
    pub asker_ns: u64,
}

/// Asks each node `count` times.
pub(super) fn questions(
    addresses: &[String],
    processes: &[u32],
    count: usize,
) -> Result<Questions, CalibrateError> {
    let mut round_trips_ns = Vec::new();
    let (mut node_ns, mut asker_ns) = (0, 0);
    for (address, pid) in addresses.iter().zip(processes) {
        let used_before_ns = processor::used_ns(*pid)?;
        for asked in ping(address, *pid, count).map_err(|e| failed(address, &e))? {
            round_trips_ns.push(asked.took_ns);
            asker_ns += asked.used_ns;
        }
        node_ns += processor::used_ns(*pid)?.saturating_sub(used_before_ns);
    }
    let asked = round_trips_ns.len().max(1) as u64;
    round_trips_ns.sort_unstable();
    Ok(Questions {
        round_trips_ns,
        // Nodes have been asked a few times more than counts.
        node_ns: node_ns / (asked + (WARM * addresses.len()) as u64),
        asker_ns: asker_ns / asked,
    })
}

/// One question, nanoseconds.
struct Asked {
    /// Without waiting for processors.
    took_ns: u64,
    /// Processor time of this thread.
    used_ns: u64,
}

fn ping(address: &str, pid: u32, count: usize) -> std::io::Result<Vec<Asked>> {
    let mut connection = connect(address)?;
    let mut asked = Vec::with_capacity(count);
    let mut line = String::new();
    let waited_ns = || processor::waited_here_ns() + processor::waited_ns(pid);
    for round in 0..WARM + count {
        let waited_before_ns = waited_ns();
        let used_before_ns = processor::used_here_ns();
        let watch = Stopwatch::start();
        connection.get_mut().write_all(b"*1\r\n$4\r\nPING\r\n")?;
        line.clear();
        connection.read_line(&mut line)?;
        let took_ns = watch.elapsed().as_nanos() as u64;
        let used_ns = processor::used_here_ns() - used_before_ns;
        if round >= WARM {
            let took_ns = took_ns.saturating_sub(waited_ns() - waited_before_ns);
            asked.push(Asked { took_ns, used_ns });
        }
        if line != "+PONG\r\n" {
            return Err(std::io::Error::other(format!(
                "no squall-node: PING was answered with {line:?}"
            )));
        }
    }
    Ok(asked)
}

/// Which of the nodes leads, by what they say of themselves.
pub(super) fn leader(addresses: &[String]) -> Result<Option<usize>, CalibrateError> {
    for (index, address) in addresses.iter().enumerate() {
        if leads(address).map_err(|e| failed(address, &e))? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn leads(address: &str) -> std::io::Result<bool> {
    let mut connection = connect(address)?;
    let question = b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n";
    connection.get_mut().write_all(question)?;
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let length = line
        .trim_end()
        .strip_prefix('$')
        .and_then(|n| n.parse().ok());
    let length: u64 = length.ok_or_else(|| std::io::Error::other("INFO is not answered"))?;
    let mut text = String::new();
    connection.take(length).read_to_string(&mut text)?;
    Ok(text.contains("role:master"))
}

fn connect(address: &str) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

fn failed(address: &str, error: &std::io::Error) -> CalibrateError {
    CalibrateError::Node {
        address: address.into(),
        why: error.to_string(),
    }
}
