//! Lost writes counted again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::history::{Ended, ended, is_acknowledged, strings, text};

/// Compares acknowledged and lost writes, and those that nobody looked for.
pub fn compare(lines: &[Value], report: &Value) -> Vec<String> {
    let (mut acked, mut lost, mut unaudited) = (0, 0, 0);
    let operations = ended(lines);
    let in_audit = || {
        operations
            .iter()
            .filter(|o| o.phase == "audit" && is_acknowledged(o.outcome))
    };
    // Queues: what was brought anywhere, and whether the last look found nothing.
    let mut brought: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut settled: BTreeSet<(&str, &str)> = BTreeSet::new();
    for o in &operations {
        let queue = text(&o.action["queue"]);
        let messages = o.outcome["messages"].as_array().into_iter().flatten();
        brought.extend(messages.map(|message| (queue, text(&message["value"]))));
        if o.f == "ack" && o.outcome["valid"] == true {
            settled.insert((queue, text(&o.action["value"])));
        }
    }
    let mut empty: BTreeMap<&str, bool> = BTreeMap::new();
    for o in in_audit().filter(|o| o.f == "receive") {
        let none = o.outcome["messages"].as_array().is_some_and(Vec::is_empty);
        empty.insert(text(&o.action["queue"]), none);
    }
    for o in operations.iter().filter(|o| is_acknowledged(o.outcome)) {
        let queue = text(&o.action["queue"]);
        let dead = format!("{queue}.dead");
        let values = match o.f {
            "publish" => vec![text(&o.action["value"])],
            "publish_batch" => strings(&o.action["values"]),
            _ => continue,
        };
        for value in values {
            acked += 1;
            let found = brought.contains(&(queue, value))
                || settled.contains(&(queue, value))
                || brought.contains(&(dead.as_str(), value))
                || settled.contains(&(dead.as_str(), value));
            let drained =
                empty.get(queue) == Some(&true) && empty.get(dead.as_str()) != Some(&false);
            match (found, drained) {
                (true, _) => {}
                (false, true) => lost += 1,
                (false, false) => unaudited += 1,
            }
        }
    }
    // Keys: what the audit read last, against the versions that were acknowledged.
    let mut read: BTreeMap<&str, &Value> = BTreeMap::new();
    for o in in_audit().filter(|o| o.f == "get") {
        read.insert(text(&o.action["key"]), o.outcome);
    }
    // An operation without an outcome is of no phase here, so deletes are looked for in lines.
    let mut returned = BTreeMap::new();
    for line in lines.iter().filter(|line| line["type"] == "return") {
        returned.insert(line["op"].as_u64(), line);
    }
    let asked = |f: &'static str| {
        let asked = lines
            .iter()
            .filter(move |line| line["type"] == "invoke" && line["action"]["f"] == f);
        let asked = asked.map(|line| (line, returned.get(&line["op"].as_u64())));
        asked.filter(|(_, back)| back.is_none_or(|back| back["outcome"]["outcome"] != "failed"))
    };
    let mut writes: BTreeMap<&str, Vec<(u64, u64, &str)>> = BTreeMap::new();
    for o in operations.iter().filter(|o| is_acknowledged(o.outcome)) {
        if !matches!(o.f, "set" | "compare_and_set" | "increment") {
            continue;
        }
        if let Some(version) = o.outcome["version"].as_u64() {
            let key = text(&o.action["key"]);
            writes
                .entry(key)
                .or_default()
                .push((o.sent_us, version, o.f));
        }
    }
    for (key, written) in &writes {
        acked += written.len();
        let Some(found) = read.get(key) else {
            unaudited += written.len();
            continue;
        };
        let (value, version) = (
            found["value"].as_str(),
            found["version"].as_u64().unwrap_or(0),
        );
        let mut others = ["set", "compare_and_set", "set_volatile", "delete"].into_iter();
        let of_key = |(line, back): &(&Value, Option<&&Value>)| {
            line["action"]["key"] == **key
                && back.is_none_or(|back| back["outcome"]["outcome"] != "mismatch")
        };
        let is_counter = !others.any(|f| asked(f).any(|asked| of_key(&asked)));
        if is_counter {
            let counted = value.unwrap_or("0").parse::<i64>().unwrap_or(0);
            let steps: BTreeSet<i64> = asked("increment")
                .filter(of_key)
                .filter_map(|(line, _)| line["action"]["by"].as_i64())
                .collect();
            let mut steps = steps.into_iter();
            if let (Some(step @ 1..), None) = (steps.next(), steps.next()) {
                lost += written
                    .len()
                    .saturating_sub((counted / step).max(0) as usize);
                continue;
            }
        }
        let deletes: Vec<u64> = asked("delete")
            .filter(of_key)
            .map(|(_, back)| match back {
                Some(back) if back["outcome"]["outcome"] != "unknown" => {
                    back["at"].as_u64().unwrap_or(u64::MAX)
                }
                _ => u64::MAX,
            })
            .collect();
        lost += written
            .iter()
            .filter(|(sent, written, _)| {
                let erased = value.is_none() && deletes.iter().any(|at| at >= sent);
                (value.is_none() || *written > version) && !erased
            })
            .count();
    }
    let lists = lists(&operations, &asked);
    acked += lists.acked;
    let loss = &report["data_loss"];
    let mut wrong = Vec::new();
    let mut differ = |what: &str, reported: &Value, counted: String| {
        wrong.push(format!("{what}: {reported} reported, {counted} counted"));
    };
    if loss["acked"] != acked {
        differ("acked", &loss["acked"], acked.to_string());
    }
    if lists.missing == 0 {
        for (what, counted) in [("lost", lost), ("unaudited", unaudited)] {
            if loss[what] != counted {
                differ(what, &loss[what], counted.to_string());
            }
        }
        return wrong;
    }
    // Which of what is missing from lists was taken by somebody who was not answered is a
    // matter of judgement; how much it is at least and at most is not.
    let others = lost + unaudited;
    let least = others + lists.missing.saturating_sub(lists.unanswered);
    let reported = [&loss["lost"], &loss["unaudited"]].map(|count| count.as_u64().unwrap_or(0));
    let reported = reported.iter().sum::<u64>();
    if !(least as u64..=(others + lists.missing) as u64).contains(&reported) {
        let counted = format!("{least} to {}", others + lists.missing);
        differ("lost or unaudited", &Value::from(reported), counted);
    }
    wrong
}

/// What was pushed to lists and acknowledged, how much of it nobody took and the last look at
/// each list did not find, and how many who take were not answered.
struct Lists {
    acked: usize,
    missing: usize,
    unanswered: usize,
}

fn lists<'a, I>(operations: &[Ended<'a>], asked: &impl Fn(&'static str) -> I) -> Lists
where
    I: Iterator<Item = (&'a Value, Option<&'a &'a Value>)>,
{
    let answered = || operations.iter().filter(|o| is_acknowledged(o.outcome));
    let mut there: BTreeSet<&str> = BTreeSet::new();
    let mut looks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for o in answered() {
        match o.f {
            "list_pop" | "list_blocking_pop" => there.extend(o.outcome["value"].as_str()),
            "list_remove" if o.outcome["values"] != 0 => {
                there.insert(text(&o.action["value"]));
            }
            "list_range" if o.phase == "audit" => {
                looks.insert(text(&o.action["list"]), strings(&o.outcome["values"]));
            }
            _ => {}
        }
    }
    there.extend(looks.into_values().flatten());
    let pushed = answered().filter(|o| o.f == "list_push");
    let pushed: Vec<&str> = pushed.map(|o| text(&o.action["value"])).collect();
    let takes = ["list_pop", "list_blocking_pop", "list_remove"];
    let unanswered = takes.into_iter().flat_map(asked);
    let unanswered = unanswered.filter(|(_, back)| match back {
        Some(back) => back["outcome"]["outcome"] == "unknown",
        None => true,
    });
    Lists {
        acked: pushed.len(),
        missing: pushed
            .iter()
            .filter(|value| !there.contains(**value))
            .count(),
        unanswered: unanswered.count(),
    }
}
