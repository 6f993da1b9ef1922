//! Pushes the metrics to a server that takes Prometheus's remote write, where nobody can
//! scrape: while runs work, and once more when they are over.
//!
//! A write is a small message of protocol buffers in a block of Snappy. Both are written here:
//! the message has four kinds of fields, and a block may be literals alone, where kept crates
//! would bring a compiler of messages and a licence that this workspace does not take.
//!
//! Source: "Prometheus remote write specification" 1.0; "Snappy compressed format description".

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::board::Board;
use crate::metrics::{Family, Labels};
use crate::post::post;

/// From one write to the next.
const EVERY: Duration = Duration::from_secs(2);
/// What one write may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// What the last one may take, together with the one that is under way.
const PATIENCE: Duration = Duration::from_secs(11);
/// The bits of the value that says that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The bits of numbers by all of their labels, the name among them, in order.
type Numbers = BTreeMap<Labels, u64>;

/// Pushes a board's metrics until it is finished.
pub struct RemoteWrite {
    stop: Sender<()>,
    /// How the last write went.
    ended: Receiver<Result<(), String>>,
}

impl RemoteWrite {
    /// Begins to push to an `http://` address.
    ///
    /// # Errors
    /// The machine gives no more threads.
    pub fn start(address: String, board: &Board) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        let board = board.clone();
        let push = move || {
            let mut known = Numbers::new();
            loop {
                let is_last = match stopped.recv_timeout(EVERY) {
                    Err(RecvTimeoutError::Timeout) => false,
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
                };
                let numbers = numbers(&board.metrics());
                // One that fails is followed by another with the same counters, and more.
                let pushed = match numbers.is_empty() {
                    true => Ok(()),
                    false => push(&address, &with_ends(&numbers, &known)),
                };
                match pushed {
                    Ok(()) if !numbers.is_empty() => known = numbers,
                    // It may have arrived.
                    _ => known.extend(numbers),
                }
                if is_last {
                    // Nobody may wait for it any more.
                    let _ = end.send(pushed);
                    return;
                }
            }
        };
        let name = "remote write".into();
        thread::Builder::new().name(name).spawn(push)?;
        Ok(Self { stop, ended })
    }

    /// Pushes what stands now, and ends, after 11 s at the latest.
    ///
    /// # Errors
    /// The last write was not taken: why, in words.
    pub fn finish(self) -> Result<(), String> {
        // If it has ended by itself, that shows below.
        let _ = self.stop.send(());
        let ended = self.ended.recv_timeout(PATIENCE);
        ended.unwrap_or_else(|why| match why {
            RecvTimeoutError::Timeout => Err(format!("not done within {PATIENCE:?}")),
            RecvTimeoutError::Disconnected => Err("its thread has ended".into()),
        })
    }
}

fn numbers(families: &[Family]) -> Numbers {
    let mut numbers = Numbers::new();
    for family in families {
        for sample in family.written() {
            let mut labels = sample.labels;
            labels.push(("__name__", format!("{}{}", family.name, sample.suffix)));
            // The specification wants them in order.
            labels.sort_by_key(|(name, _)| *name);
            numbers.insert(labels, sample.value.to_bits());
        }
    }
    numbers
}

/// Says of those that were there before and are not now that they have ended, or the server
/// would go on showing them for minutes: another phase, another leader.
fn with_ends(now: &Numbers, before: &Numbers) -> Numbers {
    let before = before.keys().map(|labels| (labels.clone(), STALE));
    let mut all: Numbers = before.collect();
    all.extend(now.clone());
    all
}

#[allow(clippy::disallowed_methods)] // samples bear the date of the wall
fn push(address: &str, numbers: &Numbers) -> Result<(), String> {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let body = block(&message(numbers, since_epoch.as_millis() as u64));
    let headers = [
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ];
    post(address, body, "application/x-protobuf", &headers, DEADLINE)
}

/// `WriteRequest { repeated TimeSeries { repeated Label { name, value }, repeated Sample { value,
/// timestamp } } }`
fn message(numbers: &Numbers, at_ms: u64) -> Vec<u8> {
    let mut message = Vec::new();
    for (labels, bits) in numbers {
        let mut series = Vec::new();
        for (name, value) in labels {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut series, 1, &label);
        }
        let mut number = vec![(1 << 3) | 1];
        number.extend(bits.to_le_bytes());
        number.push(2 << 3);
        varint(&mut number, at_ms);
        field(&mut series, 2, &number);
        field(&mut message, 1, &series);
    }
    message
}

/// A field of bytes.
fn field(into: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    into.push((number << 3) | 2);
    varint(into, bytes.len() as u64);
    into.extend(bytes);
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push((value as u8) | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// A block of Snappy that copies nothing.
fn block(bytes: &[u8]) -> Vec<u8> {
    const LITERAL: usize = 1 << 16;
    /// The length follows in two bytes.
    const TWO: u8 = 61 << 2;
    let mut block = Vec::with_capacity(bytes.len() + 16);
    varint(&mut block, bytes.len() as u64);
    for literal in bytes.chunks(LITERAL) {
        block.push(TWO);
        let length = u16::try_from(literal.len() - 1).expect("a literal is no longer");
        block.extend(length.to_le_bytes());
        block.extend(literal);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Sample;

    #[test]
    fn a_message_is_as_the_specification_has_it() {
        let family = Family {
            name: "a_total",
            kind: "counter",
            help: "",
            samples: vec![Sample {
                suffix: "",
                labels: vec![("x", "y".into()), ("A", "z".into())],
                value: 1.0,
            }],
            histograms: Vec::new(),
        };
        let mut expected = vec![0x0a, 0x32];
        for (name, value) in [("A", "z"), ("__name__", "a_total"), ("x", "y")] {
            let inside = [
                &[0x0a, name.len() as u8],
                name.as_bytes(),
                &[0x12, value.len() as u8],
                value.as_bytes(),
            ];
            let inside = inside.concat();
            expected.extend([0x0a, inside.len() as u8]);
            expected.extend(inside);
        }
        expected.extend([
            0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02,
        ]);
        expected[1] = expected.len() as u8 - 2;
        assert_eq!(message(&numbers(&[family]), 300), expected);
    }

    #[test]
    fn what_is_there_no_longer_has_ended() {
        let phase = |phase: &str| vec![("phase", phase.to_owned())];
        let number = |name: &str, value: f64| (phase(name), value.to_bits());
        let before = Numbers::from([number("warmup", 1.0), number("all", 3.0)]);
        let now = Numbers::from([number("chaos", 1.0), number("all", 4.0)]);
        let expected = [
            number("all", 4.0),
            number("chaos", 1.0),
            (phase("warmup"), STALE),
        ];
        assert_eq!(with_ends(&now, &before), Numbers::from(expected));
        assert_eq!(with_ends(&now, &now), now);
    }

    #[test]
    fn a_block_is_literals_of_64_kib_at_most() {
        assert_eq!(block(b"abc"), [3, 61 << 2, 2, 0, b'a', b'b', b'c']);
        let long = block(&vec![7; 70_000]);
        assert_eq!(&long[..6], [0xf0, 0xa2, 0x04, 61 << 2, 0xff, 0xff]);
        assert_eq!(long.len(), 3 + 2 * 3 + 70_000);
        assert_eq!(block(b""), [0]);
    }
}
