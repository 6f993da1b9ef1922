//! The shortest conversation with a node: how long an answer takes, and whether it leads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::CalibrateError;
use crate::stopwatch::Stopwatch;

/// A node that is silent for so long does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Not measured: the first ones open the connection's window.
const WARM: usize = 20;

/// How long each of `count` questions to each node took, nanoseconds, in rising order.
pub(super) fn round_trips(addresses: &[String], count: usize) -> Result<Vec<u64>, CalibrateError> {
    let mut all = Vec::new();
    for address in addresses {
        all.extend(ping(address, count).map_err(|e| failed(address, &e))?);
    }
    all.sort_unstable();
    Ok(all)
}

fn ping(address: &str, count: usize) -> std::io::Result<Vec<u64>> {
    let mut connection = connect(address)?;
    let mut took = Vec::with_capacity(count);
    let mut line = String::new();
    for round in 0..WARM + count {
        let watch = Stopwatch::start();
        connection.get_mut().write_all(b"*1\r\n$4\r\nPING\r\n")?;
        line.clear();
        connection.read_line(&mut line)?;
        if round >= WARM {
            took.push(watch.elapsed().as_nanos() as u64);
        }
        if line != "+PONG\r\n" {
            return Err(std::io::Error::other(format!(
                "no squall-node: PING was answered with {line:?}"
            )));
        }
    }
    Ok(took)
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
