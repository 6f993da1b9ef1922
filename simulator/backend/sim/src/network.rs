//! The network between hosts: `turmoil-net`'s sockets, our links.
//!
//! `turmoil-net` simulates the sockets of each host and hands every packet to us; the
//! [`Link`] model decides when it arrives. Pure acknowledgements carry nothing that an
//! application can see, so on an open link they arrive at once instead of costing an event
//! of their own.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use turmoil_net::{
    EnterGuard, HostId as NetHost, KernelConfig, Net, NetstatState, Packet, TcpFlags, TcpSegment,
    Transport,
};

use squall_backend::link::{Link, retransmit_after};
use squall_backend::site::{Direction, LinkEffect};
use squall_backend::trace::{Hold, Lost};
use squall_engine::executor::{Executor, HostId, Nanos};
use squall_plan::plan::NetworkPlan;

use super::address::{address_of, host_of};
use super::trace::{self, Way};

/// Large packets: a message is one event unless it is a snapshot.
const MTU_BYTES: u32 = 64 * 1024 - 1;
/// A segment as large as this is likely to have others behind it.
const BULK_BYTES: usize = 32 * 1024;
/// `turmoil-net` counts egress passes to retransmit, which mean nothing here.
const NEVER: u32 = u32::MAX;

/// The links between all hosts, before any fault: longer between regions.
fn links(plan: &NetworkPlan, hosts: usize) -> Vec<Vec<Link>> {
    let region_of = |host: usize| {
        let regions = plan.regions.as_ref()?;
        // Whatever is no node stands with the clients.
        Some(*regions.of_node.get(host).unwrap_or(&regions.of_clients))
    };
    let link = |from: usize, to: usize| {
        let between = region_of(from).zip(region_of(to));
        let far = between.and_then(|(a, b)| plan.regions.as_ref()?.link(a, b));
        match far {
            Some(far) => Link::new(&NetworkPlan {
                latency_min_us: far.latency_min_us,
                latency_max_us: far.latency_max_us,
                ..plan.clone()
            }),
            None => Link::new(plan),
        }
    };
    let row = |from| (0..hosts).map(move |to| link(from, to)).collect();
    (0..hosts).map(row).collect()
}

/// A connection in one direction: its two ends, sender first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FlowKey {
    from: End,
    to: End,
}

/// Host and port, packed: comparing them is much of what the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End(u32);

impl End {
    fn new(host: HostId, port: u16) -> Self {
        let host = u32::try_from(host.0).expect("a simulation has few hosts");
        assert!(host < 1 << 16, "a simulation has few hosts");
        Self(host << 16 | u32::from(port))
    }

    fn host(self) -> HostId {
        HostId((self.0 >> 16) as usize)
    }

    fn address(self) -> SocketAddr {
        SocketAddr::new(address_of(self.host()), self.0 as u16)
    }
}

impl FlowKey {
    fn of(packet: &Packet, segment: &TcpSegment) -> Self {
        Self {
            from: End::new(host_of(packet.src), segment.src_port),
            to: End::new(host_of(packet.dst), segment.dst_port),
        }
    }

    fn reversed(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
        }
    }

    fn way(self) -> Way {
        Way::new(self.from.address(), self.to.address())
    }
}

/// Its packets under way, in order of sending; only the first is scheduled.
struct Flow {
    first: Packet,
    /// With the time at which each would arrive if nothing were before it. Mostly empty.
    rest: VecDeque<(Nanos, Packet)>,
    /// Retransmissions of the first so far.
    attempt: u32,
}

/// Sockets, links, and packets under way.
pub struct Network {
    /// Knows when a host that is busy is done; `None` where work costs no time.
    processors: Option<Rc<Executor>>,
    guard: EnterGuard,
    net_hosts: Vec<NetHost>,
    /// `links[from][to]`.
    links: Vec<Vec<Link>>,
    base: NetworkPlan,
    /// What each fault in force does to which links.
    effects: BTreeMap<usize, (Vec<Direction>, LinkEffect)>,
    flows: BTreeMap<FlowKey, Flow>,
    schedule: BinaryHeap<Reverse<(Nanos, u64, FlowKey)>>,
    next_sequence: u64,
    /// Draws who is first of what arrives at one instant; `None`: what was sent first.
    order: Option<ChaCha8Rng>,
    rng: ChaCha8Rng,
    /// Hosts without power: nothing goes in or out.
    dark: Vec<bool>,
    /// Half-open connections: the client's direction, and what its acknowledgement must say.
    handshakes: BTreeMap<FlowKey, u32>,
    /// Connections that may have more to send than fits their window.
    bulk: BTreeSet<FlowKey>,
    buffer: Vec<Packet>,
    delivered: u64,
}

impl Network {
    /// Creates the sockets of `hosts` hosts on this thread.
    pub fn new(hosts: usize, plan: &NetworkPlan, rng: ChaCha8Rng) -> Self {
        let config = KernelConfig::default()
            .mtu(MTU_BYTES)
            .send_buf_cap(1 << 20)
            .recv_buf_cap(1 << 20)
            .retx_threshold(NEVER);
        let mut net = Net::with_config(config);
        let net_hosts = (0..hosts)
            .map(|host| net.add_host(address_of(HostId(host))))
            .collect();
        Self {
            processors: None,
            guard: net.enter(),
            net_hosts,
            links: links(plan, hosts),
            base: plan.clone(),
            effects: BTreeMap::new(),
            flows: BTreeMap::new(),
            schedule: BinaryHeap::new(),
            next_sequence: 0,
            order: None,
            rng,
            dark: vec![false; hosts],
            handshakes: BTreeMap::new(),
            bulk: BTreeSet::new(),
            buffer: Vec::new(),
            delivered: 0,
        }
    }

    /// From now on, what a busy host sends leaves when `executor` says that it is done.
    pub(super) fn mind_processors(&mut self, executor: Rc<Executor>) {
        self.processors = Some(executor);
    }

    /// From now on, it is drawn in which order packets of several connections arrive at one
    /// instant.
    pub fn draw_order(&mut self, rng: ChaCha8Rng) {
        self.order = Some(rng);
    }

    /// Which of `turmoil-net`'s hosts is which.
    pub fn net_hosts(&self) -> &[NetHost] {
        &self.net_hosts
    }

    /// Packets delivered so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Takes what the hosts have sent and gives each packet its time of arrival.
    pub fn collect(&mut self, now: Nanos) {
        loop {
            let mut packets = std::mem::take(&mut self.buffer);
            self.guard.egress_all(&mut packets);
            let mut acknowledged_much = false;
            for packet in packets.drain(..) {
                acknowledged_much |= self.send(now, packet);
            }
            self.buffer = packets;
            // An acknowledgement may have opened a window for bytes that were waiting.
            if !acknowledged_much {
                return;
            }
        }
    }

    /// Whether the packet was an acknowledgement that may let its receiver send more.
    fn send(&mut self, now: Nanos, packet: Packet) -> bool {
        let Transport::Tcp(segment) = &packet.payload else {
            unreachable!("the cluster uses nothing but TCP")
        };
        let key = FlowKey::of(&packet, segment);
        let (from, to) = (key.from.host(), key.to.host());
        if self.dark[from.0] {
            return false;
        }
        let open = self.is_open(from, to);
        if open && is_pure_ack(segment) && !self.flows.contains_key(&key) {
            self.arrive(packet);
            return self.bulk.remove(&key.reversed());
        }
        if segment.flags.syn && segment.flags.ack {
            let expected = segment.seq.wrapping_add(1);
            self.handshakes.insert(key.reversed(), expected);
        }
        if segment.payload.len() >= BULK_BYTES {
            self.bulk.insert(key);
        }
        let leaves = match &self.processors {
            Some(executor) => executor.done_at(from),
            None => now,
        };
        let link = &mut self.links[from.0][to.0];
        let due = link.arrival(leaves, u64::from(packet.size()), &mut self.rng);
        let lost_for = link.loss_delay(&mut self.rng);
        if trace::is_on() {
            self.tell_sent(key, segment, leaves, lost_for > 0);
        }
        let due = due + lost_for;
        match self.flows.entry(key) {
            Entry::Occupied(mut flow) => flow.get_mut().rest.push_back((due, packet)),
            Entry::Vacant(flow) => {
                flow.insert(Flow {
                    first: packet,
                    rest: VecDeque::new(),
                    attempt: 0,
                });
                self.schedule_flow(due, key);
            }
        }
        false
    }

    /// Tells a trace what leaves.
    fn tell_sent(&self, key: FlowKey, segment: &TcpSegment, leaves: Nanos, is_lost: bool) {
        let flags = segment.flags;
        if flags.syn && !flags.ack {
            trace::with(|tap| tap.opens(key.way()));
        }
        if segment.payload.is_empty() {
            return;
        }
        let mut causes = self.causes(key);
        causes.extend(is_lost.then_some(Hold::Loss));
        trace::with(|tap| tap.sent(key.way(), leaves, &segment.payload, &causes));
    }

    /// What holds up or slows down what goes this way now.
    fn causes(&self, key: FlowKey) -> Vec<Hold> {
        let (from, to) = (key.from.host().0, key.to.host().0);
        let mut causes = Vec::new();
        for (fault, (links, effect)) in &self.effects {
            if links.contains(&(from, to)) {
                causes.push(match effect {
                    LinkEffect::Cut => Hold::Cut { fault: *fault },
                    LinkEffect::Degrade(_) => Hold::Degraded { fault: *fault },
                });
            }
        }
        causes.extend(self.dark[to].then_some(Hold::NoPower));
        causes
    }

    fn schedule_flow(&mut self, at: Nanos, key: FlowKey) {
        let sequence = match &mut self.order {
            None => self.next_sequence,
            Some(rng) => rng.next_u64(),
        };
        self.next_sequence += 1;
        self.schedule.push(Reverse((at, sequence, key)));
    }

    fn is_open(&self, from: HostId, to: HostId) -> bool {
        self.links[from.0][to.0].is_open() && !self.dark[to.0]
    }

    /// When the next packet arrives, if any.
    pub fn next_arrival(&self) -> Option<Nanos> {
        self.schedule.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Delivers what is due at `now`; whether its receivers' kernels have something to send
    /// before their next write: the answer to a SYN, FIN or RST, or an acknowledgement that
    /// lets a bulk transfer go on. Other acknowledgements may wait for that write.
    pub fn deliver_due(&mut self, now: Nanos) -> bool {
        let mut urgent = false;
        while self.next_arrival().is_some_and(|at| at <= now) {
            let (at, _, key) = self.schedule.pop().expect("just seen").0;
            let open = self.is_open(key.from.host(), key.to.host());
            if !open {
                trace::held(key.way(), || self.causes(key));
            }
            let Entry::Occupied(mut flow) = self.flows.entry(key) else {
                unreachable!("a scheduled flow exists")
            };
            if !open {
                let again = at + retransmit_after(flow.get().attempt);
                flow.get_mut().attempt += 1;
                self.schedule_flow(again, key);
                continue;
            }
            let packet = match flow.get_mut().rest.pop_front() {
                Some((due, next)) => {
                    let flow = flow.get_mut();
                    flow.attempt = 0;
                    let packet = std::mem::replace(&mut flow.first, next);
                    self.schedule_flow(at.max(due), key);
                    packet
                }
                None => flow.remove().first,
            };
            self.delivered += 1;
            tell_arrived(key, &packet, now);
            urgent |= is_urgent(&packet);
            self.arrive(packet);
        }
        urgent
    }

    /// Hands a packet to its host's sockets.
    ///
    /// A reset of a half-open connection would leave the server's socket in `turmoil-net`'s
    /// table for ever, its port in use. So the handshake is completed first: the server then
    /// accepts a connection that is reset at once, which it could see from a real network.
    fn arrive(&mut self, packet: Packet) {
        if let Transport::Tcp(segment) = &packet.payload {
            let key = FlowKey::of(&packet, segment);
            if let Some(expected) = self.handshakes.remove(&key)
                && segment.flags.rst
            {
                let (from, to) = (key.from.address(), key.to.address());
                self.guard.deliver(bare(from, to, expected, ACK));
            }
        }
        self.guard.deliver(packet);
    }

    /// Puts what a fault does to links in force.
    pub fn apply(&mut self, fault: usize, links: &[Direction], effect: LinkEffect) {
        let before = self.effects.insert(fault, (links.to_vec(), effect));
        assert!(before.is_none(), "a fault does one thing at a time");
        match effect {
            LinkEffect::Cut => self.count_cuts(links, |cuts| cuts + 1),
            LinkEffect::Degrade(_) => self.degrade_links(),
        }
    }

    /// Takes it back.
    pub fn remove(&mut self, fault: usize) {
        match self.effects.remove(&fault) {
            Some((links, LinkEffect::Cut)) => self.count_cuts(&links, |cuts| cuts - 1),
            Some((_, LinkEffect::Degrade(_))) => self.degrade_links(),
            None => {}
        }
    }

    fn count_cuts(&mut self, links: &[Direction], count: fn(u32) -> u32) {
        for (from, to) in links {
            let cuts = &mut self.links[*from][*to].cuts;
            *cuts = count(*cuts);
        }
    }

    /// Whether that direction is cut.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.links[from][to].cuts > 0
    }

    /// Makes all links anew as the plan and the faults want them, but for cuts.
    fn degrade_links(&mut self) {
        let mut fresh = links(&self.base, self.links.len());
        for (link, fresh) in (self.links.iter().flatten()).zip(fresh.iter_mut().flatten()) {
            fresh.cuts = link.cuts;
        }
        self.links = fresh;
        for (links, effect) in self.effects.values() {
            if let LinkEffect::Degrade(change) = effect {
                for (from, to) in links {
                    self.links[*from][*to].degrade(change);
                }
            }
        }
    }

    /// Switches a host's power off or on; without it nothing leaves or reaches it.
    pub fn set_dark(&mut self, host: HostId, dark: bool) {
        self.dark[host.0] = dark;
    }

    /// Resets every connection that `host` still has: what its kernel does for a process
    /// that is gone, and what a machine without power forgets.
    pub fn reset_connections(&mut self, now: Nanos, host: HostId) {
        trace::with(|tap| tap.ended(host));
        for _ in 0..MAX_RESET_ROUNDS {
            self.collect(now);
            let entries = turmoil_net::netstat(address_of(host)).entries;
            let connections = entries.into_iter().filter_map(|e| Some((e.local, e.peer?)));
            let connections: Vec<_> = connections.collect();
            if connections.is_empty() {
                return;
            }
            for (local, peer) in connections {
                self.guard.deliver(bare(peer, local, 0, RESET));
            }
        }
        panic!(
            "host {} keeps its connections after they were reset",
            host.0
        );
    }

    /// Resets the established connections between all pairs of hosts that `is_meant` names,
    /// at both ends; how many they were. What was under way arrives at closed sockets.
    pub fn reset_between(
        &mut self,
        now: Nanos,
        is_meant: impl Fn(HostId, HostId) -> bool,
    ) -> usize {
        self.collect(now);
        let mut ends = BTreeSet::new();
        for host in 0..self.net_hosts.len() {
            for entry in turmoil_net::netstat(address_of(HostId(host))).entries {
                let is_established = entry.state == Some(NetstatState::Established);
                if let Some(peer) = entry.peer.filter(|_| is_established)
                    && is_meant(HostId(host), host_of(peer.ip()))
                {
                    ends.insert((entry.local, peer));
                }
            }
        }
        for (local, peer) in &ends {
            trace::closed(|| Some((*local, *peer)), Lost::Reset);
            self.guard.deliver(bare(*peer, *local, 0, RESET));
        }
        let both = ends
            .iter()
            .filter(|(a, b)| a < b || !ends.contains(&(*b, *a)));
        both.count()
    }
}

/// Tells a trace what arrives.
fn tell_arrived(key: FlowKey, packet: &Packet, now: Nanos) {
    if let Transport::Tcp(segment) = &packet.payload
        && !segment.payload.is_empty()
    {
        trace::with(|tap| tap.arrived(key.way(), now, segment.payload.len()));
    }
}

/// A lingering socket needs one reset and one pass to be reaped.
const MAX_RESET_ROUNDS: usize = 8;

fn is_urgent(packet: &Packet) -> bool {
    let Transport::Tcp(segment) = &packet.payload else {
        return true;
    };
    let flags = segment.flags;
    flags.syn || flags.fin || flags.rst || segment.payload.len() >= BULK_BYTES
}

fn is_pure_ack(segment: &TcpSegment) -> bool {
    let flags = segment.flags;
    segment.payload.is_empty() && flags.ack && !flags.syn && !flags.fin && !flags.rst
}

const ACK: TcpFlags = TcpFlags {
    syn: false,
    ack: true,
    fin: false,
    rst: false,
    psh: false,
    urg: false,
};
const RESET: TcpFlags = TcpFlags {
    ack: false,
    rst: true,
    ..ACK
};

/// A segment without data.
fn bare(from: SocketAddr, to: SocketAddr, ack: u32, flags: TcpFlags) -> Packet {
    Packet {
        src: from.ip(),
        dst: to.ip(),
        ttl: 64,
        payload: Transport::Tcp(TcpSegment {
            src_port: from.port(),
            dst_port: to.port(),
            seq: 0,
            ack,
            flags,
            window: u16::MAX,
            payload: Bytes::new(),
        }),
    }
}
