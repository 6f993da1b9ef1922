//! Tests the data of a page's player against separate counts of history and messages.

use std::collections::BTreeSet;

use squall::backends::TraceFilter;
use squall::backends::trace::{Message, Party, Traced};
use squall::history::{EventKind, NodeEvent, operations};
use squall::player::{MOST_BYTES, Recording, Shown, moments, player};
use squall::report::Verdict;
use squall::report::html;
use squall::report::html::player::Player;
use squall::run::Judged;
use squall::trace::{Trace, Window, end_us};

use super::{scenario, traced};

/// As a replay for a page records it; the length of the run is not known before.
fn recorded(name: &str, seconds: i64) -> Judged {
    let filter = TraceFilter {
        applied: false,
        states_at_us: moments(seconds * 1_000_000, 5),
        ..TraceFilter::default()
    };
    traced(&scenario(name, &[]), 1, Some(filter), None)
}

fn played(run: &Judged, traced: &Traced, shown: Shown, most_bytes: usize) -> Player {
    let whole = Window {
        from_us: 0,
        to_us: end_us(&run.history),
    };
    let messages = (!traced.messages.is_empty()).then_some(whole);
    played_of(run, traced, messages, (shown, most_bytes))
}

/// As one whose messages were recorded of this stretch.
fn played_of(
    run: &Judged,
    traced: &Traced,
    messages: Option<Window>,
    (shown, most_bytes): (Shown, usize),
) -> Player {
    let trace = Trace::new(String::new(), &run.history, &run.logs, traced, None, None);
    let recording = Recording {
        trace: &trace,
        report: &run.report,
        plan: Some(&run.plan),
        messages,
        story: None,
    };
    player(&recording, shown, most_bytes)
}

/// A text with its numbers, as the script of the page reads it.
fn read(player: &Player, text: i64, numbers: &[i64]) -> String {
    let parts = player.texts[text as usize].split('\u{1}');
    let numbers = numbers.iter().map(i64::to_string).chain([String::new()]);
    let all = parts
        .zip(numbers)
        .map(|(part, number)| format!("{part}{number}"));
    all.collect()
}

/// When it was sent, its number, whose it is, what it says, and when it arrived or was lost.
type Sent = (i64, i64, String, String, String, Option<i64>);

fn messages(player: &Player) -> Vec<Sent> {
    let name = |party: i64| match usize::try_from(party) {
        Ok(node) => player.nodes[node].clone(),
        Err(_) => "client".to_owned(),
    };
    let (mut at, mut number) = (0, 0);
    let rows = player.messages.iter().map(|row| {
        at += row[0];
        number += row[6];
        let ended = (row[3] >= 0).then_some(at + row[3]);
        let words = read(player, row[4], &row[11..]);
        (at, number, name(row[1]), name(row[2]), words, ended)
    });
    rows.collect()
}

/// The same of messages as they were recorded.
fn sent(message: &Message) -> Sent {
    let name = |party: Party| party.node().unwrap_or_else(|| "client".to_owned());
    let ended = match message.fate {
        squall::backends::trace::Fate::UnderWay => None,
        squall::backends::trace::Fate::Arrived { at_us, .. } => Some(at_us),
        squall::backends::trace::Fate::Lost { at_us, .. } => Some(at_us),
    };
    let number = message.number as i64;
    let (from, to) = (name(message.from), name(message.to));
    let words = message.content.to_string();
    (message.sent_us, number, from, to, words, ended)
}

/// Number, client, when asked, when answered, what was asked.
fn asked(player: &Player) -> Vec<(i64, String, i64, Option<i64>, String)> {
    let (mut at, mut op) = (0, 0);
    let rows = player.operations.iter().map(|row| {
        at += row[0];
        op += row[3];
        let client = player.clients[row[2] as usize].clone();
        let answered = (row[1] >= 0).then_some(at + row[1]);
        let words = read(player, row[5], &row[7..7 + row[6] as usize]);
        (op, client, at, answered, words)
    });
    rows.collect()
}

#[test]
fn everything_of_a_run_is_played_as_it_was() {
    let mut run = recorded("planted/mc-01.toml", 8);
    let player = played(&run, &run.traced, Shown::All, 0);
    assert_eq!(player.windows, [(0, end_us(&run.history))]);

    let of_run = run.traced.messages.iter().filter(|m| m.sent_us >= 0);
    let of_run: Vec<Sent> = of_run.map(sent).collect();
    assert!(of_run.len() > 5_000, "{}", of_run.len());
    assert!(messages(&player) == of_run, "a message is not as it was");

    let all = operations(&run.history).into_iter().map(|o| {
        let answered = o.returned_us.map(|us| us as i64);
        (
            o.op as i64,
            o.client.to_owned(),
            o.invoked_us as i64,
            answered,
            o.action.to_string(),
        )
    });
    let all: Vec<_> = all.collect();
    assert!(all.len() > 1_000, "{}", all.len());
    assert!(asked(&player) == all, "an operation is not as it was");

    let mut leaders = BTreeSet::new();
    let mut cut_off = None;
    for event in &run.history.events {
        match &event.kind {
            EventKind::Node {
                node,
                event: NodeEvent::Leader { term },
            } => drop(leaders.insert((event.at_us as i64, node.clone(), *term))),
            EventKind::Fault(fault) => {
                cut_off.get_or_insert_with(|| fault.cut_off.clone());
            }
            _ => {}
        }
    }
    let led = player.roles.iter().enumerate().flat_map(|(node, spans)| {
        let led = spans.iter().filter(|(_, role, _)| *role == "leader");
        led.map(move |(at, _, term)| (*at, format!("node-{}", node + 1), *term))
    });
    let led: BTreeSet<_> = led.collect();
    assert!(
        leaders.is_subset(&led) && leaders.len() > 1,
        "{leaders:?} {led:?}"
    );

    // Two against three: the links of every pair that is not on one side, both ways.
    let cut_off = cut_off.expect("there is a fault");
    let is_off = |node: usize| cut_off.contains(&player.nodes[node]);
    let [fault] = player.faults.as_slice() else {
        panic!("one fault: {:?}", player.faults);
    };
    let mut expected = BTreeSet::new();
    for a in 0..5 {
        expected.extend((0..5).filter(|b| is_off(a) != is_off(*b)).map(|b| (a, b)));
    }
    assert_eq!(expected.len(), 12);
    assert_eq!(fault.cut.iter().copied().collect::<BTreeSet<_>>(), expected);
    // From the plan alone as well.
    let without = played(&run, &Traced::default(), Shown::All, 0);
    assert_eq!(
        without.faults[0]
            .cut
            .iter()
            .copied()
            .collect::<BTreeSet<_>>(),
        expected
    );
    assert!(without.messages.is_empty());
    assert_eq!(asked(&without), asked(&player));
    indexes_are_those_that_nodes_had(&run, &player);
    what_was_not_recorded_is_not_said_to_be(&run);
    what_broke_is_shown_in_any_case(&mut run);
}

/// Messages beyond the limit are dropped, and a stretch may be all that was recorded.
fn what_was_not_recorded_is_not_said_to_be(run: &Judged) {
    const KEPT: usize = 3_000;
    let end = end_us(&run.history);
    let kept = Traced {
        messages: run.traced.messages[..KEPT].to_vec(),
        dropped: (run.traced.messages.len() - KEPT) as u64,
        ..Traced::default()
    };
    let last = kept.messages[KEPT - 1].sent_us;
    assert!(last > 1_000_000 && last < end - 1_000_000, "{last}");
    let player = played(run, &kept, Shown::All, 0);
    assert_eq!(player.windows, [(0, last)]);
    let note = format!("{} messages after ", kept.dropped);
    assert!(
        player.notes.iter().any(|said| said.starts_with(&note)),
        "{:?}",
        player.notes
    );
    // Operations come from the history, and are there all the same.
    assert!(asked(&player).iter().any(|asked| asked.2 > last));

    let stretch = Window {
        from_us: 1_234_567,
        to_us: 2_345_678,
    };
    let traced = Traced {
        messages: run.traced.messages.clone(),
        ..Traced::default()
    };
    let player = played_of(run, &traced, Some(stretch), (Shown::All, 0));
    assert_eq!(player.windows, [(stretch.from_us, stretch.to_us)]);
}

/// However little room there is.
fn what_broke_is_shown_in_any_case(run: &mut Judged) {
    let without = played(run, &run.traced, Shown::Notable, 0);
    let covered = without.windows.iter().map(|(from, to)| to - from);
    assert!(covered.sum::<i64>() < 500_000, "{:?}", without.windows);
    // A check that names no moment is shown where it was judged, at the end.
    run.report.checks[0].verdict = Verdict::Fail;
    run.report.checks[0].evidence.clear();
    let player = played(run, &run.traced, Shown::Notable, 0);
    let end = end_us(&run.history);
    assert_eq!(player.violations[0].at, end);
    let (from, to) = *player.windows.last().expect("what broke is shown");
    assert!(to == end && from <= end - 1_000_000 && from > end - 1_200_000);
    let number = |m: &Message| (m.sent_us >= from).then_some(m.number as i64);
    let expected: BTreeSet<i64> = run.traced.messages.iter().filter_map(number).collect();
    let shown: BTreeSet<i64> = messages(&player).iter().map(|sent| sent.1).collect();
    assert!(expected.len() > 100 && expected.is_subset(&shown));
}

fn indexes_are_those_that_nodes_had(run: &Judged, player: &Player) {
    let mut looked_at = 0;
    for state in &run.traced.states {
        let Some(standing) = &state.standing else {
            continue;
        };
        let node: usize = state.node["node-".len()..].parse().expect("a number");
        let mut row = [0; 4];
        for difference in &player.indexes[node - 1] {
            if row[0] + difference[0] > state.at_us {
                break;
            }
            for (value, by) in row.iter_mut().zip(difference) {
                *value += by;
            }
        }
        let expected = [standing.last_log, standing.commit, standing.applied];
        let expected = expected.map(|index| index as i64);
        assert_eq!(row[1..], expected, "{} at {}", state.node, state.at_us);
        looked_at += 1;
    }
    assert!(looked_at > 1_000, "{looked_at}");
}

#[test]
fn a_page_of_chaos_stays_below_three_megabytes() {
    let run = recorded("chaos.toml", 100);
    let player = played(&run, &run.traced, Shown::Notable, MOST_BYTES);
    let page = html::run_page(&run.report, &run.history, None, Some(&player));
    let page = page.expect("there are no samples").len();
    println!("a page of chaos: {page} bytes");
    assert!(page < 3_000_000, "{page} bytes");
    assert!(player.json().len() <= MOST_BYTES);

    // With less room, less is shown, and of what is shown nothing is left out.
    let least = 900_000;
    let player = played(&run, &run.traced, Shown::Notable, least);
    assert!(player.json().len() <= least, "{}", player.json().len());
    let end = end_us(&run.history);
    let covered: i64 = player.windows.iter().map(|(from, to)| to - from).sum();
    assert!(
        covered > end / 20 && covered < end / 2,
        "{covered} of {end}"
    );
    assert!(player.notes[0].contains("Messages and operations are shown of"));
    let is_shown = |from: i64, to: i64| {
        let mut windows = player.windows.iter();
        // What ends where a window begins may be in it or not: slices are half open.
        windows.any(|(begin, until)| from < *until && to > *begin)
    };
    let shown: BTreeSet<i64> = messages(&player).iter().map(|message| message.1).collect();
    let mut missed = 0;
    for message in run.traced.messages.iter().filter(|m| m.sent_us >= 0) {
        let ended = message.ended_us().unwrap_or(end);
        if is_shown(message.sent_us, ended) && !shown.contains(&(message.number as i64)) {
            missed += 1;
        }
    }
    assert_eq!(missed, 0);
    assert!(shown.len() > 5_000 && shown.len() < run.traced.messages.len() / 2);
    // Every change of leaders is in a window, before anything that matters less.
    let leaders = player
        .roles
        .iter()
        .flatten()
        .filter(|(_, role, _)| *role == "leader");
    let outside = leaders.filter(|(at, _, _)| !is_shown(*at, *at + 1)).count();
    assert_eq!(outside, 0);
}
