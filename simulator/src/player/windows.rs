//! Chooses of which stretches operations and messages are shown: what matters most first, as
//! far as there is room.

use std::ops::RangeInclusive;

use super::{Recording, Shown};
use crate::history::{EventKind, FaultStatus, NodeEvent};
use crate::report::html::player::Player;

/// The unit in which is chosen, microseconds.
const SLICE_US: i64 = 100_000;
/// How much before and after something is shown, microseconds.
const BEFORE_US: i64 = 200_000;
const AFTER_US: i64 = 500_000;
/// Around what broke it is more.
const BROKEN_US: i64 = 1_000_000;
/// Of longer outages only the begin is chosen.
const LONGEST_US: i64 = 2_000_000;

/// The slices of a run that are chosen.
pub(super) struct Chosen {
    /// How many of the slices before each one are chosen.
    before: Vec<usize>,
    end: i64,
}

/// What slices take in the page.
pub(super) struct Cost {
    /// Each of them.
    slices: Vec<usize>,
    /// Those around what broke first, if anything did: they are shown in any case.
    always: Option<RangeInclusive<usize>>,
    /// What those take together.
    pub(super) least: usize,
}

impl Cost {
    /// `slices` is what each one takes.
    pub(super) fn of(base: &Player, slices: Vec<usize>) -> Self {
        let first = base.violations.first();
        let always = first.map(|broken| {
            let of = |at: i64| slice_of(at, base.end);
            of(broken.at - BROKEN_US)..=of(broken.at + BROKEN_US)
        });
        let least = always
            .clone()
            .map_or(0, |always| slices[always].iter().sum());
        Self {
            slices,
            always,
            least,
        }
    }
}

/// Chooses slices that together cost no more than `room`, or those that are shown in any case.
pub(super) fn choose(
    seen: &Recording,
    player: &Player,
    shown: Shown,
    cost: &Cost,
    room: usize,
) -> Chosen {
    let end = player.end;
    let slices = |from: i64, to: i64| slice_of(from, end)..=slice_of(to, end);
    let mut is_chosen = vec![false; cost.slices.len()];
    match shown {
        Shown::All => is_chosen.fill(true),
        Shown::Window(window) => is_chosen[slices(window.from_us, window.to_us)].fill(true),
        Shown::Notable => {
            if let Some(always) = cost.always.clone() {
                is_chosen[always].fill(true);
            }
            let mut left = room.saturating_sub(cost.least);
            let mut take = |slice: usize| {
                let is_taken = !is_chosen[slice] && cost.slices[slice] <= left;
                if is_taken {
                    is_chosen[slice] = true;
                    left -= cost.slices[slice];
                }
                is_chosen[slice]
            };
            for slice in notable(seen, player)
                .into_iter()
                .flat_map(|(from, to)| slices(from, to))
            {
                take(slice);
            }
            // The rest in one piece, as far as it goes.
            (0..cost.slices.len())
                .take_while(|slice| take(*slice))
                .count();
        }
    }
    let mut count = 0;
    let before = is_chosen.iter().map(|is_chosen| {
        count += usize::from(*is_chosen);
        count
    });
    Chosen {
        before: [0].into_iter().chain(before).collect(),
        end,
    }
}

/// Stretches that matter, what matters most first.
fn notable(seen: &Recording, player: &Player) -> Vec<(i64, i64)> {
    let around = |at: i64| (at - BEFORE_US, at + AFTER_US);
    let mut found: Vec<(i64, i64)> = Vec::new();
    for violation in &player.violations {
        found.push((violation.at - BROKEN_US, violation.at + BROKEN_US));
        found.extend(violation.answers.iter().map(|answer| around(answer.at)));
    }
    let events = seen.trace.history.events.iter();
    let leaders = events.clone().filter(|event| {
        matches!(
            event.kind,
            EventKind::Node {
                event: NodeEvent::Leader { .. } | NodeEvent::Election { .. },
                ..
            }
        )
    });
    found.extend(leaders.map(|event| around(event.at_us as i64)));
    let faults = events.filter(|event| match &event.kind {
        EventKind::Fault(fault) => {
            matches!(fault.status, FaultStatus::Installed | FaultStatus::Healed)
        }
        _ => false,
    });
    found.extend(faults.map(|event| around(event.at_us as i64)));
    let outages = player.outages.iter();
    found.extend(outages.map(|(from, to, _)| (from - BEFORE_US, (*to).min(from + LONGEST_US))));
    found
}

impl Chosen {
    /// Whether something that began and ended at these times is to be shown.
    pub(super) fn has(&self, from: i64, to: i64) -> bool {
        let last = self.before.len() - 2;
        let of = |at: i64| ((at.max(0) / SLICE_US) as usize).min(last);
        self.before[of(to) + 1] > self.before[of(from)]
    }

    /// The chosen stretches, in order, as far as everything is known of them.
    pub(super) fn windows(&self, (since, until): (i64, i64)) -> Vec<(i64, i64)> {
        let mut windows: Vec<(i64, i64)> = Vec::new();
        for (slice, pair) in self.before.windows(2).enumerate() {
            if pair[0] == pair[1] {
                continue;
            }
            let begin = slice as i64 * SLICE_US;
            let (from, to) = (
                begin.max(since),
                (begin + SLICE_US).min(self.end).min(until),
            );
            if from > to {
                continue;
            }
            match windows.last_mut() {
                Some(before) if before.1 == from => before.1 = to,
                _ => windows.push((from, to)),
            }
        }
        windows
    }
}

/// How many slices a run has that ends then.
pub(super) fn count(end: i64) -> usize {
    (end.max(0) / SLICE_US) as usize + 1
}

/// In which slice something begins.
pub(super) fn slice_of(at: i64, end: i64) -> usize {
    ((at.max(0) / SLICE_US) as usize).min(count(end) - 1)
}
