//! Client programs: both templates, and what becomes of programs that do not keep to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use squall_history::Outcome;
use squall_systems::SystemFile;
use squall_world::{RealWorld, World};

use crate::servers::*;

/// The example in Python, without its mistake; with another client if one is given.
pub(crate) fn register(client: Option<&str>) -> SystemFile {
    register_with(client, |text| text.replace(", \"--early-ack\",", ","))
}

pub(crate) fn register_with(client: Option<&str>, edit: fn(&str) -> String) -> SystemFile {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python-register");
    let text = std::fs::read_to_string(here.join("system.toml")).expect("the example is there");
    let mut text = edit(&text);
    if let Some(client) = client {
        let python = "command = [\"python3\", \"{here}/client.py\"]";
        assert!(text.contains(python));
        text = text.replace(python, &format!("command = [{client:?}]"));
    }
    let here = here.canonicalize().expect("the example is there");
    SystemFile::parse(&text, "system.toml", &here).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn the_template_in_python_is_a_client() {
    with_servers(register(None), 3, |mut servers| async move {
        registers_work(&servers).await;
        let primary = servers.leader().await;
        let mut client = servers.client(0);
        client.insist(set("p", "a")).await;
        servers.kill(primary).await;
        client.insist(set("p", "b")).await;
        assert_ne!(servers.leader().await, primary);
        let Outcome::Value { value, .. } = client.insist(get("p")).await else {
            panic!("it was read");
        };
        assert_eq!(value.as_deref(), Some("b"));
    });
}

/// What a server answers to a word of another.
async fn answer_to(address: &str, word: serde_json::Value) -> serde_json::Value {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let mut stream = RealWorld::connect(address).await.expect("it listens");
    let line = format!("{word}\n");
    let written = stream.write_all(line.as_bytes()).await;
    written.expect("it listens");
    let mut answer = String::new();
    let read = BufReader::new(stream).read_line(&mut answer).await;
    read.expect("it answers");
    serde_json::from_str(&answer).expect("it is JSON")
}

#[test]
fn a_server_in_python_promises_a_view_to_one_node_also_over_a_restart() {
    with_servers(register(None), 3, |mut servers| async move {
        let address = servers.members[2].address("client").expect("it has one");
        // Far beyond what the others come to in the meantime.
        let word = |what: &str, id: u64| {
            serde_json::json!({ "do": what, "view": 1_000_000, "id": id,
                "store": { "k": { "stamp": 1, "value": "of another primary" } } })
        };
        let is_right = async |what: &str, id: u64, expected: bool| {
            let answer = answer_to(&address, word(what, id)).await;
            assert_eq!(answer["ok"], expected, "{what} of {id}: {answer}");
        };
        is_right("prepare", 0, true).await;
        for what in ["prepare", "take", "copy", "beat"] {
            is_right(what, 1, false).await;
        }
        servers.kill(2).await;
        servers.start_node(2);
        servers.until("it is back", |all| all[2].is_some()).await;
        for what in ["prepare", "take", "copy", "beat"] {
            is_right(what, 1, false).await;
        }
    });
}

#[test]
fn the_template_in_rust_is_a_client() {
    let me = std::env::current_exe().expect("a test has a program");
    let target = me
        .parent()
        .and_then(Path::parent)
        .expect("below target/PROFILE/deps");
    let client: PathBuf = target.join("examples/client");
    assert!(
        client.exists(),
        "{} is built with the tests",
        client.display()
    );
    let client = client.display().to_string();
    with_servers(register(Some(&client)), 3, |servers| async move {
        registers_work(&servers).await;
    });
}

const STATUS: &str = "[status]\ncommand = [\"true\"]\nrole = \"/role\"\nleader = \"leader\"\n";

#[test]
fn a_program_without_a_status_is_refused() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python-register");
    let text = std::fs::read_to_string(here.join("system.toml")).expect("the example is there");
    let (before, rest) = text.split_once("[status]").expect("it has one");
    let (_, after) = rest.split_once("\n[").expect("a table follows");
    let refused = SystemFile::parse(&format!("{before}[{after}"), "x.toml", &here);
    let why = refused.expect_err("nobody says who leads").to_string();
    assert!(why.contains("needs the table [status]"), "{why}");
}

/// A client program of one line of shell.
fn shell(script: &str) -> Asker {
    // Braces of the shell are none of templates.
    let script = script.replace('{', "{{").replace('}', "}}");
    let text = format!(
        "name = \"x\"\nsummary = \"\"\nprotocol = \"program\"\n[ports]\nclient = 1\n\
         [[node]]\ncommand = [\"true\"]\n[client]\ncommand = [\"sh\", \"-c\", '''{script}''']\n\
         offers = [\"get\", \"set\"]\n[service.cache]\n{STATUS}"
    );
    let system = SystemFile::parse(&text, "x.toml", Path::new(".")).expect("a system");
    let members = system.members(["127.0.0.1".to_owned()]);
    let drivers = system.drivers(&members).expect("no templates to fill in");
    Asker(drivers.expect("it is a program")(0))
}

const READY: &str = r#"read line; echo "{\"id\":0,\"outcome\":\"ready\"}"; "#;

#[test]
fn a_program_that_is_silent_or_ends_leaves_it_unknown_and_is_started_again() {
    in_real_world(async {
        let mut silent = shell(&format!("{READY} sleep 60"));
        let outcome = silent.ask_within(set("k", "a"), 300).await;
        assert!(matches!(&outcome, Outcome::Unknown { why } if why.contains("in time")));
        let mut ends = shell(&format!("{READY} read line"));
        for _ in 0..2 {
            let outcome = ends.ask_within(set("k", "a"), 2_000).await;
            let is_right = matches!(&outcome, Outcome::Unknown { why } if why.contains("ended"));
            assert!(is_right, "{outcome:?}");
        }
        // The second operation is answered by a second program, which counts anew.
        let answers = r#"read line; id=${line#*\"id\":}; id=${id%%[,\}]*};
            echo "{\"id\":$id,\"outcome\":\"stored\"}"; read line; sleep 60"#;
        let mut once = shell(&format!("{READY} {answers}"));
        assert!(once.ask(set("k", "a")).await.is_acknowledged());
        assert!(!once.ask_within(set("k", "b"), 300).await.is_acknowledged());
        assert!(once.ask(set("k", "c")).await.is_acknowledged());
    });
}

#[test]
fn a_program_that_cannot_begin_has_done_nothing() {
    in_real_world(async {
        for script in ["exit 1", "read line; echo hello"] {
            let mut client = shell(script);
            // Whoever asks again at once is held up, or it would be started without end.
            let begin = RealWorld::now();
            for _ in 0..3 {
                client.ask_within(get("k"), 2_000).await;
            }
            assert!(
                RealWorld::now() - begin >= Duration::from_millis(300),
                "{script}"
            );
            let begin = RealWorld::now();
            let outcome = client.ask_within(get("k"), 20).await;
            assert!(
                RealWorld::now() - begin < Duration::from_secs(1),
                "{script}"
            );
            assert!(
                matches!(outcome, Outcome::Failed { .. }),
                "{script}: {outcome:?}"
            );
        }
        let outcome = shell("true").ask(acquire("l", 1, 0)).await;
        assert!(matches!(&outcome, Outcome::Failed { why } if why.contains("offers no acquire")));
    });
}
