//! Seeing for oneself: probes between the machines, measured one way.
//!
//! A socket of this process in each machine's namespace sends small datagrams to the others.
//! Since sender and receiver are one process with one clock, what is measured is a single
//! direction of a single link, which no round trip can tell. Every packet takes the very way
//! that the nodes' packets take.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::UdpSocket as StdUdpSocket;
use std::rc::Rc;
use std::time::Duration;

use squall_world::{Instant, RealWorld, World};
use tokio::net::UdpSocket;

use super::netns::NetNs;
use squall_backend::site::Direction;

/// Where probes are sent to, on every machine.
const PORT: u16 = 7_999;
/// Number of the probe, of the packet in it, and when it was sent.
const HEADER_BYTES: usize = 8 + 4 + 8;
const MOST_BYTES: usize = 1_400;

/// What is sent along each link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Train {
    pub packets: u32,
    /// Of each, 20 to 1,400.
    pub bytes: usize,
    /// Between two packets.
    pub spacing: Duration,
}

/// What arrived of a train.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrivals {
    /// How long each took, microseconds, in order of arrival.
    pub delays_us: Vec<u64>,
    /// From the first arrival to the last, microseconds.
    pub span_us: u64,
    first: Option<Instant>,
}

impl Arrivals {
    /// The quickest, microseconds.
    pub(super) fn least_us(&self) -> Option<u64> {
        self.delays_us.iter().min().copied()
    }

    pub(super) fn count(&self) -> u32 {
        self.delays_us.len() as u32
    }
}

type Inbox = Rc<RefCell<BTreeMap<u64, Arrivals>>>;

pub(super) struct Observer {
    sockets: Vec<Rc<UdpSocket>>,
    ips: Vec<String>,
    inbox: Inbox,
    next: RefCell<u64>,
}

impl Observer {
    /// Opens a socket in each namespace; the machines' addresses are `ips`.
    pub(super) async fn open(namespaces: &[NetNs], ips: Vec<String>) -> io::Result<Self> {
        let inbox = Inbox::default();
        let mut sockets = Vec::new();
        for namespace in namespaces {
            let socket = namespace.within(|| {
                let socket = StdUdpSocket::bind(("0.0.0.0", PORT))?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            let socket = Rc::new(UdpSocket::from_std(socket.await?)?);
            RealWorld::spawn(receive(socket.clone(), inbox.clone()));
            sockets.push(socket);
        }
        Ok(Self {
            sockets,
            ips,
            inbox,
            next: RefCell::default(),
        })
    }

    /// Sends a train along each link at the same time. Returns what has arrived when `done`
    /// says so of all of them, or at `limit` after the last packet was sent.
    pub(super) async fn send(
        &self,
        ways: &[Direction],
        train: Train,
        limit: Duration,
        done: impl Fn(&[Arrivals]) -> bool,
    ) -> Vec<Arrivals> {
        let numbers: Vec<u64> = ways.iter().map(|_| self.number()).collect();
        let look = || {
            let inbox = self.inbox.borrow();
            let arrived = numbers.iter().map(|number| inbox[number].clone());
            arrived.collect::<Vec<_>>()
        };
        let begin = RealWorld::now();
        for packet in 0..train.packets {
            for ((from, to), number) in ways.iter().zip(&numbers) {
                self.send_one(*from, *to, *number, packet, train.bytes)
                    .await;
            }
            if !train.spacing.is_zero() {
                RealWorld::sleep_until(begin + train.spacing * (packet + 1)).await;
            }
        }
        let deadline = RealWorld::now() + limit;
        let mut arrived = look();
        while !done(&arrived) && RealWorld::now() < deadline {
            RealWorld::sleep(Duration::from_millis(1)).await;
            arrived = look();
        }
        let mut inbox = self.inbox.borrow_mut();
        numbers.iter().for_each(|number| drop(inbox.remove(number)));
        arrived
    }

    /// Every directed link between the machines.
    pub(super) fn all(&self) -> Vec<Direction> {
        let count = self.ips.len();
        let ways = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        ways.filter(|(from, to)| from != to).collect()
    }

    fn number(&self) -> u64 {
        let mut next = self.next.borrow_mut();
        *next += 1;
        self.inbox.borrow_mut().insert(*next, Arrivals::default());
        *next
    }

    async fn send_one(&self, from: usize, to: usize, number: u64, packet: u32, bytes: usize) {
        let mut text = vec![0; bytes.clamp(HEADER_BYTES, MOST_BYTES)];
        text[..8].copy_from_slice(&number.to_be_bytes());
        text[8..12].copy_from_slice(&packet.to_be_bytes());
        text[12..20].copy_from_slice(&RealWorld::now().0.to_be_bytes());
        // What cannot be sent does not arrive, and that is what is looked at.
        let _ = self.sockets[from]
            .send_to(&text, (self.ips[to].as_str(), PORT))
            .await;
    }
}

async fn receive(socket: Rc<UdpSocket>, inbox: Inbox) {
    let mut buffer = [0; MOST_BYTES];
    loop {
        let Ok((bytes, _)) = socket.recv_from(&mut buffer).await else {
            // An error of an earlier packet that was sent, such as a port out of reach.
            RealWorld::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let now = RealWorld::now();
        if bytes < HEADER_BYTES {
            continue;
        }
        let word = |at: usize| u64::from_be_bytes(buffer[at..at + 8].try_into().expect("eight"));
        let (number, sent) = (word(0), Instant(word(12)));
        // A packet that comes too late is nobody's any more.
        if let Some(arrivals) = inbox.borrow_mut().get_mut(&number) {
            let first = *arrivals.first.get_or_insert(now);
            arrivals.span_us = (now - first).as_micros() as u64;
            arrivals.delays_us.push((now - sent).as_micros() as u64);
        }
    }
}
