//! Bad links: packets held up and lost in userspace, where the kernel cannot do it itself.
//!
//! The kernel hands every packet that arrives over a degraded link to a queue (NFQUEUE), and
//! a thread gives each its verdict when the model of the link says so: the very model of the
//! simulation ([`Link`]), with the same parameters. Unlike there, a lost packet is really
//! lost, and the kernel's own TCP sends it again. Packets of one connection keep their order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use nfq::{Message, Queue, Verdict};
use rand_chacha::ChaCha8Rng;

use super::netns::NetNs;
use squall_backend::link::Link;

/// The queue's number, in a namespace where there is no other.
pub(super) const QUEUE: u16 = 0;
/// What is read of a packet: headers.
const HEADER_BYTES: u16 = 64;
/// A slow link holds what TCP's windows let it hold.
const MOST_PACKETS: u32 = 65_536;
/// The queue cannot be waited for and timed at once, so it is looked at as often as this
/// while it is in use.
const NAP: Duration = Duration::from_micros(250);
/// With nothing in it, less often: the first packet of a burst may come late by this.
const IDLE_NAP: Duration = Duration::from_micros(1_000);
const IDLE_AFTER: Duration = Duration::from_millis(200);

/// How each link to one node is now, by the address it comes from.
pub(super) type Table = Arc<Mutex<BTreeMap<Ipv4Addr, Link>>>;

/// The thread that holds up packets which arrive at one node.
pub(super) struct PacketQueue {
    pub table: Table,
    ends: Arc<AtomicBool>,
}

impl PacketQueue {
    /// Opens the queue of a namespace and serves it from then on.
    ///
    /// # Errors
    /// The kernel has no such queue, or does not let us.
    #[allow(clippy::disallowed_methods)] // a queue belongs to a thread in its namespace
    pub(super) fn open(namespace: NetNs, rng: ChaCha8Rng) -> io::Result<Self> {
        let table = Table::default();
        let ends = Arc::new(AtomicBool::new(false));
        let (opened, is_open) = mpsc::channel();
        let thread = {
            let (table, ends) = (table.clone(), ends.clone());
            move || match namespace.enter().and_then(|()| open_queue()) {
                Ok(queue) => {
                    let _ = opened.send(Ok(()));
                    Desk::new(queue, table, rng).serve(&ends);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
        std::thread::Builder::new()
            .name("packets".into())
            .spawn(thread)?;
        is_open
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread of a packet queue ended")))?;
        Ok(Self { table, ends })
    }
}

impl Drop for PacketQueue {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

fn open_queue() -> io::Result<Queue> {
    let mut queue = Queue::open()?;
    queue.bind(QUEUE)?;
    queue.set_copy_range(QUEUE, HEADER_BYTES)?;
    queue.set_queue_max_len(QUEUE, MOST_PACKETS)?;
    // What does not fit is lost, as on a wire; it is no reason to stop.
    queue.set_recv_enobufs(false)?;
    queue.set_nonblocking(true);
    Ok(queue)
}

/// Source, protocol and ports: what must stay in order.
type Flow = (Ipv4Addr, u8, [u8; 4]);

struct Desk {
    queue: Queue,
    table: Table,
    rng: ChaCha8Rng,
    start: Instant,
    /// By when they are due and the order of their arrival.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    held: BTreeMap<u64, Message>,
    arrived: u64,
    /// When the last packet of each flow is due.
    last: BTreeMap<Flow, u64>,
}

impl Desk {
    #[allow(clippy::disallowed_methods)] // real packets take real time
    fn new(queue: Queue, table: Table, rng: ChaCha8Rng) -> Self {
        Self {
            queue,
            table,
            rng,
            start: Instant::now(),
            due: BinaryHeap::new(),
            held: BTreeMap::new(),
            arrived: 0,
            last: BTreeMap::new(),
        }
    }

    #[allow(clippy::disallowed_methods)] // a thread of its own, outside any scheduler
    fn serve(mut self, ends: &AtomicBool) {
        let mut busy_at = 0;
        while !ends.load(Ordering::Relaxed) {
            let took_some = self.take_in();
            let now = self.now();
            self.let_go(now);
            if took_some || !self.held.is_empty() {
                busy_at = now;
            }
            let is_idle = now - busy_at > IDLE_AFTER.as_nanos() as u64;
            let nap = if is_idle { IDLE_NAP } else { NAP };
            let next = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let rest = Duration::from_nanos(next.saturating_sub(self.now()));
            std::thread::sleep(nap.min(rest));
        }
        self.let_go(u64::MAX);
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Takes in what has arrived; whether there was anything.
    fn take_in(&mut self) -> bool {
        let mut took_some = false;
        // Anything but a packet means that there is none now; a queue that fails for good
        // lets packets pass, and that is seen by who looks at the links.
        while let Ok(message) = self.queue.recv() {
            took_some = true;
            self.consider(message);
        }
        took_some
    }

    fn consider(&mut self, message: Message) {
        let now = self.now();
        let Some(flow) = flow(message.get_payload()) else {
            return self.answer(message, Verdict::Accept);
        };
        let bytes = message.get_original_len() as u64;
        let arrival = {
            let mut table = self.table.lock().expect("no holder of the lock panics");
            table
                .get_mut(&flow.0)
                .map(|link| match link.loses(&mut self.rng) {
                    true => None,
                    false => Some(link.arrival(now, bytes, &mut self.rng)),
                })
        };
        match arrival {
            // The link is well again.
            None => self.answer(message, Verdict::Accept),
            Some(None) => self.answer(message, Verdict::Drop),
            Some(Some(at)) => {
                let last = self.last.entry(flow).or_default();
                *last = at.max(*last);
                self.arrived += 1;
                self.due.push(Reverse((*last, self.arrived)));
                self.held.insert(self.arrived, message);
            }
        }
    }

    fn let_go(&mut self, now: u64) {
        while let Some(Reverse((at, number))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let message = self.held.remove(&number).expect("what is due is held");
            self.answer(message, Verdict::Accept);
        }
        if self.held.is_empty() {
            self.last.clear();
        }
    }

    fn answer(&mut self, mut message: Message, verdict: Verdict) {
        message.set_verdict(verdict);
        // The namespace may be going away.
        let _ = self.queue.verdict(message);
    }
}

/// The flow of an IPv4 packet.
fn flow(packet: &[u8]) -> Option<Flow> {
    let first = *packet.first()?;
    if first >> 4 != 4 {
        return None;
    }
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let header = usize::from(first & 0xf) * 4;
    let ports = packet.get(header..header + 4);
    let ports = ports.map_or([0; 4], |ports| ports.try_into().expect("four bytes"));
    Some((source.into(), packet[9], ports))
}

#[cfg(test)]
mod tests {
    use super::flow;

    #[test]
    fn a_flow_is_known_by_its_source_protocol_and_ports() {
        let mut packet = vec![0x45, 0, 0, 24, 0, 0, 0, 0, 64, 6, 0, 0];
        packet.extend([10, 0, 0, 7]);
        packet.extend([10, 0, 0, 8]);
        packet.extend([0x1b, 0x58, 0x42, 0x68]);
        let expected = ([10, 0, 0, 7].into(), 6, [0x1b, 0x58, 0x42, 0x68]);
        assert_eq!(flow(&packet), Some(expected));
        assert_eq!(flow(&[0x60; 40]), None, "IPv6");
        assert_eq!(flow(&[]), None);
    }
}
