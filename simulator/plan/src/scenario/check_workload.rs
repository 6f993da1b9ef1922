//! Checks of `[[workload]]`.

use toml::Spanned;

use super::bounds::{
    Checked, Place, check_bounds, check_count, check_least, check_most, check_whole_ms, place,
    problem, time, written_place,
};
use super::spread::Payload;
use super::unit::{Duration, Share, Size};
use super::workload::{ReadMode, Workload};
use super::{check_cache, limits};
use crate::plan::ExactlyOnce;
use squall_history::{OPERATIONS, Service};

pub(super) fn check(workload: &Workload) -> Checked {
    check_known_keys(workload)?;
    for (key, count, max) in [
        ("clients", &workload.clients, 10_000),
        ("producers", &workload.producers, 10_000),
        ("consumers", &workload.consumers, 10_000),
        ("operations", &workload.operations, u64::MAX),
        ("keys", &workload.keys, 1_000_000),
        ("watchers", &workload.watchers, 10_000),
        ("workers", &workload.workers, 10_000),
        ("near", &workload.near, 10_000),
        ("batch", &workload.batch, limits::LARGEST_BATCH),
        ("priorities", &workload.priorities, 256),
        ("groups", &workload.groups, 10_000),
        ("prefetch", &workload.prefetch, limits::LARGEST_BATCH),
        ("max_depth", &workload.max_depth, 1_000_000),
        ("max_deliveries", &workload.max_deliveries, 1_000),
        ("multi_get", &workload.multi_get, limits::MOST_ARGUMENTS - 1),
        ("weight", &workload.weight, 1_000_000),
        ("preload", &workload.preload, 1_000_000),
        ("inserts", &workload.inserts, 1_000_000),
        ("rounds", &workload.rounds, 1_000),
    ] {
        if let Some(count) = count {
            // None is the default of these, so it may be written too.
            let least = u64::from(!["watchers", "near", "groups"].contains(&key));
            check_count(key, count, least, max)?;
        }
    }
    if let (Some(rate), Some(_)) = (&workload.rate, &workload.think) {
        return problem(
            rate.span(),
            "a workload has `think` (closed loop) or `rate` (open loop), not both",
        );
    }
    if let Some(think) = &workload.think {
        check_bounds("think", think, workload.think(), time)?;
    }
    if let Some(work) = &workload.work {
        check_bounds("work", work, workload.work(), time)?;
    }
    if let Some(fill) = &workload.fill {
        let bounds = fill.get_ref().or((Duration(0), Duration(0)));
        check_bounds("fill", fill, bounds, time)?;
    }
    if let Some(retry_after) = &workload.retry_after {
        check_bounds("retry_after", retry_after, workload.retry_after(), time)?;
    }
    if let (Service::Queue, Some(retries), None) = (
        workload.service(),
        &workload.retries,
        &workload.exactly_once,
    ) {
        return problem(
            retries.span(),
            "`retries` of a queue need `exactly_once`: without it a publish is not sent again",
        );
    }
    check_reuse(workload)?;
    if let (Service::Lock, Some(how)) = (workload.service(), &workload.exactly_once)
        && *how.get_ref() == ExactlyOnce::Dedup
    {
        return problem(
            how.span(),
            "`exactly_once` of a lock workload is \"session\": only producers of a queue are known \
             by name",
        );
    }
    check_also(workload)?;
    check_batch(workload)?;
    check_payload(workload)?;
    check_access(workload)?;
    check_cache::check(workload)?;
    check_times(workload)
}

/// A sequence can be used again only where operations have one.
fn check_reuse(workload: &Workload) -> Checked {
    let Some(reuse) = &workload.reuse else {
        return Ok(());
    };
    let exactly_once = workload.exactly_once.as_ref().map(|how| *how.get_ref());
    let counts = workload.increments.is_some() || workload.rounds.is_some();
    match workload.service() {
        Service::Queue if exactly_once != Some(ExactlyOnce::Session) => problem(
            reuse.span(),
            "`reuse` of a queue needs `exactly_once = \"session\"`: otherwise no publish has a \
             sequence of a session",
        ),
        Service::Cache if workload.lists.is_some() && exactly_once.is_none() => problem(
            reuse.span(),
            "`reuse` of lists needs `exactly_once`: without it nothing has a sequence",
        ),
        Service::Cache if workload.lists.is_none() && !counts => problem(
            reuse.span(),
            "`reuse` of a cache workload needs `increments`, `rounds` or `lists`: nothing else \
             has a sequence",
        ),
        _ => Ok(()),
    }
}

fn check_times(workload: &Workload) -> Checked {
    if let Some(timeout) = &workload.timeout {
        check_least("timeout", timeout, Duration(1_000))?;
    }
    for (key, time) in [
        ("ttl", &workload.ttl),
        ("session_ttl", &workload.session_ttl),
        ("visibility", &workload.visibility),
        ("renew", &workload.renew),
        ("delay", &workload.delay),
        ("bound", &workload.bound),
    ] {
        if let Some(time) = time {
            check_least(key, time, Duration(1_000))?;
            check_whole_ms(key, time)?;
        }
    }
    if let Some(wait) = &workload.wait {
        check_whole_ms("wait", wait)?;
    }
    // The lifetime of a key, unlike that of a session, has no bounds of the cluster.
    let session = workload.ttl.as_ref();
    let session = session.filter(|_| workload.service() == Service::Lock);
    if let Some(ttl) = session {
        check_least("ttl", ttl, limits::SHORTEST_SESSION)?;
    }
    if let Some(ttl) = &workload.session_ttl {
        check_least("session_ttl", ttl, limits::SHORTEST_SESSION)?;
    }
    for (key, time) in [
        ("ttl", session),
        ("session_ttl", workload.session_ttl.as_ref()),
        ("visibility", workload.visibility.as_ref()),
        ("delay", workload.delay.as_ref()),
        ("wait", workload.wait.as_ref()),
    ] {
        if let Some(time) = time {
            check_most(key, time, limits::LONGEST)?;
        }
    }
    let (wait, timeout) = (workload.wait(), workload.timeout());
    if workload.service() == Service::Lock && wait >= timeout {
        let place = |value: &Option<Spanned<Duration>>| value.as_ref().map_or(0..0, Spanned::span);
        let place = written_place(&[place(&workload.wait), place(&workload.timeout)]);
        let (wait, timeout) = (time(wait), time(timeout));
        return problem(place, format!("wait {wait} is not below timeout {timeout}"));
    }
    Ok(())
}

/// Refuses keys that the workload's service has no use for: they would do nothing.
fn check_known_keys(workload: &Workload) -> Checked {
    use Service::{Cache, Lock, Queue};
    let keys: [(&str, Option<Place>, &[Service]); 49] = [
        ("clients", place(&workload.clients), &[Lock, Cache]),
        ("producers", place(&workload.producers), &[Queue]),
        ("consumers", place(&workload.consumers), &[Queue]),
        ("payload", place(&workload.payload), &[Queue, Cache]),
        ("keys", place(&workload.keys), &[Lock, Cache]),
        ("reads", place(&workload.reads), &[Cache]),
        ("shared", place(&workload.shared), &[Lock]),
        ("ttl", place(&workload.ttl), &[Lock, Cache]),
        ("wait", place(&workload.wait), &[Lock, Cache]),
        ("hold", place(&workload.hold), &[Lock]),
        ("visibility", place(&workload.visibility), &[Queue]),
        ("renew", place(&workload.renew), &[Lock]),
        ("watchers", place(&workload.watchers), &[Lock]),
        ("crash", place(&workload.crash), &[Lock, Queue]),
        ("cancel", place(&workload.cancel), &[Lock, Cache]),
        ("wait_die", place(&workload.wait_die), &[Lock]),
        (
            "exactly_once",
            place(&workload.exactly_once),
            &[Lock, Queue, Cache],
        ),
        ("session_ttl", place(&workload.session_ttl), &[Queue, Cache]),
        ("reuse", place(&workload.reuse), &[Queue, Cache]),
        ("batch", place(&workload.batch), &[Queue]),
        ("delayed", place(&workload.delayed), &[Queue]),
        ("delay", place(&workload.delay), &[Queue]),
        ("priorities", place(&workload.priorities), &[Queue]),
        ("groups", place(&workload.groups), &[Queue]),
        ("prefetch", place(&workload.prefetch), &[Queue]),
        ("work", place(&workload.work), &[Queue, Cache]),
        ("nack", place(&workload.nack), &[Queue]),
        ("max_depth", place(&workload.max_depth), &[Queue]),
        ("max_deliveries", place(&workload.max_deliveries), &[Queue]),
        ("mode", place(&workload.mode), &[Cache]),
        ("bound", place(&workload.bound), &[Cache]),
        ("cas", place(&workload.cas), &[Cache]),
        ("increments", place(&workload.increments), &[Cache]),
        ("expiring", place(&workload.expiring), &[Cache]),
        ("multi_get", place(&workload.multi_get), &[Cache]),
        ("evicted", place(&workload.evicted), &[Cache]),
        ("near", place(&workload.near), &[Cache]),
        ("access", place(&workload.access), &[Lock, Cache]),
        ("preload", place(&workload.preload), &[Cache]),
        ("fill", place(&workload.fill), &[Cache]),
        ("mix", place(&workload.mix), &[Cache]),
        ("inserts", place(&workload.inserts), &[Cache]),
        ("rounds", place(&workload.rounds), &[Cache]),
        ("lists", place(&workload.lists), &[Cache]),
        ("workers", place(&workload.workers), &[Cache]),
        ("moved", place(&workload.moved), &[Cache]),
        ("reversed", place(&workload.reversed), &[Cache]),
        ("also", place(&workload.also), &[Lock, Queue, Cache]),
        ("options", place(&workload.options), &[]),
    ];
    let service = workload.service();
    let is_own = matches!(service, Service::Own(_));
    for (key, place, services) in keys {
        let is_known = if is_own {
            ["clients", "keys", "access", "options"].contains(&key)
        } else {
            services.contains(&service)
        };
        if let Some(place) = place
            && !is_known
        {
            let service = service.name();
            return problem(
                place,
                format!("`{key}` means nothing to a {service} workload"),
            );
        }
    }
    Ok(())
}

/// Refuses what the run's cluster cannot be asked: services that it does not have, and, of a
/// system that is not Squall's own, what only Squall's own protocol can say.
pub(super) fn check_offer(workload: &Workload, services: &[Service], is_foreign: bool) -> Checked {
    let service = workload.service();
    if !services.contains(&service) {
        let known: Vec<&str> = services.iter().map(|service| service.name()).collect();
        let message = format!(
            "no service `{}`, expected one of {}",
            service.name(),
            known.join(", ")
        );
        return problem(workload.service.span(), message);
    }
    if !is_foreign {
        return Ok(());
    }
    let behind = workload.mode.as_ref();
    let behind = behind.filter(|mode| matches!(mode.get_ref(), ReadMode::Stale | ReadMode::Local));
    let asked = |share: &Option<Spanned<Share>>| {
        let asked = share.as_ref().filter(|share| share.get_ref().0 > 0);
        asked.map(Spanned::span)
    };
    let near = workload.near.as_ref().filter(|near| *near.get_ref() > 0);
    for (key, place) in [
        ("retries", asked(&workload.retries)),
        ("reuse", asked(&workload.reuse)),
        ("crash", asked(&workload.crash)),
        ("cancel", asked(&workload.cancel)),
        ("exactly_once", place(&workload.exactly_once)),
        ("wait_die", asked(&workload.wait_die)),
        ("increments", asked(&workload.increments)),
        ("rounds", place(&workload.rounds)),
        ("mode", behind.map(Spanned::span)),
        ("near", near.map(Spanned::span)),
        ("lists", place(&workload.lists)),
        ("also", place(&workload.also)),
    ] {
        if let Some(place) = place {
            let message = format!(
                "`{key}` needs Squall's own cluster: another system cannot be asked so; leave it \
                 out"
            );
            return problem(place, message);
        }
    }
    Ok(())
}

/// Names of `also` are those of operations that clients send by share.
fn check_also(workload: &Workload) -> Checked {
    let Some(also) = &workload.also else {
        return Ok(());
    };
    let service = workload.service();
    let known = OPERATIONS
        .iter()
        .filter(|row| row.by_share && row.service == service);
    let known: Vec<&str> = known.map(|row| row.name).collect();
    match also
        .get_ref()
        .keys()
        .find(|name| !known.contains(&name.as_str()))
    {
        None => Ok(()),
        Some(name) => {
            let (service, known) = (service.name(), known.join(", "));
            let message = format!(
                "also: no operation `{name}` that clients of the service {service} send by share, \
                 expected one of: {known}"
            );
            problem(also.span(), message)
        }
    }
}

/// A batch whose messages have options may need more arguments than a command can have.
fn check_batch(workload: &Workload) -> Checked {
    let Some(batch) = &workload.batch else {
        return Ok(());
    };
    let has_dedup =
        (workload.exactly_once.as_ref()).is_some_and(|how| *how.get_ref() == ExactlyOnce::Dedup);
    // How many arguments follow, the payload, and those of each option.
    let message = 2 + [
        (workload.delayed.is_some(), 2),
        (workload.priorities.is_some(), 2),
        (workload.groups.is_some(), 2),
        (has_dedup, 3),
    ]
    .iter()
    .filter_map(|(is_used, arguments)| is_used.then_some(arguments))
    .sum::<u64>();
    // The name, the queue, and `ONCE` with a session and a sequence.
    let most = (limits::MOST_ARGUMENTS - 5) / message;
    if message > 2 && *batch.get_ref() > most {
        let message = format!(
            "batch must be at most {most} where messages have so many options, not {}: a command \
             has {} arguments at most",
            batch.get_ref(),
            limits::MOST_ARGUMENTS,
        );
        return problem(batch.span(), message);
    }
    Ok(())
}

fn check_payload(workload: &Workload) -> Checked {
    let Some(payload) = &workload.payload else {
        return Ok(());
    };
    let fits = |size: &Size| (1..=1 << 20).contains(&size.0);
    let (fit, message) = match payload.get_ref() {
        Payload::Fixed(size) => (fits(size), ""),
        Payload::Uniform { min, max } if min > max => (false, "payload: min is above max"),
        Payload::Uniform { min, max } => (fits(min) && fits(max), ""),
        Payload::Mix(sizes) => {
            let total: u32 = sizes.iter().map(|size| size.share.0).sum();
            match total {
                1_000_000 => (sizes.iter().all(|size| fits(&size.size)), ""),
                _ => (false, "payload: the shares must make 100% together"),
            }
        }
    };
    match (fit, message) {
        (true, _) => Ok(()),
        (false, "") => problem(payload.span(), "payload must be 1B to 1MiB"),
        (false, message) => problem(payload.span(), message),
    }
}

fn check_access(workload: &Workload) -> Checked {
    let Some(access) = &workload.access else {
        return Ok(());
    };
    let refuse = |message: &str| problem(access.span(), message);
    let spread = access.get_ref();
    match (spread.zipf, spread.hot, spread.share) {
        (Some(_), None, None) => {}
        (None, Some(hot), Some(share)) => {
            if [hot, share].iter().any(|s| !(1..1_000_000).contains(&s.0)) {
                return refuse("access: `hot` and `share` must be above 0% and below 100%");
            }
        }
        _ => return refuse("access has `zipf`, or `hot` and `share`"),
    }
    if spread
        .shift
        .is_some_and(|shift| shift < Duration(1_000_000))
    {
        return refuse("access: shift must be at least 1s");
    }
    Ok(())
}
