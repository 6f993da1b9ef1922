//! Makes what the player of a run's page plays: from the history alone, or with the messages of
//! a replay.
//!
//! Roles, faults, phases and what nodes said are of the whole run (`base`). `details` has
//! operations and messages, which are many: of the stretches that `windows` chooses, what
//! matters most first, as far as the page has room. `faults` says which links each fault cut,
//! `indexes` how logs grew, `broken` who answered the operations that a check shows.

mod base;
mod broken;
mod details;
mod faults;
mod indexes;
mod parties;
mod texts;
mod windows;

use crate::explain::Story;
use crate::plan::Plan;
use crate::report::Report;
use crate::report::html::player::Player;
use crate::trace::{Trace, Window};
use parties::Parties;
use windows::Cost;

pub use indexes::moments;

/// What all that is played takes in a page at most, unless more is asked for: with everything
/// else, the page of a minute of chaos stays below three megabytes.
pub const MOST_BYTES: usize = 2_400_000;

/// A run to be played.
pub struct Recording<'t, 'a> {
    /// Of the whole run.
    pub trace: &'t Trace<'a>,
    /// As it was made when the run was judged.
    pub report: &'t Report,
    /// Says which sides partitions have.
    pub plan: Option<&'t Plan>,
    /// Of which stretch messages were recorded, where the run was made again for them.
    pub messages: Option<Window>,
    /// Why it failed, of a run that did and was made again.
    pub story: Option<&'t Story>,
}

/// Of which stretches operations and messages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Around what matters: what broke, changes of leaders, faults, outages; then the rest, as
    /// far as there is room.
    Notable,
    /// Of this one, however much it is.
    Window(Window),
    /// Of the whole run, however much it is.
    All,
}

impl Recording<'_, '_> {
    /// The stretch of which everything is known that is to be known at all: without messages,
    /// the whole run; otherwise what they were recorded of, less those that were too many.
    fn known(&self, end: i64) -> (i64, i64) {
        let Some(window) = self.messages else {
            return (0, end);
        };
        let kept_until = self.trace.traced.kept_until_us();
        let to = window.to_us.min(end);
        (window.from_us, kept_until.map_or(to, |until| until.min(to)))
    }
}

/// Everything that the player needs. Where `shown` leaves a choice, it takes at most
/// `most_bytes` in the page, or, if that is more, what is of the whole run in any case and the
/// two seconds around what broke first.
pub fn player(seen: &Recording, shown: Shown, most_bytes: usize) -> Player {
    let parties = Parties::of(seen.trace, seen.report);
    let base = base::base(seen, &parties);
    let mut room = match shown {
        Shown::Notable => most_bytes.saturating_sub(base.json().len()),
        Shown::Window(_) | Shown::All => usize::MAX,
    };
    let cost = Cost::of(&base, details::costs(&base, seen, &parties));
    loop {
        let mut player = base.clone();
        let chosen = windows::choose(seen, &player, shown, &cost, room);
        details::add(&mut player, seen, &parties, shown, &chosen);
        // What a row takes is estimated, so it may take more.
        if room == usize::MAX || room <= cost.least || player.json().len() <= most_bytes {
            return player;
        }
        room = room / 10 * 9;
    }
}
