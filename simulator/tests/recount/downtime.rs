//! Downtime counted again: every client by itself, then every service by looking at each
//! moment at which anything about a client changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::history::{begins, measured, ms, service, text, us};

const SECOND: u64 = 1_000_000;
const REFUSALS: &str = "NoSession StaleSequence NotHeld WouldDeadlock WrongMode NoQueue QueueFull \
                        NotAnInteger Overflow TooLarge OutOfRange NotAFloat NotFinite NoSuchKey \
                        ReplyTooLarge NotEmpty WrongType NoSuchIndex TooMuchWork SequenceReused";

#[derive(Clone, Copy, PartialEq)]
enum How {
    Answered,
    InVain,
    Unheard,
    Open,
}

/// One sending: when, from when it really had to wait, until when.
#[derive(Clone, Copy)]
struct Try {
    sent: u64,
    waits: u64,
    end: u64,
    how: How,
}

type Tries<'a> = BTreeMap<(&'static str, &'a str), Vec<Try>>;

fn how(invoke: &Value, outcome: &Value) -> How {
    let (word, why) = (text(&outcome["outcome"]), text(&outcome["why"]));
    let at_last = why.split_once("and the last was refused: ");
    let (given_up, why) = at_last.map_or((false, why), |(_, why)| (true, why));
    let name = why.split([' ', '{', '(']).next().unwrap_or_default();
    let refused =
        (word == "failed" || given_up) && REFUSALS.split(' ').any(|refusal| refusal == name);
    match word {
        "failed" | "unknown" if refused => How::Answered,
        "unknown" if why == "the client did not wait for an answer" => How::Unheard,
        "failed" | "unknown" if invoke["action"]["f"] == "get_from" => How::Unheard,
        "failed" | "unknown" => How::InVain,
        _ => How::Answered,
    }
}

fn tries(lines: &[Value]) -> Tries<'_> {
    let end_us = us(&lines[lines.len() - 1]["at"]);
    let mut returns: BTreeMap<u64, &Value> = BTreeMap::new();
    let mut again: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    let mut gone: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines {
        match text(&line["type"]) {
            "return" => drop(returns.insert(us(&line["op"]), line)),
            "retry" => again.entry(us(&line["op"])).or_default().push(line),
            "fault" if line["kind"] == "client_crash" && line["status"] == "installed" => {
                for client in line["targets"].as_array().expect("a list") {
                    gone.insert(text(client), us(&line["at"]));
                }
            }
            _ => {}
        }
    }
    let mut all = Tries::new();
    for line in lines.iter().filter(|line| line["type"] == "invoke") {
        let (f, client) = (text(&line["action"]["f"]), text(&line["client"]));
        if f == "get_near" {
            continue;
        }
        let patience = line["action"]["wait_ms"].as_u64().unwrap_or(0) * 1_000;
        let tries = all.entry((service(f), client)).or_default();
        let mut sent = us(&line["at"]);
        let mut push = |sent: u64, end: u64, how: How| {
            let waits = (sent + patience).min(end);
            tries.push(Try {
                sent,
                waits,
                end,
                how,
            });
        };
        for retry in again.get(&us(&line["op"])).into_iter().flatten() {
            let at = us(&retry["at"]);
            let how = match retry["unheard"] == true {
                true => How::Unheard,
                false => how(line, &retry["before"]),
            };
            push(sent, at, how);
            sent = at;
        }
        match (returns.get(&us(&line["op"])), gone.get(client)) {
            (Some(back), _) => push(sent, us(&back["at"]), how(line, &back["outcome"])),
            (None, Some(at)) => push(sent, (*at).max(sent), How::Unheard),
            (None, None) if f == "get_from" => push(sent, end_us, How::Unheard),
            (None, None) => push(sent, end_us, How::Open),
        }
    }
    all
}

/// How long an answer may take.
fn limit<'a>(lines: &[Value], all: impl Iterator<Item = &'a Try>) -> u64 {
    let (from, to) = (begins(lines, "warmup"), begins(lines, "chaos"));
    let (Some(from), Some(to)) = (from, to) else {
        return SECOND / 2;
    };
    let usual = all.filter(|t| t.how == How::Answered && t.waits == t.sent);
    let usual = usual.filter(|t| from <= t.sent && t.sent < to);
    let mut usual: Vec<u64> = usual.map(|t| t.end - t.sent).collect();
    usual.sort_unstable();
    match usual.len() {
        0..100 => SECOND / 2,
        len => (3 * usual[(len * 99).div_ceil(100) - 1]).max(SECOND / 2),
    }
}

/// From when until when.
type Stretch = (u64, u64);

/// The gaps of a client, and the stretches in which it is served.
fn states(tries: &[Try], limit: u64) -> (Vec<Stretch>, Vec<Stretch>) {
    let (mut gaps, mut served) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tries.len() {
        let first = tries[at];
        let late = first.end - first.waits > limit;
        match first.how {
            How::Answered if late => gaps.push((first.waits, first.end)),
            How::InVain => {
                // Up to the answer, or to a pause of more than a second.
                let mut last = first.end;
                let gap_end = loop {
                    let Some(next) = tries.get(at + 1) else {
                        break last;
                    };
                    if next.sent > last + SECOND {
                        break last;
                    }
                    at += 1;
                    match next.how {
                        How::InVain => last = next.end,
                        How::Open if next.end - next.waits > limit => last = next.end,
                        How::Answered if next.end - next.waits > limit => break next.end,
                        How::Answered => break last.max(next.end - (next.waits - next.sent)),
                        How::Unheard | How::Open => {}
                    }
                };
                gaps.push((first.waits, gap_end));
            }
            How::Open if late => gaps.push((first.waits, first.end)),
            How::Answered | How::Unheard | How::Open => {}
        }
        at += 1;
    }
    // Served: a second from every answer on, and while an answer is awaited that comes in time,
    // if it was asked for within a second of the last one; until an attempt in vain is made.
    let in_vain = |t: &Try| t.how == How::InVain || t.how == How::Open && t.end - t.waits > limit;
    for (index, answer) in tries.iter().enumerate() {
        if answer.how != How::Answered {
            continue;
        }
        let mut until = answer.end + SECOND;
        for next in &tries[index + 1..] {
            match next.how {
                How::Answered => {
                    let asked_in_time = next.sent <= answer.end + SECOND;
                    let in_time = next.end - next.waits <= limit;
                    until = match (asked_in_time, in_time) {
                        (true, true) => next.end,
                        (true, false) => next.sent,
                        (false, _) => until,
                    };
                    break;
                }
                _ if in_vain(next) => {
                    until = until.min(next.sent);
                    break;
                }
                _ => {}
            }
        }
        served.push((answer.end, until));
    }
    (gaps, served)
}

fn clip(spans: &[(u64, u64)], (from, to): (u64, u64)) -> Vec<(u64, u64)> {
    let clipped = spans.iter().map(|(a, b)| ((*a).max(from), (*b).min(to)));
    clipped.filter(|(a, b)| a < b).collect()
}

fn joined(spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    let mut points: Vec<(u64, i32)> = Vec::new();
    for (from, to) in spans {
        points.extend([(from, -1), (to, 1)]);
    }
    points.sort_unstable();
    let (mut depth, mut begun, mut all) = (0, 0, Vec::new());
    for (at, step) in points {
        if depth == 0 {
            begun = at;
        }
        depth -= step;
        if depth == 0 {
            all.push((begun, at));
        }
    }
    all
}

struct Client {
    gaps: Vec<(u64, u64)>,
    served: Vec<(u64, u64)>,
    answers: Vec<u64>,
}

/// When none of the clients was served and at least one was without the service.
fn down(clients: &[Client]) -> Vec<(u64, u64)> {
    let spans = clients.iter().flat_map(|c| c.gaps.iter().chain(&c.served));
    let moments: BTreeSet<u64> = spans.flat_map(|(from, to)| [*from, *to]).collect();
    let moments: Vec<u64> = moments.into_iter().collect();
    let covers = |spans: &[(u64, u64)], at: u64| spans.iter().any(|(a, b)| *a <= at && at < *b);
    let is_down = |at: u64| {
        clients.iter().any(|c| covers(&c.gaps, at))
            && !clients.iter().any(|c| covers(&c.served, at))
    };
    let mut all: Vec<(u64, u64)> = Vec::new();
    let mut was_down = false;
    for (index, at) in moments.iter().enumerate() {
        let now_down = is_down(*at);
        if now_down && !was_down {
            let answers = clients.iter().flat_map(|c| &c.answers);
            let answered = answers.filter(|answer| *answer <= at).max();
            let open = clients.iter().flat_map(|c| &c.gaps);
            let open = open
                .filter(|(a, b)| a <= at && at < b)
                .map(|(a, _)| *a)
                .min();
            let from = open
                .expect("somebody is down")
                .max(answered.copied().unwrap_or(0));
            all.push((from, *at));
        }
        if now_down {
            let until = moments.get(index + 1).expect("a gap has an end");
            all.last_mut().expect("it has begun").1 = *until;
        }
        was_down = now_down;
    }
    all
}

fn sum(spans: &[(u64, u64)]) -> u64 {
    spans.iter().map(|(a, b)| b - a).sum()
}

fn longest(spans: &[(u64, u64)]) -> u64 {
    spans.iter().map(|(a, b)| b - a).max().unwrap_or(0)
}

/// Compares downtime of services and clients, and availability.
pub fn compare(lines: &[Value], report: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut same = |what: String, reported: Option<u64>, counted: u64| {
        if reported != Some(counted) {
            wrong.push(format!("{what}: {reported:?} reported, {counted} counted"));
        }
    };
    let window = measured(lines);
    let all = tries(lines);
    let mut any = Vec::new();
    let (mut felt, mut asked_any, mut without_any) = (0, BTreeSet::new(), BTreeSet::new());
    let rows = report["clients_down"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut rows_seen = 0;
    for name in ["lock", "queue", "cache"] {
        for are_probes in [false, true] {
            let of =
                |key: &(&str, &str)| key.0 == name && key.1.starts_with("probe-") == are_probes;
            let group: Vec<_> = all.iter().filter(|(key, _)| of(key)).collect();
            let limit = limit(lines, group.iter().flat_map(|(_, tries)| tries.iter()));
            let mut clients = Vec::new();
            let (mut worst, mut without, mut slowest) = (0, 0, 0);
            for ((_, client), tries) in group {
                let meets = |t: &&Try| t.sent < window.1 && window.0 <= t.end;
                if !tries.iter().any(|t| meets(&t)) {
                    continue;
                }
                let answered = || tries.iter().filter(|t| t.how == How::Answered);
                let slow = answered().filter(meets).map(|t| t.end - t.waits).max();
                slowest = slowest.max(slow.unwrap_or(0));
                let (gaps, served) = states(tries, limit);
                let felt_gaps = clip(&gaps, window);
                worst = worst.max(longest(&felt_gaps));
                without += u64::from(!felt_gaps.is_empty());
                if !are_probes {
                    asked_any.insert(*client);
                }
                if !felt_gaps.is_empty() && !are_probes {
                    without_any.insert(*client);
                    rows_seen += 1;
                    let is_it = |row: &&Value| row["client"] == **client && row["service"] == name;
                    let row = rows.iter().find(is_it).unwrap_or(&Value::Null);
                    let what = format!("{client} of {name}");
                    same(
                        format!("{what}, total"),
                        ms(&row["total_ms"]),
                        sum(&felt_gaps),
                    );
                    same(
                        format!("{what}, longest"),
                        ms(&row["max_ms"]),
                        longest(&felt_gaps),
                    );
                    same(
                        format!("{what}, gaps"),
                        row["count"].as_u64(),
                        felt_gaps.len() as u64,
                    );
                }
                clients.push(Client {
                    gaps,
                    served,
                    answers: answered().map(|t| t.end).collect(),
                });
            }
            let row = match are_probes {
                true => &report["probes_ms"][name],
                false => &report["downtime_ms"][name],
            };
            if clients.is_empty() {
                let reported = (!row.is_null()).then_some(1);
                same(format!("{name} was not asked"), reported.or(Some(0)), 0);
                continue;
            }
            let gaps = clip(&joined(down(&clients)), window);
            let what = |figure: &str| format!("{name}, probes {are_probes}, {figure}");
            same(what("total"), ms(&row["total"]), sum(&gaps));
            same(what("longest"), ms(&row["max"]), longest(&gaps));
            same(what("gaps"), row["count"].as_u64(), gaps.len() as u64);
            let felt_by = &row["clients"];
            same(what("a client"), ms(&felt_by["max"]), worst);
            same(what("slowest"), ms(&felt_by["slowest"]), slowest);
            same(what("without"), felt_by["without"].as_u64(), without);
            same(
                what("asked"),
                felt_by["asked"].as_u64(),
                clients.len() as u64,
            );
            if !are_probes {
                any.extend(gaps);
                felt = felt.max(worst);
            }
        }
    }
    let down = joined(any);
    let row = &report["downtime_ms"]["any"];
    same("rows of clients".into(), Some(rows.len() as u64), rows_seen);
    same("any, total".into(), ms(&row["total"]), sum(&down));
    same("any, longest".into(), ms(&row["max"]), longest(&down));
    same("any, a client".into(), ms(&row["clients"]["max"]), felt);
    same(
        "any, without".into(),
        row["clients"]["without"].as_u64(),
        without_any.len() as u64,
    );
    same(
        "any, asked".into(),
        row["clients"]["asked"].as_u64(),
        asked_any.len() as u64,
    );
    let length = window.1 - window.0;
    let ppm = u128::from(length - sum(&down)) * 1_000_000 / u128::from(length);
    let reported = report["availability"].as_f64();
    let reported = reported.map(|percent| (percent * 10_000.0).round() as u64);
    same("availability".into(), reported, ppm as u64);
    wrong
}
