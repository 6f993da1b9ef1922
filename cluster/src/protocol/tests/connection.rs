//! Calls about the connection and the node.

use super::{parse_line, words};
use crate::protocol::{
    COMMAND_NAMES, Call, ClusterCall, CommandError, ConnectionCall, ReadMode, parse,
};

#[test]
fn every_call_about_the_connection() {
    use ConnectionCall::*;
    let hello = |name: Option<&'static str>| Hello {
        name: name.map(Into::into),
    };
    let info = |names: &[&str]| Info {
        sections: names.iter().map(|&name| name.into()).collect(),
    };
    for (line, call) in [
        ("PING", Ping(None)),
        ("ping hi", Ping(Some("hi".into()))),
        ("ECHO hi", Echo("hi".into())),
        ("QUIT", Quit),
        ("HELLO", hello(None)),
        ("HELLO 2", hello(None)),
        ("HELLO 2 SETNAME me", hello(Some("me"))),
        ("SELECT 0", Select),
        ("CLIENT SETNAME me", ClientSetName("me".into())),
        ("client getname", ClientGetName),
        ("CLIENT SETINFO LIB-NAME redis-py", ClientSetInfo),
        ("CLIENT ID", ClientId),
        ("COMMAND", CommandTable),
        ("COMMAND DOCS", CommandTable),
        ("COMMAND DOCS get set", CommandTable),
        ("COMMAND COUNT", CommandCount),
        ("CONFIG GET save", ConfigGet(vec!["save".into()])),
        ("READONLY", Consistency(ReadMode::Local)),
        ("READWRITE", Consistency(ReadMode::Linearizable)),
        (
            "CONSISTENCY LINEARIZABLE",
            Consistency(ReadMode::Linearizable),
        ),
        ("CONSISTENCY LEASE", Consistency(ReadMode::Lease)),
        (
            "CONSISTENCY stale 250",
            Consistency(ReadMode::Stale { bound_ms: 250 }),
        ),
        ("CONSISTENCY LOCAL", Consistency(ReadMode::Local)),
        ("INFO", info(&[])),
        ("INFO Server memory", info(&["server", "memory"])),
        ("TIME", Time),
        ("CLUSTER SLOTS", Cluster(ClusterCall::Slots)),
        ("CLUSTER SHARDS", Cluster(ClusterCall::Shards)),
        ("CLUSTER NODES", Cluster(ClusterCall::Nodes)),
        ("CLUSTER INFO", Cluster(ClusterCall::Info)),
        (
            "CLUSTER KEYSLOT k",
            Cluster(ClusterCall::KeySlot("k".into())),
        ),
        ("cluster myid", Cluster(ClusterCall::MyId)),
    ] {
        assert_eq!(parse_line(line), Ok(Call::Connection(call)), "{line}");
    }
}

#[test]
fn every_name_in_the_list_is_a_command() {
    for name in COMMAND_NAMES {
        let outcome = parse(&words(name));
        let unknown = matches!(outcome, Err(CommandError::UnknownCommand { .. }));
        assert!(!unknown, "{name}");
    }
    let distinct: std::collections::BTreeSet<_> = COMMAND_NAMES.iter().collect();
    assert_eq!(distinct.len(), COMMAND_NAMES.len());
}
