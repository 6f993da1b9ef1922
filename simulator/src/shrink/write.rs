//! A document as the text of a scenario that reads well.
//!
//! Tables in the order in which the catalogue has them, keys in the order in which an author
//! thinks of them, small tables on one line.

use toml::{Table, Value};

/// Keys in their order; the others follow by name.
const TOP: [&str; 15] = [
    "name",
    "summary",
    "cluster",
    "network",
    "disk",
    "clock",
    "hardware",
    "phases",
    "probe",
    "workload",
    "chaos",
    "schedule",
    "fault",
    "point",
    "objectives",
];
const INNER: [&str; 14] = [
    "at",
    "service",
    "nodes",
    "clients",
    "producers",
    "consumers",
    "kill",
    "from",
    "to",
    "min",
    "max",
    "warmup",
    "chaos",
    "for",
];

/// The document as TOML.
pub fn write(document: &Table) -> String {
    let mut out = String::new();
    let keys = ordered(document, &TOP);
    for key in &keys {
        if !is_section(&document[*key]) {
            out += &format!("{} = {}\n", quoted_key(key), inline(&document[*key]));
        }
    }
    for key in keys {
        match &document[key] {
            Value::Table(table) => section(&mut out, &format!("[{}]", quoted_key(key)), table),
            Value::Array(tables) if is_section(&document[key]) => {
                for table in tables.iter().filter_map(Value::as_table) {
                    section(&mut out, &format!("[[{}]]", quoted_key(key)), table);
                }
            }
            _ => {}
        }
    }
    out
}

/// Whether it has a heading of its own.
fn is_section(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(array) => !array.is_empty() && array.iter().all(Value::is_table),
        _ => false,
    }
}

fn section(out: &mut String, heading: &str, table: &Table) {
    out.push_str(&format!("\n{heading}\n"));
    for key in ordered(table, &INNER) {
        out.push_str(&format!("{} = {}\n", quoted_key(key), inline(&table[key])));
    }
}

fn ordered<'a>(table: &'a Table, order: &[&str]) -> Vec<&'a str> {
    let mut keys: Vec<&str> = table.keys().map(String::as_str).collect();
    let place = |key: &str| order.iter().position(|other| *other == key);
    keys.sort_by_key(|key| (place(key).unwrap_or(order.len()), *key));
    keys
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(array) => {
            let items: Vec<String> = array.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let keys = ordered(table, &INNER).into_iter();
            let pairs = keys.map(|key| format!("{} = {}", quoted_key(key), inline(&table[key])));
            let pairs: Vec<String> = pairs.collect();
            match pairs.is_empty() {
                true => "{}".to_owned(),
                false => format!("{{ {} }}", pairs.join(", ")),
            }
        }
        single => single.to_string(),
    }
}

fn quoted_key(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !key.is_empty() && key.chars().all(is_bare) {
        true => key.to_owned(),
        false => Value::String(key.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_well_and_reads_back() {
        let text = "\
name = \"small\"

[cluster]
nodes = 3
election_timeout = { min = \"300ms\", max = \"600ms\" }

[[workload]]
service = \"cache\"
clients = 2

[[fault]]
at = \"500ms\"
kill = [\"leader\", \"node-2\"]
for = \"1s\"

[[fault]]
at = \"2s\"
for = \"1s\"
link = { from = [\"leader\"], to = [\"all\"], loss = \"10%\" }
";
        let document: Table = text.parse().expect("it is TOML");
        assert_eq!(write(&document), text);
    }

    #[test]
    fn odd_texts_survive() {
        let mut document = Table::new();
        document.insert("a b".into(), "quote \" and \\ and \n".into());
        document.insert("empty".into(), Value::Array(Vec::new()));
        let read: Table = write(&document).parse().expect("it is TOML");
        assert_eq!(read, document);
    }
}
