//! Decides in nearly linear time a register whose written values are unique.
//!
//! Since no value is written twice, every read names the write that it saw, so the calls
//! fall into blocks: a write with its reads. A compare-and-set that succeeded reads one value
//! and writes the next, so it joins the blocks of both, in this order, with nothing between.
//! A block's zone lies between its first return f and its last invocation s. Block A must
//! come before block B if f(A) < s(B). The register is linearizable exactly if each block is
//! right by itself and no two blocks must each come before the other: if there is a longer
//! cycle, its block with the smallest f is in conflict with the one before it.
//!
//! Source: Gibbons & Korach, "Testing shared memories" (1997), §4.1, with their zones. In
//! their words, no two forward zones (f < s) overlap, and no backward zone lies within a
//! forward one.
//!
//! Left out, and answered by `None`: values that are written twice, and compare-and-sets
//! that were refused, whose place is not known. The general search decides those.

use indexmap::{IndexMap, IndexSet};

use super::Call;
use super::models::Symbol;
use super::models::register::RegisterCall;

/// Calls that no order can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The kind of conflict, in words.
    pub what: &'static str,
    /// Positions in the list of calls.
    pub calls: Vec<usize>,
}

/// Whether the calls on a register that holds `initial` at first are linearizable; `None` if
/// zones cannot decide it.
pub fn decide(initial: Symbol, calls: &[Call<RegisterCall>]) -> Option<Result<(), Conflict>> {
    let groups = groups(initial, calls)?;
    Some(judge(initial, groups, calls))
}

/// The calls that agree on one value.
#[derive(Default)]
struct Group {
    /// The call that wrote the value; the initial one has none.
    write: Option<usize>,
    reads: Vec<usize>,
    /// The value that the write replaced, if it was a compare-and-set.
    from: Option<Symbol>,
}

type Groups = IndexMap<Symbol, Group>;

/// `None` if a value was written twice, or a comparison was refused.
fn groups(initial: Symbol, calls: &[Call<RegisterCall>]) -> Option<Groups> {
    let mut groups = Groups::new();
    groups.entry(initial).or_default();
    for (place, call) in calls.iter().enumerate() {
        let (value, from) = match call.operation {
            RegisterCall::Write(value) => (value, None),
            RegisterCall::Swap { old, new } => (new, Some(old)),
            RegisterCall::Read(value) => {
                groups.entry(value).or_default().reads.push(place);
                continue;
            }
            RegisterCall::Mismatch { .. } => return None,
        };
        let group = groups.entry(value).or_default();
        if value == initial || group.write.replace(place).is_some() {
            return None;
        }
        group.from = from;
    }
    Some(groups)
}

fn judge(initial: Symbol, groups: Groups, calls: &[Call<RegisterCall>]) -> Result<(), Conflict> {
    let mut zones = Vec::new();
    for chain in chains(initial, &groups, calls)? {
        zones.push(zone(&chain, calls)?);
    }
    let (mut forward, backward): (Vec<Zone>, Vec<Zone>) = zones
        .into_iter()
        .partition(|zone| zone.first_return.0 < zone.last_invoked.0);
    forward.sort_unstable_by_key(|zone| zone.first_return);
    // Up to the first pair that overlaps, both ends rise.
    for pair in forward.windows(2) {
        if pair[1].first_return.0 < pair[0].last_invoked.0 {
            return Err(conflict(&pair[0], &pair[1]));
        }
    }
    for zone in &backward {
        let before = forward.partition_point(|f| f.first_return.0 < zone.last_invoked.0);
        let around = forward[..before].last();
        if let Some(around) = around.filter(|f| zone.first_return.0 < f.last_invoked.0) {
            return Err(conflict(around, zone));
        }
    }
    Ok(())
}

/// The groups in chains that compare-and-sets make of them, in order. Writes of unknown
/// outcome on which nothing depends are left out: they may as well never have happened.
fn chains<'g>(
    initial: Symbol,
    groups: &'g Groups,
    calls: &[Call<RegisterCall>],
) -> Result<Vec<Vec<&'g Group>>, Conflict> {
    let mut needed: IndexSet<Symbol> = IndexSet::from([initial]);
    for (&value, group) in groups {
        let is_answered = group
            .write
            .is_some_and(|write| calls[write].returned.is_some());
        if is_answered || !group.reads.is_empty() {
            needed.insert(value);
        }
    }
    let mut next: IndexMap<Symbol, Symbol> = IndexMap::new();
    let mut at = 0;
    while let Some(&value) = needed.get_index(at) {
        at += 1;
        let group = groups
            .get(&value)
            .filter(|group| group.write.is_some() || value == initial);
        let Some(group) = group else {
            let calls = groups.get(&value).map(|group| group.reads.clone());
            let swapped = next.get(&value).and_then(|new| groups[new].write);
            return Err(Conflict {
                what: "nobody wrote the value that was seen",
                calls: calls.into_iter().flatten().chain(swapped).collect(),
            });
        };
        if let Some(from) = group.from {
            needed.insert(from);
            if let Some(other) = next.insert(from, value) {
                let both = [other, value].map(|value| groups[&value].write);
                return Err(Conflict {
                    what: "two swaps replaced one value that was written once",
                    calls: both.into_iter().flatten().collect(),
                });
            }
        }
    }
    let starts = needed.iter().filter(|value| groups[*value].from.is_none());
    let chains: Vec<Vec<&Group>> = starts
        .map(|&start| {
            let chain = std::iter::successors(Some(start), |value| next.get(value).copied());
            chain.map(|value| &groups[&value]).collect()
        })
        .collect();
    if chains.iter().map(Vec::len).sum::<usize>() < needed.len() {
        let swaps = next.values().filter_map(|value| groups[value].write);
        return Err(Conflict {
            what: "swaps go round in a circle",
            calls: swaps.collect(),
        });
    }
    Ok(chains)
}

/// When a block of calls took place, each time with the call that gives it. Before all calls
/// is -1, and never is the greatest number.
struct Zone {
    first_return: (i64, Option<usize>),
    last_invoked: (i64, Option<usize>),
}

/// The zone of a chain, whose own order must not contradict real time.
fn zone(chain: &[&Group], calls: &[Call<RegisterCall>]) -> Result<Zone, Conflict> {
    let mut zone = Zone {
        first_return: (i64::MAX, None),
        last_invoked: (-1, None),
    };
    for group in chain {
        match group.write {
            Some(write) => zone.add(&[write], calls)?,
            None => zone.first_return = (-1, None),
        }
        zone.add(&group.reads, calls)?;
    }
    Ok(zone)
}

impl Zone {
    /// Adds calls that come after all that are in the zone, in any order.
    fn add(&mut self, places: &[usize], calls: &[Call<RegisterCall>]) -> Result<(), Conflict> {
        let before = self.last_invoked;
        for &place in places {
            let call = &calls[place];
            let returned = call.returned.map_or(i64::MAX, |position| position as i64);
            if returned < before.0 {
                return Err(Conflict {
                    what: "what was seen had not been written yet",
                    calls: before.1.into_iter().chain([place]).collect(),
                });
            }
            self.first_return = self.first_return.min((returned, Some(place)));
            let invoked = (call.invoked as i64, Some(place));
            self.last_invoked = self.last_invoked.max(invoked);
        }
        Ok(())
    }
}

fn conflict(a: &Zone, b: &Zone) -> Conflict {
    let calls = [
        a.first_return,
        b.last_invoked,
        b.first_return,
        a.last_invoked,
    ];
    let calls: IndexSet<usize> = calls.into_iter().filter_map(|(_, call)| call).collect();
    Conflict {
        what: "of two values each must come before the other",
        calls: calls.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::linearizability::brute_force;
    use crate::linearizability::models::register::Register;

    fn call(
        operation: RegisterCall,
        invoked: usize,
        returned: Option<usize>,
    ) -> Call<RegisterCall> {
        Call {
            operation,
            invoked,
            returned,
        }
    }

    #[test]
    fn a_read_before_its_write_and_a_value_that_comes_back() {
        use RegisterCall::{Read, Write};
        let early = [call(Read(1), 0, Some(1)), call(Write(1), 2, Some(3))];
        let why = decide(0, &early).expect("values are unique");
        assert_eq!(why.map_err(|why| why.calls), Err(vec![1, 0]));
        let back = [
            call(Write(1), 0, Some(1)),
            call(Write(2), 2, Some(3)),
            call(Read(2), 4, Some(5)),
            call(Read(1), 6, Some(7)),
        ];
        assert!(decide(0, &back).is_some_and(|judged| judged.is_err()));
        assert_eq!(decide(0, &back[..3]), Some(Ok(())));
    }

    #[test]
    fn values_that_are_written_twice_and_refused_comparisons_are_left_to_the_search() {
        use RegisterCall::{Mismatch, Write};
        let twice = [call(Write(1), 0, Some(1)), call(Write(1), 2, Some(3))];
        assert_eq!(decide(0, &twice), None);
        assert_eq!(decide(0, &[call(Mismatch { old: 1 }, 0, Some(1))]), None);
        assert_eq!(decide(0, &[call(Write(0), 0, Some(1))]), None);
    }

    /// Up to seven calls in random real time; every write has its own value.
    fn history() -> impl Strategy<Value = Vec<Call<RegisterCall>>> {
        let one = (0..3u8, 1..8u32, any::<u8>(), any::<u8>(), 0..5u8);
        proptest::collection::vec(one, 1..8).prop_map(|parts| {
            let mut times: Vec<(u8, usize, bool)> = Vec::new();
            for (n, &(_, _, a, b, _)) in parts.iter().enumerate() {
                times.extend([(a.min(b), n, false), (a.max(b), n, true)]);
            }
            times.sort_unstable();
            let place = |n, end| times.iter().position(|t| (t.1, t.2) == (n, end));
            let calls = parts
                .iter()
                .enumerate()
                .map(|(n, &(kind, value, _, _, lost))| {
                    let own = n as u32 + 1;
                    let old = value % 8;
                    let operation = match kind {
                        0 => RegisterCall::Read(old),
                        1 => RegisterCall::Write(own),
                        _ => RegisterCall::Swap { old, new: own },
                    };
                    // A read without an answer is no call.
                    let is_lost = lost == 0 && kind > 0;
                    Call {
                        operation,
                        invoked: place(n, false).expect("it is in the list"),
                        returned: place(n, true).filter(|_| !is_lost),
                    }
                });
            calls.collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn zones_agree_with_the_enumeration_of_all_orders(calls in history()) {
            let judged = decide(0, &calls).expect("values are unique");
            let expected = brute_force::is_linearizable(&Register { initial: 0 }, &calls);
            prop_assert_eq!(judged.is_ok(), expected, "{:?} {:?}", judged, calls);
        }
    }
}
