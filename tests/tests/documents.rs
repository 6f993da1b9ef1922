//! Numbers and lists in documents agree with the code.

use squall::fault::kind::{Cost, Ends, Loss};
use squall::fault::{FaultKind, Point};
use squall_cluster::protocol::{
    COMMANDS, MAX_ARGUMENTS, MAX_BULK_BYTES, MAX_INLINE_BYTES, MAX_KEY_BYTES, MAX_NAME_BYTES,
    MAX_REQUEST_BYTES, MAX_VALUE_BYTES,
};
use squall_cluster::state::{LARGEST_LIST_BYTES, LONGEST_LIST};

fn commands() -> String {
    let path = squall_tests::repository().join("docs/commands.md");
    std::fs::read_to_string(path).expect("the document is there")
}

/// A name in code: its own, not the beginning of a longer one.
fn is_named(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let is_free = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '.');
        is_free(text[..at].chars().next_back()) && is_free(text[at + name.len()..].chars().next())
    })
}

#[test]
fn every_command_of_a_node_is_explained() {
    let text = commands();
    // The session at the top shows commands, the tables explain them.
    let (_, tables) = text.split_once("## Sessions").expect("there is a table");
    let rows: String = tables
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let streams = ["CACHE.TRACK"];
    let missing: Vec<String> = COMMANDS
        .iter()
        .map(|spec| spec.name.to_uppercase())
        .filter(|name| !is_named(&rows, name) && !streams.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/commands.md lacks {missing:?}");
    assert!(streams.iter().all(|name| is_named(tables, name)));
}

#[test]
fn the_sizes_are_those_of_the_protocol() {
    let text = commands();
    let (kib, mib) = (1024, 1024 * 1024);
    for row in [
        format!(
            "| arguments of a command, its name included | {} |",
            with_commas(MAX_ARGUMENTS as u64)
        ),
        format!("| one argument | {} MiB |", MAX_BULK_BYTES / mib),
        format!(
            "| all arguments of a command | {} MiB |",
            MAX_REQUEST_BYTES / mib
        ),
        format!(
            "| a command as a line of words | {} KiB |",
            MAX_INLINE_BYTES / kib
        ),
        format!("| {MAX_NAME_BYTES} bytes of UTF-8, at least 1 |"),
        format!("| key | {} KiB |", MAX_KEY_BYTES / kib),
        format!(
            "| value, payload, value of a list | {} MiB |",
            MAX_VALUE_BYTES / mib
        ),
        format!(
            "| {}, {} MiB | `TOOLARGE` |",
            with_commas(LONGEST_LIST as u64),
            LARGEST_LIST_BYTES / mib as u64
        ),
    ] {
        assert!(text.contains(&row), "docs/commands.md lacks {row}");
    }
}

fn with_commas(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", with_commas(number / 1_000), number % 1_000),
    }
}

/// The table of `scenarios/README.md`, from the table of kinds.
fn table_of_kinds() -> String {
    let mut table = "| kind | group | what happens | over | of the budget | loses |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for kind in FaultKind::ALL {
        let info = kind.info();
        let over = match info.ends {
            Ends::AtOnce => "at once",
            Ends::Healed => "when healed",
            Ends::Done => "when done",
        };
        let cost = match info.cost {
            Cost::None => "nothing",
            Cost::Targets => "its targets",
            Cost::SmallerSides => "all sides but the largest",
            Cost::InTurn => "one node at a time",
        };
        let loses = match info.loses {
            Loss::Nothing => "nothing",
            Loss::Unsynced => "what was not synced",
            Loss::Stored => "what was stored",
        };
        let group = format!("{:?}", info.group).to_lowercase();
        let summary = info.summary;
        table += &format!("| `{kind}` | {group} | {summary} | {over} | {cost} | {loses} |\n");
    }
    table
}

#[test]
fn every_kind_of_fault_is_in_the_table_of_the_scenarios() {
    let path = squall_tests::repository().join("scenarios/README.md");
    let text = std::fs::read_to_string(path).expect("the document is there");
    let table = table_of_kinds();
    assert!(text.contains(&table), "scenarios/README.md lacks\n{table}");
}

#[test]
fn every_point_of_a_node_is_in_the_table_of_points() {
    let path = squall_tests::repository().join("docs/points.md");
    let text = std::fs::read_to_string(path).expect("the document is there");
    let mut table = "| name | passed by | when |\n|---|---|---|\n".to_owned();
    for point in Point::ALL {
        let by = format!("{:?}", point.passed_by()).to_lowercase();
        table += &format!("| `{point}` | {by} | {} |\n", point.about());
    }
    assert!(text.contains(&table), "docs/points.md lacks\n{table}");
}
