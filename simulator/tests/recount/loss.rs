//! Lost writes counted again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::history::{ended, is_acknowledged, strings, text};

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
    let loss = &report["data_loss"];
    let mut wrong = Vec::new();
    for (what, counted) in [("acked", acked), ("lost", lost), ("unaudited", unaudited)] {
        if loss[what] != counted {
            wrong.push(format!(
                "{what}: {} reported, {counted} counted",
                loss[what]
            ));
        }
    }
    wrong
}
