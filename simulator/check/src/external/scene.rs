//! Describes a violation: in words, and as the scene of a picture.
//!
//! Shows the end of the shortest wrong prefix of one object: what could be ordered, what
//! then had to come and does not fit, and the faults in force meanwhile. Drawing is for
//! `picture`.

use super::object::Explanation;
use super::records::Records;
use super::shown::Shown;
use crate::view::View;
use squall_history::FaultStatus;

/// What a picture of a violation shows.
#[derive(Debug)]
pub struct Scene {
    /// Of the object, and what is wrong.
    pub title: String,
    /// In order of invocation.
    pub(super) bars: Vec<Bar>,
    pub(super) faults: Vec<Shade>,
    /// Operations of the object before those shown.
    pub(super) earlier: usize,
    pub(super) prefix: usize,
}

#[derive(Debug)]
pub(super) struct Bar {
    pub(super) shown: Shown,
    /// Its place in the longest order found, from 1.
    pub(super) place: Option<usize>,
    /// The operation that fits nowhere.
    pub(super) is_stuck: bool,
}

/// A stretch of the history with a fault in force; `until` is `None` if it never ended.
#[derive(Debug, Clone)]
pub(super) struct Shade {
    pub(super) what: String,
    pub(super) from: usize,
    pub(super) until: Option<usize>,
}

/// Most operations of an order that are shown.
const MOST_SHOWN: usize = 8;

/// The violation in words.
pub(super) fn story(all: &[Shown], why: &Explanation, prefix: usize) -> Vec<String> {
    let mut story = Vec::new();
    let words = |place: usize| at(&all[place], prefix);
    story.extend(why.what.as_ref().map(|what| format!("{what}:")));
    story.extend(why.shown.iter().map(|&place| format!("  {}", words(place))));
    if let Some(stuck) = &why.stuck {
        let ordered = stuck.order.len();
        let from = ordered.saturating_sub(MOST_SHOWN);
        story.push(match (ordered, from) {
            (0, _) => "nothing can come first:".into(),
            (_, 0) => format!("the longest order has {ordered} operations:"),
            _ => format!("the longest order has {ordered} operations, and ends:"),
        });
        for (number, &place) in (from + 1..).zip(&stuck.order[from..]) {
            story.push(format!("  {number}. {}", words(place)));
        }
        story.push("and then this has to come, and does not fit:".into());
        story.push(format!("  {}", words(stuck.call)));
        let last = all.iter().position(|s| s.returned == prefix.checked_sub(1));
        if let Some(last) = last.filter(|&last| last != stuck.call) {
            story.push("until this answer came, it was still possible:".into());
            story.push(format!("  {}", words(last)));
        }
    }
    story
}

/// The words of an operation, unless its answer came after the prefix.
fn at(shown: &Shown, prefix: usize) -> String {
    match shown.returned {
        Some(position) if position >= prefix => format!("{}, answered later", shown.words),
        _ => shown.words.clone(),
    }
}

/// Events of the object that a picture shows at most, back from the end of the prefix.
const SHOWN_EVENTS: usize = 36;

impl Scene {
    pub(super) fn new(
        object: &str,
        all: &[Shown],
        why: &Explanation,
        prefix: usize,
        faults: &[Shade],
    ) -> Self {
        let order = why.stuck.iter().flat_map(|stuck| &stuck.order);
        let mut places: Vec<Option<usize>> = vec![None; all.len()];
        for (number, &place) in (1..).zip(order) {
            places[place] = Some(number);
        }
        let stuck = why.stuck.as_ref().map(|stuck| stuck.call);
        let mut events: Vec<usize> = (all.iter())
            .flat_map(|s| [Some(s.invoked), s.returned])
            .flatten()
            .filter(|&position| position < prefix)
            .collect();
        events.sort_unstable();
        let start = events.len().saturating_sub(SHOWN_EVENTS);
        let start = events.get(start).copied().unwrap_or(0);
        let tail = why.stuck.iter().flat_map(|stuck| {
            let from = stuck.order.len().saturating_sub(MOST_SHOWN);
            &stuck.order[from..]
        });
        let tail: Vec<usize> = tail.chain(&why.shown).copied().collect();
        // What never returned long ago says nothing, unless the order needs it.
        let is_near = |(place, shown): &(usize, &Shown)| {
            let overlaps = shown.returned.is_some_and(|returned| returned >= start);
            let begun = shown.invoked < prefix;
            begun && (overlaps || shown.invoked >= start || tail.contains(place))
        };
        let near: Vec<(usize, &Shown)> = all.iter().enumerate().filter(is_near).collect();
        let begun = all.iter().filter(|shown| shown.invoked < prefix).count();
        let bars = near.iter().map(|&(place, shown)| Bar {
            shown: Shown {
                returned: shown.returned.filter(|&position| position < prefix),
                ..shown.clone()
            },
            place: places[place],
            is_stuck: Some(place) == stuck || (stuck.is_none() && why.shown.last() == Some(&place)),
        });
        Self {
            title: format!("{object} is not linearizable"),
            bars: bars.collect(),
            faults: faults.to_vec(),
            earlier: begun - near.len(),
            prefix,
        }
    }
}

/// Stretches between the nemesis's `:start…` and `:stop…`.
pub(super) fn nemesis(records: &Records) -> Vec<Shade> {
    let mut shades: Vec<Shade> = Vec::new();
    for (position, words) in &records.nemesis {
        let open = shades.iter_mut().find(|shade| shade.until.is_none());
        match open {
            Some(shade) if words.contains("stop") || words.contains("heal") => {
                shade.until = Some(*position);
            }
            None if words.contains("start") || words.contains("kill") => shades.push(Shade {
                what: words.clone(),
                from: *position,
                until: None,
            }),
            _ => {}
        }
    }
    shades
}

/// Stretches in which our own faults were in force.
pub(super) fn faults(view: &View) -> Vec<Shade> {
    let mut shades: Vec<(usize, Shade)> = Vec::new();
    for (position, _, fault) in view.faults() {
        let open =
            |(number, shade): &&mut (usize, Shade)| *number == fault.fault && shade.until.is_none();
        match fault.status {
            FaultStatus::Installed => shades.push((
                fault.fault,
                Shade {
                    what: format!("{} {}", fault.kind, fault.targets.join(", ")),
                    from: position,
                    until: fault.kind.is_instant().then_some(position),
                },
            )),
            FaultStatus::Healed => {
                if let Some((_, shade)) = shades.iter_mut().find(open) {
                    shade.until = Some(position);
                }
            }
            FaultStatus::Skipped { .. } | FaultStatus::Uncertain { .. } => {}
        }
    }
    shades.into_iter().map(|(_, shade)| shade).collect()
}
