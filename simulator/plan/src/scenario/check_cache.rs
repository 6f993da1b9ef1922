//! Checks of the ways in which a `[[workload]]` uses the cache.

use super::bounds::{Checked, check_least, place, problem};
use super::unit::{Duration, Share, share_text};
use super::workload::Workload;
use crate::plan::ExactlyOnce;
use squall_history::Service;

pub(super) fn check(workload: &Workload) -> Checked {
    check_ways(workload)?;
    match workload.service() {
        Service::Cache => check_lists(workload),
        _ => Ok(()),
    }
}

fn check_lists(workload: &Workload) -> Checked {
    let Some(lists) = &workload.lists else {
        return check_without(workload);
    };
    let shares = lists.get_ref();
    let shares = [
        shares.push,
        shares.pop,
        shares.moves,
        shares.length,
        shares.range,
    ];
    let total: u64 = shares.iter().map(|share| u64::from(share.0)).sum();
    if total != 1_000_000 {
        let total = share_text(u32::try_from(total).unwrap_or(u32::MAX));
        let message = format!("lists: the shares make {total} together, not 100%");
        return problem(lists.span(), message);
    }
    if shares[0].0 == 0 {
        return problem(lists.span(), "lists: nothing is ever pushed; write `push`");
    }
    if let Some(how) = &workload.exactly_once
        && *how.get_ref() == ExactlyOnce::Dedup
    {
        let message = "`exactly_once` of lists is \"session\": only producers of a queue are \
                       known by name";
        return problem(how.span(), message);
    }
    if let (Some(retries), None) = (&workload.retries, &workload.exactly_once) {
        let message = "`retries` of lists need `exactly_once`: without it nothing is sent again";
        return problem(retries.span(), message);
    }
    if let Some(wait) = &workload.wait {
        check_least("wait", wait, Duration(1_000))?;
    }
    Ok(())
}

/// What only lists have.
fn check_without(workload: &Workload) -> Checked {
    for (key, place) in [
        ("workers", place(&workload.workers)),
        ("moved", place(&workload.moved)),
        ("reversed", place(&workload.reversed)),
        ("wait", place(&workload.wait)),
        ("cancel", place(&workload.cancel)),
        ("exactly_once", place(&workload.exactly_once)),
        ("work", place(&workload.work)),
    ] {
        if let Some(place) = place {
            let message = format!("`{key}` of a cache workload needs `lists`");
            return problem(place, message);
        }
    }
    Ok(())
}

/// `mix`, `fill`, `rounds` and `lists` are ways of their own to use the cache: keys of the others
/// would do nothing.
fn check_ways(workload: &Workload) -> Checked {
    if let Some(mix) = &workload.mix {
        let parts = mix.get_ref();
        let shares = [parts.insert, parts.select, parts.update, parts.delete];
        let total: u64 = shares.iter().map(|share| u64::from(share.0)).sum();
        if total != 1_000_000 {
            let total = share_text(u32::try_from(total).unwrap_or(u32::MAX));
            let message = format!("mix: the shares make {total} together, not 100%");
            return problem(mix.span(), message);
        }
        if parts.insert == Share(0) && workload.inserts.is_none() {
            let message = "mix: nothing is ever inserted; write `insert` or `inserts`";
            return problem(mix.span(), message);
        }
    } else if let Some(inserts) = place(&workload.inserts) {
        return problem(inserts, "`inserts` need `mix`");
    }
    if let (Some(rounds), Some(_)) = (place(&workload.rounds), &workload.operations) {
        let message = "`rounds` say how many operations there are; leave `operations` out";
        return problem(rounds, message);
    }
    let ways = [
        ("mix", workload.mix.is_some()),
        ("fill", workload.fill.is_some()),
        ("rounds", workload.rounds.is_some()),
        ("lists", workload.lists.is_some()),
    ];
    let mut ways = ways.iter().filter(|(_, is_used)| *is_used);
    let Some((way, _)) = ways.next() else {
        return Ok(());
    };
    // What each of them does use.
    let used: &[&str] = match *way {
        "mix" => &["mix"],
        "fill" => &["keys", "access", "reads", "preload", "fill"],
        "lists" => &["keys", "access", "retries", "reuse", "lists"],
        _ => &["keys", "rounds", "retries", "reuse"],
    };
    let keys = [
        ("mix", place(&workload.mix)),
        ("fill", place(&workload.fill)),
        ("rounds", place(&workload.rounds)),
        ("lists", place(&workload.lists)),
        ("keys", place(&workload.keys)),
        ("access", place(&workload.access)),
        ("reads", place(&workload.reads)),
        ("preload", place(&workload.preload)),
        ("retries", place(&workload.retries)),
        ("reuse", place(&workload.reuse)),
        (
            "mode",
            place(&workload.mode).filter(|_| ["rounds", "lists"].contains(way)),
        ),
        (
            "payload",
            place(&workload.payload).filter(|_| *way == "lists"),
        ),
        ("also", place(&workload.also).filter(|_| *way == "lists")),
        ("cas", place(&workload.cas)),
        ("increments", place(&workload.increments)),
        ("expiring", place(&workload.expiring)),
        ("multi_get", place(&workload.multi_get)),
        ("evicted", place(&workload.evicted)),
        ("near", place(&workload.near)),
    ];
    for (key, place) in keys {
        if let Some(place) = place
            && !used.contains(&key)
        {
            return problem(place, format!("`{key}` means nothing beside `{way}`"));
        }
    }
    Ok(())
}
