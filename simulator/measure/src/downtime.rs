//! Downtime: how long clients asked a service without an answer that they could have had.
//!
//! *A client* is without a service from the first of its attempts that is in vain to the end
//! of the first one after it that is answered. An answer that took longer than [`limit_us`]
//! allows is late, and its wait counts as well; an answer that is merely slow does not. A
//! client that asks nothing for longer than [`PAUSE_US`] after an attempt in vain is idle, and
//! what it did not ask for it did not miss. Time for which an operation itself asked to be
//! kept waiting (a long poll, a lock) never counts; see [`super::attempts`].
//!
//! *A service* is down while at least one of its clients is without it and none is served:
//! from the first attempt in vain since anybody was answered to the next answer. A client is
//! served from an answer on for as long as it is answered and goes on to ask.
//!
//! Probes are clients of the harness. They have rows of their own, and whether a service is
//! there for the workload's clients is not theirs to say. Only the stretch from the start of
//! chaos to the end of serve counts, and gaps are clipped to it. `any` is the time in which at
//! least one service was down.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{History, Service};
use squall_objective::fixed::{Ms, Percent};

use super::attempts::{Asker, Attempt, Ended, askers};
use super::distribution::{nearest_rank, sorted};
use super::timeline::{Span, Timeline};
use squall_history::Phase;

/// An answer that took longer was no service, unless that is usual; see [`limit_us`].
pub const SLOW_US: u64 = 500_000;
/// A client that asks nothing for longer than this is idle.
pub const PAUSE_US: u64 = 1_000_000;
/// So many answers in the warm-up say what is usual.
pub const ENOUGH: usize = 100;
/// An answer is late that took so many times the warm-up's p99.
pub const LATE: u64 = 3;

/// A stretch in which a service was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The one that was down.
    #[schemars(with = "String")]
    pub service: Service,
    /// From the start of the run.
    pub from_ms: Ms,
    /// From the start of the run; the end of the run if it never came back.
    pub to_ms: Ms,
}

impl Gap {
    /// Microseconds.
    pub fn length_us(&self) -> u64 {
        self.to_ms.get() - self.from_ms.get()
    }
}

/// What the clients of a service felt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientsDowntime {
    /// The longest that any client was without the service at a time.
    pub max: Ms,
    /// How many clients were without it at some time.
    pub without: u64,
    /// How many clients asked.
    pub asked: u64,
    /// The slowest answer, waits on request not counted: slow, and within the limit no
    /// downtime.
    pub slowest: Ms,
}

/// From the start of chaos to the end of serve; a gap that goes beyond either is cut there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceDowntime {
    /// All gaps together, in which nobody was answered.
    pub total: Ms,
    /// The longest gap.
    pub max: Ms,
    /// How many gaps.
    pub count: u64,
    /// Percent of that stretch without a gap.
    pub availability: Percent,
    /// The same stretch, client by client.
    pub clients: ClientsDowntime,
}

/// `null` for services that ship with Squall and were never asked by a workload, and for `any`
/// if no service was, or the run had no chaos.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Downtime {
    /// By service, those that ship always among them.
    #[serde(flatten)]
    pub services: BTreeMap<Service, Option<ServiceDowntime>>,
    /// At least one service down.
    pub any: Option<ServiceDowntime>,
}

impl Downtime {
    /// `None` where the run says nothing of it.
    pub fn of(&self, service: Service) -> Option<ServiceDowntime> {
        self.services.get(&service).copied().flatten()
    }
}

/// A client that was without a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientGaps {
    /// As in the history: `cache-2`.
    pub client: String,
    /// What it was without.
    #[schemars(with = "String")]
    pub service: Service,
    /// All its gaps together.
    pub total_ms: Ms,
    /// The longest.
    pub max_ms: Ms,
    /// When the longest began.
    pub from_ms: Ms,
    /// How many gaps.
    pub count: u64,
}

/// Everything about downtime.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outages {
    /// How long each service was down.
    pub downtime: Downtime,
    /// Of services, in order of time, then of service.
    pub gaps: Vec<Gap>,
    /// Clients that were without a service, the longest first.
    pub clients: Vec<ClientGaps>,
    /// What the probes of each service felt.
    pub probes: BTreeMap<Service, ServiceDowntime>,
}

/// Downtime between the start of chaos and the end of serve.
pub fn downtime(history: &History, timeline: &Timeline<'_>) -> Outages {
    let mut services = BTreeMap::from(Service::SHIPPED.map(|service| (service, None)));
    let Some(measured) = timeline.measured() else {
        let downtime = Downtime {
            services,
            any: None,
        };
        return Outages {
            downtime,
            ..Outages::default()
        };
    };
    let warmup = timeline.phase(Phase::Warmup);
    let mut by_service: BTreeMap<(Service, bool), Vec<Asker>> = BTreeMap::new();
    for asker in askers(history, &timeline.operations) {
        let key = (asker.service, asker.is_probe());
        by_service.entry(key).or_default().push(asker);
    }
    let mut outages = Outages::default();
    let (mut felt, mut all_asked, mut all_without) =
        (ClientsDowntime::default(), BTreeSet::new(), BTreeSet::new());
    for ((service, are_probes), askers) in &by_service {
        let (service, askers) = (*service, askers.as_slice());
        let limit_us = limit_us(askers, warmup);
        let clients: Vec<Client> = askers
            .iter()
            .filter(|asker| {
                asker
                    .attempts
                    .iter()
                    .any(|attempt| is_within(attempt, measured))
            })
            .map(|asker| Client::of(asker, limit_us))
            .collect();
        if clients.is_empty() {
            continue;
        }
        let found = clipped(union(down(&clients)), measured);
        let mut row = sum(&found, measured);
        row.clients = felt_by(&clients, measured);
        if *are_probes {
            outages.probes.insert(service, row);
            continue;
        }
        services.insert(service, Some(row));
        felt.max = felt.max.max(row.clients.max);
        felt.slowest = felt.slowest.max(row.clients.slowest);
        all_asked.extend(clients.iter().map(|client| client.name));
        let without = clients.iter().filter_map(|c| c.row(service, measured));
        for row in without {
            all_without.insert(row.client.clone());
            outages.clients.push(row);
        }
        outages.gaps.extend(found.iter().map(|gap| Gap {
            service,
            from_ms: Ms::of(gap.from_us),
            to_ms: Ms::of(gap.to_us),
        }));
    }
    felt.asked = all_asked.len() as u64;
    felt.without = all_without.len() as u64;
    outages.gaps.sort_by_key(|gap| (gap.from_ms, gap.service));
    (outages.clients).sort_by_key(|client| std::cmp::Reverse(client.max_ms));
    let spans = outages.gaps.iter().map(|gap| Span {
        from_us: gap.from_ms.get(),
        to_us: gap.to_ms.get(),
    });
    let any = sum(&union(spans.collect()), measured);
    outages.downtime = Downtime {
        services,
        any: (felt.asked > 0).then_some(ServiceDowntime {
            clients: felt,
            ..any
        }),
    };
    outages
}

fn is_within(attempt: &Attempt, measured: Span) -> bool {
    attempt.asked_us < measured.to_us && measured.from_us <= attempt.to_us
}

/// How long an answer may take before its client counts as without the service:
/// [`SLOW_US`], or [`LATE`] times the p99 of the warm-up's answers where that is longer and
/// they are [`ENOUGH`] to tell. Microseconds.
fn limit_us(askers: &[Asker], warmup: Option<Span>) -> u64 {
    let Some(warmup) = warmup else {
        return SLOW_US;
    };
    let attempts = askers.iter().flat_map(|asker| &asker.attempts);
    let usual = attempts
        .filter(|a| a.ended == Ended::Answered && a.waits_us == a.asked_us)
        .filter(|a| (warmup.from_us..warmup.to_us).contains(&a.asked_us))
        .map(Attempt::wait_us);
    let usual = sorted(usual);
    let p99_us = nearest_rank(&usual, 990).filter(|_| usual.len() >= ENOUGH);
    SLOW_US.max(LATE * p99_us.unwrap_or(0))
}

/// A client and one service: when it was without it, when it was served.
struct Client<'a> {
    name: &'a str,
    attempts: &'a [Attempt],
    gaps: Vec<Span>,
    served: Vec<Span>,
}

impl<'a> Client<'a> {
    fn of(asker: &'a Asker<'a>, limit_us: u64) -> Self {
        let mut client = Self {
            name: asker.client,
            attempts: &asker.attempts,
            gaps: Vec::new(),
            served: Vec::new(),
        };
        // From the first attempt in vain to the end of the last one so far.
        let mut open: Option<Span> = None;
        // When it was last answered, if it is not without the service.
        let mut answered_us: Option<u64> = None;
        for attempt in &asker.attempts {
            let idle = |since_us: u64| attempt.asked_us > since_us + PAUSE_US;
            if let Some(gap) = open.take_if(|gap| idle(gap.to_us)) {
                client.gaps.push(gap);
            }
            if let Some(since_us) = answered_us {
                let until_us = attempt.asked_us.min(since_us + PAUSE_US);
                client.serve(since_us, until_us);
            }
            let was_served = answered_us.is_some_and(|since_us| !idle(since_us));
            let is_late = attempt.wait_us() > limit_us;
            match attempt.ended {
                Ended::Unheard => {}
                Ended::InVain if attempt.is_open && !is_late => {}
                Ended::InVain => {
                    answered_us = None;
                    let gap = open.get_or_insert(Span {
                        from_us: attempt.waits_us,
                        to_us: attempt.to_us,
                    });
                    gap.to_us = gap.to_us.max(attempt.to_us);
                }
                Ended::Answered => {
                    answered_us = Some(attempt.to_us);
                    let since = open.take();
                    let from_us = since.map_or(attempt.waits_us, |gap| gap.from_us);
                    match (since, is_late) {
                        (None, false) if was_served => {
                            client.serve(attempt.asked_us, attempt.to_us)
                        }
                        (None, false) => {}
                        (Some(gap), false) => {
                            let to_us = attempt.answered_us().max(gap.to_us);
                            client.gaps.push(Span { from_us, to_us });
                        }
                        (_, true) => client.gaps.push(Span {
                            from_us,
                            to_us: attempt.to_us,
                        }),
                    }
                }
            }
        }
        client.gaps.extend(open);
        if let Some(since_us) = answered_us {
            client.serve(since_us, since_us + PAUSE_US);
        }
        client
    }

    fn serve(&mut self, from_us: u64, to_us: u64) {
        self.served.push(Span { from_us, to_us });
    }

    fn row(&self, service: Service, measured: Span) -> Option<ClientGaps> {
        let gaps = clipped(self.gaps.clone(), measured);
        let longest = gaps
            .iter()
            .max_by_key(|gap| (gap.length_us(), u64::MAX - gap.from_us))?;
        Some(ClientGaps {
            client: self.name.to_owned(),
            service,
            total_ms: Ms::of(gaps.iter().map(|gap| gap.length_us()).sum()),
            max_ms: Ms::of(longest.length_us()),
            from_ms: Ms::of(longest.from_us),
            count: gaps.len() as u64,
        })
    }
}

fn felt_by(clients: &[Client], measured: Span) -> ClientsDowntime {
    let mut felt = ClientsDowntime {
        asked: clients.len() as u64,
        ..ClientsDowntime::default()
    };
    for client in clients {
        let gaps = clipped(client.gaps.clone(), measured);
        let longest_us = gaps.iter().map(|gap| gap.length_us()).max();
        felt.max = felt.max.max(Ms::of(longest_us.unwrap_or(0)));
        felt.without += u64::from(longest_us.is_some());
        let answered = client.attempts.iter();
        let answered = answered.filter(|a| a.ended == Ended::Answered && is_within(a, measured));
        let slowest_us = answered.map(Attempt::wait_us).max();
        felt.slowest = felt.slowest.max(Ms::of(slowest_us.unwrap_or(0)));
    }
    felt
}

/// When a service with these clients was down.
fn down(clients: &[Client]) -> Vec<Span> {
    let gaps = || clients.iter().flat_map(|client| &client.gaps);
    let served = clients.iter().flat_map(|client| &client.served);
    // At each moment, how the clients without the service and the clients served change.
    let mut changes: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    for gap in gaps() {
        changes.entry(gap.from_us).or_default().0 += 1;
        changes.entry(gap.to_us).or_default().0 -= 1;
    }
    for span in served {
        changes.entry(span.from_us).or_default().1 += 1;
        changes.entry(span.to_us).or_default().1 -= 1;
    }
    let answers = clients.iter().flat_map(|client| client.attempts);
    let answers = answers.filter(|attempt| attempt.ended == Ended::Answered);
    let answers = sorted(answers.map(|attempt| attempt.to_us));
    let last_answer_us = |at_us: u64| {
        let before = answers.partition_point(|answer_us| *answer_us <= at_us);
        before.checked_sub(1).map_or(0, |last| answers[last])
    };
    let begun_us = |at_us: u64| {
        let open = gaps().filter(|gap| gap.from_us <= at_us && at_us < gap.to_us);
        open.map(|gap| gap.from_us).min().unwrap_or(at_us)
    };
    let (mut without, mut with, mut since) = (0, 0, None);
    let mut down = Vec::new();
    for (at_us, (more_without, more_with)) in changes {
        without += more_without;
        with += more_with;
        let is_down = without > 0 && with == 0;
        match (is_down, since) {
            (true, None) => since = Some(begun_us(at_us).max(last_answer_us(at_us))),
            (false, Some(from_us)) => {
                down.push(Span {
                    from_us,
                    to_us: at_us,
                });
                since = None;
            }
            _ => {}
        }
    }
    down
}

/// The parts of the stretches, in order, that lie in the one measured.
fn clipped(stretches: Vec<Span>, measured: Span) -> Vec<Span> {
    let clip = |span: Span| Span {
        from_us: span.from_us.max(measured.from_us),
        to_us: span.to_us.min(measured.to_us),
    };
    let clipped = stretches.into_iter().map(clip);
    clipped.filter(|span| span.length_us() > 0).collect()
}

fn union(mut stretches: Vec<Span>) -> Vec<Span> {
    stretches.sort_by_key(|span| span.from_us);
    let mut union: Vec<Span> = Vec::new();
    for span in stretches {
        match union.last_mut() {
            Some(last) if span.from_us <= last.to_us => last.to_us = last.to_us.max(span.to_us),
            _ => union.push(span),
        }
    }
    union
}

/// Without what clients felt.
fn sum(gaps: &[Span], measured: Span) -> ServiceDowntime {
    let total_us: u64 = gaps.iter().map(|gap| gap.length_us()).sum();
    let up_us = u128::from(measured.length_us().saturating_sub(total_us));
    let ppm = (up_us * 1_000_000).checked_div(u128::from(measured.length_us()));
    ServiceDowntime {
        total: Ms::of(total_us),
        max: Ms::of(gaps.iter().map(|gap| gap.length_us()).max().unwrap_or(0)),
        count: gaps.len() as u64,
        availability: Percent::of(u64::try_from(ppm.unwrap_or(1_000_000)).unwrap_or(1_000_000)),
        clients: ClientsDowntime::default(),
    }
}

#[cfg(test)]
#[path = "downtime_tests.rs"]
mod tests;
