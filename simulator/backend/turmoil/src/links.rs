//! Links between hosts as classic `turmoil` models them.
//!
//! A link is the same in both directions. A message takes its least latency and a part of the
//! span up to the greatest that is distributed exponentially (mean: a fifth), in whole
//! milliseconds; messages overtake each other, and only a connection puts its own in order. A
//! message that is lost takes all that is under way on the link with it and is never sent
//! again: its connection stands still until somebody gives it up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use turmoil::Sim;

use squall_backend::site::{Direction, LinkEffect};
use squall_plan::plan::NetworkPlan;

/// What a link is like, latency one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quality {
    latency_min_us: u64,
    latency_max_us: u64,
    loss_ppm: u32,
}

/// All links of a simulation, and what faults do to them.
pub(super) struct Links {
    names: Vec<String>,
    plan: NetworkPlan,
    /// What each fault in force does to which links.
    effects: BTreeMap<usize, (Vec<Direction>, LinkEffect)>,
    /// As they were last set.
    current: BTreeMap<(usize, usize), Quality>,
}

impl Links {
    /// Between hosts of these names; the clients' is the last one.
    pub(super) fn new(names: Vec<String>, plan: &NetworkPlan) -> Self {
        Self {
            names,
            plan: plan.clone(),
            effects: BTreeMap::new(),
            current: BTreeMap::new(),
        }
    }

    /// Puts what a fault does in force: a cut at once, anything else after [`Self::set`]. Only
    /// inside the simulation.
    pub(super) fn apply(&mut self, fault: usize, links: &[Direction], effect: LinkEffect) {
        self.effects.insert(fault, (links.to_vec(), effect));
        if effect == LinkEffect::Cut {
            for (from, to) in links {
                turmoil::partition_oneway(self.name(*from), self.name(*to));
            }
        }
    }

    /// Takes it back, likewise.
    pub(super) fn remove(&mut self, fault: usize) {
        if let Some((links, LinkEffect::Cut)) = self.effects.remove(&fault) {
            let still: BTreeSet<Direction> = self.cut().collect();
            for (from, to) in links.iter().filter(|link| !still.contains(link)) {
                turmoil::repair_oneway(self.name(*from), self.name(*to));
            }
        }
    }

    /// Directions that a fault cuts.
    fn cut(&self) -> impl Iterator<Item = Direction> {
        let cuts = self
            .effects
            .values()
            .filter(|(_, effect)| *effect == LinkEffect::Cut);
        cuts.flat_map(|(links, _)| links.iter().copied())
    }

    fn name(&self, host: usize) -> &str {
        &self.names[host]
    }

    /// Sets all links as the plan and the faults want them.
    pub(super) fn set(&mut self, sim: &mut Sim<'_>) {
        for b in 1..self.names.len() {
            for a in 0..b {
                let quality = self.quality(a, b);
                if self.current.insert((a, b), quality) == Some(quality) {
                    continue;
                }
                let (a, b) = (self.names[a].as_str(), self.names[b].as_str());
                sim.set_link_latency(a, b, Duration::from_micros(quality.latency_min_us));
                let most = Duration::from_micros(quality.latency_max_us);
                sim.set_link_max_message_latency(a, b, most);
                sim.set_link_fail_rate(a, b, f64::from(quality.loss_ppm) / 1e6);
            }
        }
    }

    /// Cuts again what is cut: a lost message breaks a link in both directions, and its
    /// repair mends both.
    pub(super) fn assert_cuts(&self, sim: &Sim<'_>) {
        if self.current.values().all(|quality| quality.loss_ppm == 0) {
            return;
        }
        for (from, to) in self.cut() {
            sim.partition_oneway(self.name(from), self.name(to));
        }
    }

    fn quality(&self, a: usize, b: usize) -> Quality {
        let plan = &self.plan;
        let (min_us, max_us) = match plan.regions.as_ref() {
            None => (plan.latency_min_us, plan.latency_max_us),
            Some(regions) => {
                let of = |host: usize| *regions.of_node.get(host).unwrap_or(&regions.of_clients);
                match regions.link(of(a), of(b)) {
                    Some(far) => (far.latency_min_us, far.latency_max_us),
                    None => (plan.latency_min_us, plan.latency_max_us),
                }
            }
        };
        let mut quality = Quality {
            latency_min_us: min_us,
            latency_max_us: max_us + plan.jitter_us,
            loss_ppm: plan.loss_ppm,
        };
        for (links, effect) in self.effects.values() {
            let LinkEffect::Degrade(change) = effect else {
                continue;
            };
            if links.contains(&(a, b)) || links.contains(&(b, a)) {
                quality.latency_min_us += change.latency_us;
                quality.latency_max_us += change.latency_us + change.jitter_us;
                // Two independent chances of loss.
                let kept = u64::from(1_000_000 - quality.loss_ppm)
                    * u64::from(1_000_000 - change.loss_ppm);
                quality.loss_ppm = 1_000_000 - (kept / 1_000_000) as u32;
            }
        }
        quality
    }

    /// Those of `links` whose opposite direction is not among them, and gets worse with them.
    pub(super) fn one_way(links: &[Direction]) -> Vec<Direction> {
        let all: BTreeSet<_> = links.iter().copied().collect();
        let lonely = links
            .iter()
            .filter(|(from, to)| !all.contains(&(*to, *from)));
        lonely.copied().collect()
    }
}
