//! Links between machines: cut, made worse, mended; each time seen to be so.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;

use tokio::sync::Mutex;

use super::link_probe;
use super::netns::NetNs;
use super::observe::Observer;
use super::packets::PacketQueue;
use super::rules::{self, Rules};
use squall_backend::link::Link;
use squall_backend::site::{Direction, LinkEffect};
use squall_fault::{LinkChange, node_name};
use squall_plan::plan::Seed;

/// All links between machines that are network namespaces of this one.
pub struct Links {
    namespaces: Vec<NetNs>,
    ips: Vec<Ipv4Addr>,
    observer: Observer,
    /// What each fault in force does to which links.
    effects: RefCell<BTreeMap<usize, (Vec<Direction>, LinkEffect)>>,
    /// By receiving node; one that was opened stays.
    queues: RefCell<BTreeMap<usize, PacketQueue>>,
    /// Until it turns out that it cannot.
    kernel_loses: Cell<bool>,
    seed: Seed,
    /// One change at a time.
    turn: Mutex<()>,
}

impl Links {
    /// For machines that have these namespaces for their own.
    ///
    /// # Errors
    /// The namespaces cannot be entered.
    pub async fn open(namespaces: Vec<NetNs>, ips: Vec<String>, seed: Seed) -> io::Result<Self> {
        let addresses: Result<Vec<Ipv4Addr>, _> = ips.iter().map(|ip| ip.parse()).collect();
        let addresses = addresses.map_err(|_| io::Error::other("machines have IPv4 addresses"))?;
        let observer = Observer::open(&namespaces, ips).await?;
        Ok(Self {
            namespaces,
            ips: addresses,
            observer,
            effects: RefCell::default(),
            queues: RefCell::default(),
            kernel_loses: Cell::new(true),
            seed,
            turn: Mutex::default(),
        })
    }

    /// Sees that every link carries packets before anything is done to it.
    ///
    /// # Errors
    /// One does not.
    pub async fn must_work(&self) -> Result<(), String> {
        link_probe::carries(&self.observer, &self.observer.all()).await
    }

    /// Does something to links on behalf of a fault, on top of what other faults do to them,
    /// asks the clock `now_us` when that is in force, and looks whether it is.
    ///
    /// # Errors
    /// What is not as it should be.
    pub async fn apply(
        &self,
        fault: usize,
        ways: &[Direction],
        effect: LinkEffect,
        now_us: impl FnOnce() -> u64,
    ) -> Result<Seen, String> {
        let _turn = self.turn.lock().await;
        (self.effects.borrow_mut()).insert(fault, (ways.to_vec(), effect));
        self.lay(ways).await?;
        let at_us = now_us();
        let mut open = self.observer.all();
        open.retain(|way| !self.is_cut(*way));
        let text = match effect {
            LinkEffect::Cut => {
                // A link that loses packets may lose all of a few.
                open.retain(|way| self.change_of(*way).loss_ppm == 0);
                link_probe::is_silent(&self.observer, ways, &open).await?
            }
            LinkEffect::Degrade(_) => {
                let expected = open.iter().map(|way| (*way, self.change_of(*way)));
                let expected: Vec<(Direction, LinkChange)> = expected.collect();
                link_probe::measures(&self.observer, ways, &expected).await?
            }
        };
        Ok(Seen { at_us, text })
    }

    /// Takes back what a fault did, and looks whether packets pass that should.
    ///
    /// # Errors
    /// What is not as it should be.
    pub async fn remove(&self, fault: usize) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let taken = self.effects.borrow_mut().remove(&fault);
        let Some((ways, _)) = taken else {
            return Ok(());
        };
        self.lay(&ways).await?;
        self.see_open(&ways).await
    }

    async fn see_open(&self, ways: &[Direction]) -> Result<(), String> {
        let mut open = ways.to_vec();
        open.retain(|way| !self.is_cut(*way) && self.change_of(*way) == LinkChange::default());
        link_probe::carries(&self.observer, &open).await
    }

    fn is_cut(&self, way: Direction) -> bool {
        let effects = self.effects.borrow();
        let mut on_way = effects.values().filter(|(ways, _)| ways.contains(&way));
        on_way.any(|(_, effect)| *effect == LinkEffect::Cut)
    }

    /// By how much faults make a link worse together.
    fn change_of(&self, way: Direction) -> LinkChange {
        let effects = self.effects.borrow();
        let on_way = effects.values().filter(|(ways, _)| ways.contains(&way));
        let changes = on_way.filter_map(|(_, effect)| match effect {
            LinkEffect::Cut => None,
            LinkEffect::Degrade(change) => Some(change),
        });
        changes.fold(LinkChange::default(), add)
    }

    /// Writes the rules of every receiver of these links.
    async fn lay(&self, ways: &[Direction]) -> Result<(), String> {
        let receivers: BTreeSet<usize> = ways.iter().map(|(_, to)| *to).collect();
        let laid = receivers.iter().map(|to| self.lay_at(*to));
        for (to, laid) in receivers
            .iter()
            .zip(futures_util::future::join_all(laid).await)
        {
            laid.map_err(|e| format!("the packet rules of {}: {e}", node_name(*to)))?;
        }
        Ok(())
    }

    async fn lay_at(&self, to: usize) -> io::Result<()> {
        let arrivals: Vec<Arrival> = (0..self.ips.len())
            .filter(|from| *from != to)
            .map(|from| Arrival {
                from: self.ips[from],
                is_cut: self.is_cut((from, to)),
                change: self.change_of((from, to)),
            })
            .collect();
        loop {
            let (rules, queued) = sort(&arrivals, self.kernel_loses.get());
            self.fill_queue(to, queued)?;
            match rules::write(&self.namespaces[to], &rules).await {
                Err(_) if !rules.lossy.is_empty() => self.kernel_loses.set(false),
                written => return written,
            }
        }
    }

    /// Has packets that arrive at `to` held up as these links want it.
    fn fill_queue(&self, to: usize, queued: BTreeMap<Ipv4Addr, Link>) -> io::Result<()> {
        let mut queues = self.queues.borrow_mut();
        if !queued.is_empty() && !queues.contains_key(&to) {
            let rng = self.seed.fork(&node_name(to)).rng();
            let queue = PacketQueue::open(self.namespaces[to].try_clone()?, rng)?;
            queues.insert(to, queue);
        }
        if let Some(queue) = queues.get(&to) {
            *queue.table.lock().expect("no holder of the lock panics") = queued;
        }
        Ok(())
    }
}

/// A fault of links, as probes have seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When it was in force, by the clock that was asked.
    pub at_us: u64,
    /// What the probes saw, in words.
    pub text: String,
}

/// What is to happen to the packets of one sender.
struct Arrival {
    from: Ipv4Addr,
    is_cut: bool,
    change: LinkChange,
}

/// Who does it: the kernel, or the packet queue for these links.
fn sort(arrivals: &[Arrival], kernel_loses: bool) -> (Rules, BTreeMap<Ipv4Addr, Link>) {
    let (mut rules, mut links) = (Rules::default(), BTreeMap::new());
    for Arrival {
        from,
        is_cut,
        change,
    } in arrivals
    {
        let only_loss = LinkChange {
            loss_ppm: change.loss_ppm,
            ..LinkChange::default()
        };
        if *is_cut {
            rules.cut.insert(*from);
        } else if *change == LinkChange::default() {
            continue;
        } else if *change == only_loss && kernel_loses {
            rules.lossy.insert(*from, change.loss_ppm);
        } else {
            let mut link = Link::perfect();
            link.degrade(change);
            links.insert(*from, link);
            rules.queued.insert(*from);
        }
    }
    (rules, links)
}

/// Two changes of one link together, as [`Link::degrade`] has it.
fn add(a: LinkChange, b: &LinkChange) -> LinkChange {
    let kept = u64::from(1_000_000 - a.loss_ppm) * u64::from(1_000_000 - b.loss_ppm);
    LinkChange {
        latency_us: a.latency_us + b.latency_us,
        jitter_us: a.jitter_us + b.jitter_us,
        loss_ppm: 1_000_000 - (kept / 1_000_000) as u32,
        bandwidth_bytes_per_s: match (a.bandwidth_bytes_per_s, b.bandwidth_bytes_per_s) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(kernel_loses: bool) -> (Rules, Vec<Ipv4Addr>) {
        let changes = [
            (true, LinkChange::default()),
            (false, LinkChange::default()),
            (
                false,
                LinkChange {
                    loss_ppm: 100_000,
                    ..LinkChange::default()
                },
            ),
            (
                false,
                LinkChange {
                    loss_ppm: 100_000,
                    latency_us: 50_000,
                    ..LinkChange::default()
                },
            ),
        ];
        let arrivals = changes.into_iter().zip(1..);
        let arrivals = arrivals.map(|((is_cut, change), number)| Arrival {
            from: [10, 0, 0, number].into(),
            is_cut,
            change,
        });
        let (rules, links) = sort(&arrivals.collect::<Vec<_>>(), kernel_loses);
        (rules, links.into_keys().collect())
    }

    #[test]
    fn the_kernel_does_what_it_can() {
        let address = |number| Ipv4Addr::from([10, 0, 0, number]);
        let (rules, links) = sorted(true);
        assert_eq!(rules.cut, [address(1)].into());
        assert_eq!(rules.lossy, [(address(3), 100_000)].into());
        assert_eq!(
            (rules.queued, links),
            ([address(4)].into(), vec![address(4)])
        );
        let (rules, links) = sorted(false);
        assert!(rules.lossy.is_empty());
        assert_eq!(rules.queued, [address(3), address(4)].into());
        assert_eq!(links, [address(3), address(4)]);
    }
}
