//! Arguments as they are typed, and what they mean.

use super::*;

fn parsed(line: &str) -> Result<Job, clap::Error> {
    parse(line.split_whitespace().map(OsString::from))
}

fn node(line: &str) -> (NodeOptions, PathBuf) {
    match parsed(line).expect(line) {
        Job::Node {
            options, directory, ..
        } => (*options, directory),
        _ => panic!("{line} is one node"),
    }
}

fn refusal(line: &str) -> String {
    parsed(line).expect_err(line).to_string()
}

#[test]
fn the_definition_of_the_arguments_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn without_arguments_it_is_a_cluster_of_one() {
    let (options, directory) = node("squall-node");
    assert_eq!(options.address, "127.0.0.1:7001");
    assert_eq!(
        options.members,
        Members::from([(1, "127.0.0.1:7001".into())])
    );
    assert_eq!(directory, PathBuf::from("squall-data/node-1"));
    assert_eq!(options.raft, RaftOptions::default());
}

#[test]
fn the_address_comes_from_the_list_of_members() {
    let (options, directory) = node("squall-node --id 2 --cluster 1=a:7001,2=b:7002 --insecure");
    assert_eq!(options.address, "b:7002");
    assert_eq!(options.members.len(), 2);
    assert_eq!(directory, PathBuf::from("squall-data/node-2"));
}

#[test]
fn others_reach_a_node_that_asks_who_they_are() {
    for line in [
        "squall-node --bind 0.0.0.0 --requirepass secret",
        "squall-node --bind 0.0.0.0 --insecure",
        "squall-node --bind 127.0.0.9 --host node-1",
        "squall-node --host [::1]",
        "squall-node --bind 0.0.0.0 --tls-port 7001 --tls-cluster --tls-cert-file c \
         --tls-key-file k --tls-ca-cert-file a",
    ] {
        node(line);
    }
}

#[test]
fn who_leaves_the_port_for_nodes_open_is_told() {
    let files = "--tls-cert-file c --tls-key-file k --tls-ca-cert-file a";
    for (line, is_told) in [
        ("squall-node --requirepass secret", false),
        ("squall-node --bind 0.0.0.0 --requirepass secret", true),
        ("squall-node --bind 0.0.0.0 --insecure", false),
        (
            &format!("squall-node --bind 0.0.0.0 --requirepass secret --tls-port 7001 {files}"),
            true,
        ),
        (
            &format!("squall-node --bind 0.0.0.0 --requirepass secret --tls-cluster {files}"),
            false,
        ),
    ] {
        let Ok(Job::Node { warning, .. }) = parsed(line) else {
            panic!("{line} is one node");
        };
        assert_eq!(warning.is_some(), is_told, "{line}: {warning:?}");
    }
}

#[test]
fn a_node_that_joins_has_no_members_yet() {
    let (options, _) = node("squall-node --id 4 --port 7004 --join");
    assert!(options.members.is_empty());
}

#[test]
fn a_local_cluster_has_three_nodes_by_default() {
    for (line, count) in [("squall-node --local", 3), ("squall-node --local 5", 5)] {
        match parsed(line).expect(line) {
            Job::Local(cluster) => assert_eq!(cluster.count, count),
            _ => panic!("{line} is a local cluster"),
        }
    }
}

#[test]
fn health_is_asked_where_the_node_is_by_default() {
    for (line, expected) in [
        ("squall-node --health", "127.0.0.1:7001"),
        ("squall-node --health node-2:7000", "node-2:7000"),
    ] {
        match parsed(line).expect(line) {
            Job::Health { address, tls: None } => assert_eq!(address, expected),
            job => panic!("{line} asks for health, not {job:?}"),
        }
    }
}

#[test]
fn tls_is_asked_for_in_the_words_of_redis() {
    let files = "--tls-cert-file c --tls-key-file k --tls-ca-cert-file a";
    let (options, _) = node(&format!(
        "squall-node --tls-port 7005 --tls-cluster yes {files}"
    ));
    assert_eq!(options.address, "127.0.0.1:7005");
    let tls = options.tls.expect("it is asked for");
    assert!(tls.for_clients && tls.for_peers);
    assert_eq!(tls.auth_clients, AuthClients::Yes);
    let (options, _) = node(&format!("squall-node --port 7005 --tls-cluster {files}"));
    let tls = options.tls.expect("it is asked for");
    assert!(!tls.for_clients && tls.for_peers);
    assert_eq!(tls.files.key, Some(PathBuf::from("k")));
    let (options, _) = node("squall-node --tls-cluster no");
    assert_eq!(options.tls, None);
    match parsed("squall-node --health a:1 --tls-ca-cert-file a").expect("health, with TLS") {
        Job::Health { tls: Some(tls), .. } => assert_eq!(tls.authorities, Some("a".into())),
        job => panic!("it asks for health, not {job:?}"),
    }
    let line = format!("squall-node --backup b --tls-port 7001 {files}");
    match parsed(&line).expect("a backup, with TLS") {
        Job::Backup { tls: Some(tls), .. } => assert_eq!(tls.certificate, Some("c".into())),
        job => panic!("it is a backup, not {job:?}"),
    }
    let text = "tls-port = 7005\ntls-cluster = 'yes'\ntls-cert-file = 'c'\ntls-key-file = 'k'\n\
                tls-ca-cert-file = 'a'\ntls-auth-clients = 'optional'";
    let Ok(Job::Node { options, .. }) = with_file(text, "") else {
        panic!("it is one node");
    };
    let tls = options.tls.expect("it is asked for");
    assert!(tls.for_clients && tls.for_peers);
    assert_eq!(tls.auth_clients, AuthClients::Optional);
}

#[test]
fn contradictions_and_impossible_values_are_refused() {
    for (line, why) in [
        ("squall-node --cluster 2=a:7002", "does not name this node"),
        ("squall-node --cluster 1=a:7001,1=b:7001", "twice"),
        ("squall-node --cluster 1=a:7001", "can be reached by others"),
        ("squall-node --bind 0.0.0.0", "can be reached by others"),
        (
            "squall-node --local 3 --host 10.0.0.1",
            "can be reached by others",
        ),
        ("squall-node --host 0.0.0.0 --insecure", "nobody can reach"),
        ("squall-node --host [::] --insecure", "nobody can reach"),
        ("squall-node --host ::1", "nobody can reach"),
        ("squall-node --cluster 1=0.0.0.0:7001", "host:port"),
        ("squall-node --max-clients 0", "1.."),
        ("squall-node --port 7005 --cluster 1=a:7001", "disagree"),
        ("squall-node --cluster 1=a:60000", "55535"),
        ("squall-node --cluster a:7001", "id=host:port"),
        ("squall-node --port 55536", "55535"),
        ("squall-node --heartbeat 100", "unit"),
        ("squall-node --heartbeat 400ms", "shorter"),
        ("squall-node --join --cluster 1=a:7001", "cannot be used"),
        ("squall-node --local 3 --id 2", "cannot be used"),
        ("squall-node --local 3 --port 55534", "would pass"),
        ("squall-node --hold --id 2", "cannot be used"),
        ("squall-node --max-memory 1tb", "as in 512mb"),
        ("squall-node --tls-port 7001", "TLS needs --tls-cert-file"),
        ("squall-node --tls-cluster", "TLS needs --tls-cert-file"),
        (
            "squall-node --tls-port 7001 --tls-cert-file c --tls-key-file k",
            "TLS needs --tls-ca-cert-file",
        ),
        (
            "squall-node --tls-cert-file c",
            "--tls-port, --tls-cluster or both",
        ),
        ("squall-node --tls-port 7001 --port 7002", "cannot be used"),
        (
            "squall-node --tls-port 7005 --cluster 1=a:7001 --tls-cert-file c --tls-key-file k --tls-auth-clients no --insecure",
            "disagree",
        ),
        // Who comes by the port for nodes need not show one.
        (
            "squall-node --bind 0.0.0.0 --tls-port 7001 --tls-cert-file c --tls-key-file k \
             --tls-ca-cert-file a",
            "on both ports (--tls-port and --tls-cluster)",
        ),
        // Who shows no certificate may be anybody.
        (
            "squall-node --bind 0.0.0.0 --tls-port 7001 --tls-cert-file c --tls-key-file k \
             --tls-ca-cert-file a --tls-auth-clients optional",
            "can be reached by others",
        ),
        (
            "squall-node --bind 0.0.0.0 --tls-cluster --tls-cert-file c --tls-key-file k \
             --tls-ca-cert-file a",
            "can be reached by others",
        ),
        ("squall-node --health --port 7002", "cannot be used"),
        ("squall-node --force-new-cluster --local", "cannot be used"),
        ("squall-node --restore a --backup b", "cannot be used"),
        ("squall-node --config nowhere.toml", "nowhere.toml"),
        ("squall-node --colour", "unexpected argument"),
    ] {
        let message = refusal(line);
        assert!(message.contains(why), "{line}: {message}");
    }
}

/// What is parsed from a file with this text, and these arguments behind it.
fn with_file(text: &str, args: &str) -> Result<Job, String> {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("node.toml");
    std::fs::write(&file, text).expect("the directory is there");
    let line = format!("squall-node --config {} {args}", file.display());
    parsed(&line).map_err(|e| e.to_string())
}

#[test]
fn a_file_has_options_by_their_names_and_the_command_line_counts_more() {
    let text = r#"
        id = 2
        cluster = ["1=a:7001", "2=b:7002"]
        heartbeat = "50ms"
        max-memory = "512mb"
        cache-entries = 5000
        user = ["app on >word ~app:* +@all -@admin", "ops on >other allkeys +@all"]
        insecure = true
        stop-on-eof = false
    "#;
    let Ok(Job::Node { options, .. }) = with_file(text, "--heartbeat 60ms --max-clients 7") else {
        panic!("it is one node");
    };
    assert_eq!((options.id, options.address.as_str()), (2, "b:7002"));
    assert_eq!(options.members.len(), 2);
    assert_eq!(options.raft.heartbeat_ms, 60);
    assert_eq!(options.limits.cache_entries, 5_000);
    assert_eq!(options.clients.max_memory, 512 << 20);
    assert_eq!(options.clients.max_clients, 7);
    assert!(!options.clients.access.is_open());
}

#[test]
fn what_is_wrong_in_a_file_is_said_with_its_line() {
    for (text, why) in [
        (
            "id = 1\nmax-memry = 5",
            "node.toml:2: `max-memry` is no option: did you mean `max-memory`?",
        ),
        ("max_memory = 5", "did you mean `max-memory`?"),
        ("colour = 5", "node.toml:1: `colour` is no option"),
        ("port = 'x'", "node.toml:1: port: invalid value 'x'"),
        (
            "\n\nheartbeat = 100",
            "node.toml:3: heartbeat: invalid value '100'",
        ),
        (
            "insecure = 'yes'",
            "node.toml:1: insecure: expected true or false",
        ),
        ("port = true", "node.toml:1: port: expected"),
        ("port = [1, 2]", "node.toml:1: port: expected one value"),
        ("[cluster]\na = 1", "node.toml:1: cluster: expected"),
        (
            "backup = 'x'",
            "node.toml:1: `backup` stands on the command line only",
        ),
        ("force-new-cluster = true", "command line only"),
        ("config = 'x'", "command line only"),
        ("help = true", "`help` is no option"),
        ("id = 1\nid = 2", "node.toml:2: "),
        ("heartbeat = '500ms'", "shorter"),
    ] {
        let error = with_file(text, "").expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
    // What the file and the command line say together must fit.
    let error = with_file("cluster = ['1=127.0.0.1:7001']", "--join").expect_err("both");
    assert!(error.contains("cannot be used"), "{error}");
}

#[test]
fn a_recovery_takes_the_options_that_the_node_has_anyway() {
    for (line, expected) in [
        (
            "squall-node --id 2 --cluster 1=a:7001,2=b:7002 --force-new-cluster",
            "b:7002",
        ),
        (
            "squall-node --id 2 --port 7009 --join --restore x",
            "127.0.0.1:7009",
        ),
    ] {
        match parsed(line).expect(line) {
            Job::Recover {
                options, directory, ..
            } => {
                assert_eq!(options.address, expected);
                assert_eq!(directory, PathBuf::from("squall-data/node-2"));
            }
            job => panic!("{line} recovers, but got {job:?}"),
        }
    }
}
