//! Calls about the connection and the node.

use super::{parse_line, words};
use crate::protocol::{
    COMMANDS, Call, ClientAttribute, ClientCall, ClusterCall, CommandCall, CommandError,
    ConnectionCall, KillFilter, ReadMode, ReplyMode, RespVersion, ScriptCall, Spec,
    TransactionCall, parse,
};

#[test]
fn every_call_about_the_connection() {
    use ConnectionCall::*;
    let hello = |version, name: Option<&'static str>| Hello {
        version,
        auth: None,
        name: name.map(Into::into),
    };
    let info = |names: &[&str]| Info {
        sections: names.iter().map(|&name| name.into()).collect(),
    };
    let fixed = |call| matches!(call, Ok(Call::Connection(Fixed(_))));
    for (line, call) in [
        ("PING", Ping(None)),
        ("ping hi", Ping(Some("hi".into()))),
        ("ECHO hi", Echo("hi".into())),
        ("QUIT", Quit),
        ("RESET", Reset),
        ("HELLO", hello(None, None)),
        ("HELLO 2", hello(Some(RespVersion::Two), None)),
        ("HELLO 3", hello(Some(RespVersion::Three), None)),
        ("HELLO 17", hello(Some(RespVersion::Three), None)),
        (
            "HELLO 2 SETNAME me",
            hello(Some(RespVersion::Two), Some("me")),
        ),
        (
            "HELLO 3 SETNAME me AUTH u p",
            Hello {
                version: Some(RespVersion::Three),
                auth: Some(("u".into(), "p".into())),
                name: Some("me".into()),
            },
        ),
        (
            "AUTH p",
            Auth {
                user: "default".into(),
                password: "p".into(),
            },
        ),
        (
            "AUTH u p",
            Auth {
                user: "u".into(),
                password: "p".into(),
            },
        ),
        ("CONFIG GET save", ConfigGet(vec!["save".into()])),
        (
            "CONFIG SET timeout 5",
            ConfigSet(vec![("timeout".into(), "5".into())]),
        ),
        ("READONLY", ReadOnly(true)),
        ("READWRITE", ReadOnly(false)),
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
        ("ROLE", Role),
        (
            "WAIT 1 100",
            Wait {
                nodes: 1,
                timeout_ms: 100,
            },
        ),
        ("MULTI", Transaction(TransactionCall::Begin)),
        ("EXEC", Transaction(TransactionCall::Execute)),
        ("DISCARD", Transaction(TransactionCall::Discard)),
        (
            "WATCH a b",
            Transaction(TransactionCall::Watch(vec!["a".into(), "b".into()])),
        ),
        ("UNWATCH", Transaction(TransactionCall::Unwatch)),
        ("SCRIPT LOAD x", Script(ScriptCall::Load("x".into()))),
        (
            "SCRIPT EXISTS x",
            Script(ScriptCall::Exists(vec!["x".into()])),
        ),
        ("SCRIPT FLUSH SYNC", Script(ScriptCall::Flush)),
    ] {
        assert_eq!(parse_line(line), Ok(Call::Connection(call)), "{line}");
    }
    for line in ["SELECT 0", "CLIENT NO-EVICT on", "SCAN 0 TYPE hash"] {
        assert!(fixed(parse_line(line)), "{line}");
    }
}

#[test]
fn every_call_about_clients_commands_and_members() {
    let kill = |id, address: Option<&'static str>, skips_me, is_old_form| {
        ConnectionCall::Client(ClientCall::Kill(KillFilter {
            id,
            address: address.map(Into::into),
            user: None,
            skips_me,
            is_old_form,
        }))
    };
    let client = ConnectionCall::Client;
    let command = ConnectionCall::Command;
    let cluster = ConnectionCall::Cluster;
    for (line, call) in [
        (
            "CLIENT SETNAME me",
            client(ClientCall::SetName("me".into())),
        ),
        ("client getname", client(ClientCall::GetName)),
        (
            "CLIENT SETINFO LIB-NAME redis-py",
            client(ClientCall::SetInfo {
                attribute: ClientAttribute::LibraryName,
                value: "redis-py".into(),
            }),
        ),
        ("CLIENT ID", client(ClientCall::Id)),
        ("CLIENT INFO", client(ClientCall::Info)),
        ("CLIENT LIST", client(ClientCall::List(None))),
        (
            "CLIENT LIST ID 3 4",
            client(ClientCall::List(Some(vec![3, 4]))),
        ),
        (
            "CLIENT REPLY skip",
            client(ClientCall::Reply(ReplyMode::Skip)),
        ),
        (
            "CLIENT KILL 1.2.3.4:5",
            kill(None, Some("1.2.3.4:5"), false, true),
        ),
        ("CLIENT KILL ID 5", kill(Some(5), None, true, false)),
        (
            "CLIENT KILL ID 5 SKIPME no",
            kill(Some(5), None, false, false),
        ),
        ("COMMAND", command(CommandCall::Info(None))),
        (
            "COMMAND INFO get nope",
            command(CommandCall::Info(Some(vec!["get".into(), "nope".into()]))),
        ),
        ("COMMAND DOCS", command(CommandCall::Docs(None))),
        (
            "COMMAND DOCS get",
            command(CommandCall::Docs(Some(vec!["get".into()]))),
        ),
        ("COMMAND COUNT", command(CommandCall::Count)),
        ("COMMAND LIST", command(CommandCall::List)),
        (
            "COMMAND GETKEYS get k",
            command(CommandCall::GetKeys(vec!["get".into(), "k".into()])),
        ),
        ("CLUSTER SLOTS", cluster(ClusterCall::Slots)),
        ("CLUSTER SHARDS", cluster(ClusterCall::Shards)),
        ("CLUSTER NODES", cluster(ClusterCall::Nodes)),
        ("CLUSTER INFO", cluster(ClusterCall::Info)),
        (
            "CLUSTER KEYSLOT k",
            cluster(ClusterCall::KeySlot("k".into())),
        ),
        (
            "CLUSTER COUNTKEYSINSLOT 5",
            cluster(ClusterCall::CountKeysInSlot(5)),
        ),
        ("cluster myid", cluster(ClusterCall::MyId)),
    ] {
        assert_eq!(parse_line(line), Ok(Call::Connection(call)), "{line}");
    }
}

#[test]
fn every_command_is_found_by_its_name_and_has_another() {
    for spec in COMMANDS {
        let outcome = parse(&words(&spec.name.to_uppercase()));
        let unknown = matches!(outcome, Err(CommandError::UnknownCommand { .. }));
        assert!(!unknown, "{}", spec.name);
        assert_eq!(spec.name, spec.name.to_lowercase());
    }
    let distinct: std::collections::BTreeSet<_> = COMMANDS.iter().map(|spec| spec.name).collect();
    assert_eq!(distinct.len(), COMMANDS.len());
}

#[test]
fn the_keys_of_a_command_are_where_its_table_says() {
    for (line, expected) in [
        ("GET a", &["a"][..]),
        ("MGET a b c", &["a", "b", "c"]),
        ("MSET a 1 b 2", &["a", "b"]),
        ("RENAME a b", &["a", "b"]),
        ("OBJECT ENCODING a", &["a"]),
        ("LOCK.ACQUIRE printer 5", &["printer"]),
        ("ONCE 1 2 SET a 1", &["a"]),
        ("READ LOCAL MGET a b", &["a", "b"]),
        ("READ STALE 5 GET a", &["a"]),
        ("EVAL script 1 a 5", &["a"]),
        ("ONCE 1 2 ONCE 1 2 GET a", &[]),
        ("PING", &[]),
    ] {
        let args = words(line);
        let spec = Spec::find(&args[0]).expect("it is a command");
        assert_eq!(spec.keys_of(&args), expected, "{line}");
    }
}
