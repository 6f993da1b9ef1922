//! Nodes with certificates: which peers they talk to, and which they refuse.

use std::io;
use std::time::Duration;

use squall_cluster::client::{CallError, Credentials, operate_as};
use squall_cluster::node::{ClientOptions, NodeOptions};
use squall_cluster::raft::node_name;
use squall_cluster::state::command::{CacheCommand, Command, SetCondition};
use squall_cluster::world::tls::{AuthClients, Connector, TlsFiles, TlsOptions};
use squall_cluster::world::{RealStream, World, timeout_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::certificates::{Authority, shown, trusting};
use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, free_address, options, run, soon};
use crate::peer_port::hello_from;

const HOST: &[&str] = &["127.0.0.1"];

fn for_clients(files: TlsFiles, auth_clients: AuthClients) -> TlsOptions {
    TlsOptions {
        files,
        for_clients: true,
        auth_clients,
        for_peers: false,
    }
}

pub fn for_peers(files: TlsFiles) -> TlsOptions {
    TlsOptions {
        files,
        for_peers: true,
        ..TlsOptions::default()
    }
}

async fn one(tls: TlsOptions) -> Cluster {
    let with = |options| NodeOptions {
        tls: Some(tls.clone()),
        ..options
    };
    let cluster = Cluster::start_as(1, 1, with).await;
    cluster.leader().await;
    cluster
}

/// A connection on which everything is encrypted.
async fn secured(address: &str, files: &TlsFiles) -> io::Result<RealStream> {
    let connector = Connector::load(files).expect("the files are good");
    let stream = MemoryWorld::connect(address).await?;
    MemoryWorld::secure(stream, &connector.to(address)?).await
}

async fn wire(address: &str, files: &TlsFiles) -> Wire {
    let stream = secured(address, files).await;
    Wire::over(stream.expect("the node does its part"))
}

/// What a client hears that says `PING`, or why it hears nothing.
async fn ping(address: &str, files: &TlsFiles) -> io::Result<String> {
    let exchange = async {
        let mut stream = secured(address, files).await?;
        stream.write_all(b"PING\r\n").await?;
        stream.flush().await?;
        let mut answer = [0; 16];
        let read = stream.read(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
    };
    let answered = timeout_at::<MemoryWorld, _>(soon(), exchange).await;
    answered.expect("the node answers or hangs up")
}

async fn must_not_serve(address: &str, files: &TlsFiles, who: &str) {
    let heard = ping(address, files).await;
    assert!(heard.is_err(), "{who} heard {heard:?}");
}

async fn must_serve(address: &str, files: &TlsFiles) {
    assert_eq!(
        ping(address, files).await.ok().as_deref(),
        Some("+PONG\r\n")
    );
}

#[test]
fn clients_with_certificates_are_served_and_no_others() {
    run(async {
        let (authority, foreign) = (Authority::new(), Authority::new());
        let cluster = one(for_clients(authority.sign(HOST), AuthClients::Yes)).await;
        let address = &cluster.addresses[0];
        let app = authority.sign_client(&["app"]);
        must_serve(address, &app).await;
        must_not_serve(
            address,
            &authority.trusted(),
            "a client without certificate",
        )
        .await;
        let stranger = trusting(&foreign.sign_client(&["app"]), &authority);
        must_not_serve(address, &stranger, "a client of a foreign authority").await;
        must_not_serve(address, &trusting(&app, &foreign), "who trusts others").await;
        // Who speaks plain text hears that it is none of TLS, and no more.
        let mut plain = Wire::connect(address).await;
        plain.send(&["PING", "SET k v", "SHUTDOWN"]).await;
        let heard = plain.rest_or_reset().await;
        assert!(heard.is_empty() || heard[0] == ALERT, "{heard:?}");
        assert!(heard.len() <= 7, "{heard:?}");

        let mut wire = wire(address, &app).await;
        wire.send(&["GET k", "CONFIG GET tls-port", "CONFIG GET port"])
            .await;
        let port = address.rsplit_once(':').expect("host:port").1;
        let tls_port = format!("$-1,*2,$8,tls-port,${},{port}", port.len());
        wire.expect(&tls_port).await;
        wire.expect("*2,$4,port,$1,0").await;
    });
}

/// The kind of a record of TLS that says what is wrong.
const ALERT: u8 = 21;

#[test]
fn a_certificate_names_the_host_under_which_a_client_connects() {
    run(async {
        let authority = Authority::new();
        let elsewhere = authority.sign(&["elsewhere", "10.1.2.3"]);
        let cluster = one(for_clients(elsewhere, AuthClients::No)).await;
        let address = &cluster.addresses[0];
        must_not_serve(address, &authority.trusted(), "who looks at names").await;
    });
}

#[test]
fn certificates_of_clients_are_asked_for_or_not_as_redis_does() {
    run(async {
        let (authority, foreign) = (Authority::new(), Authority::new());
        let app = authority.sign_client(&["app"]);
        let stranger = trusting(&foreign.sign_client(&["app"]), &authority);
        for (auth, serves_strangers) in [(AuthClients::Optional, false), (AuthClients::No, true)] {
            let cluster = one(for_clients(authority.sign(HOST), auth)).await;
            let address = &cluster.addresses[0];
            must_serve(address, &authority.trusted()).await;
            must_serve(address, &app).await;
            match serves_strangers {
                true => must_serve(address, &stranger).await,
                false => must_not_serve(address, &stranger, "a stranger").await,
            }
        }
    });
}

#[test]
fn squalls_own_client_speaks_tls_and_large_values_pass() {
    run(async {
        let authority = Authority::new();
        let cluster = one(for_clients(authority.sign(HOST), AuthClients::Yes)).await;
        let app = authority.sign_client(&["app"]);
        let connector = Connector::load(&app).expect("the files are good");
        let mut client = cluster.client(0).with_tls(connector.clone());
        let set = CacheCommand::Set {
            key: "large".into(),
            value: vec![b'x'; 6 << 20].into(),
            ttl_ms: None,
            keep_ttl: false,
            condition: SetCondition::Always,
        };
        let set = Command::Cache(set);
        let reply = client.write(None, &set, 0, soon()).await;
        assert!(reply.is_ok(), "{reply:?}");
        let credentials = Credentials {
            tls: Some(connector),
            ..Credentials::default()
        };
        let ask = ["STRLEN", "large"];
        let answer =
            operate_as::<MemoryWorld>(&cluster.addresses[0], &credentials, &ask, soon()).await;
        assert_eq!(answer, Ok(vec![(6 << 20).to_string()]));
        // More than a socket takes at once, and nothing behind it that would push it on.
        let mut wire = wire(&cluster.addresses[0], &app).await;
        wire.send(&["GET large"]).await;
        wire.expect("$6291456").await;
        wire.skip((6 << 20) + 2).await;
        // Without TLS, the client finds nobody to talk to.
        let mut plain = cluster.client(0);
        let deadline = MemoryWorld::now() + Duration::from_secs(2);
        let reply = plain.write(None, &set, 0, deadline).await;
        assert!(
            matches!(
                reply,
                Err(CallError::Indefinite(_) | CallError::Definite(_))
            ),
            "{reply:?}"
        );
    });
}

#[test]
fn half_a_handshake_takes_a_place_only_until_somebody_else_wants_it() {
    run(async {
        let authority = Authority::new();
        let cluster = Cluster::start_as(1, 1, |options| NodeOptions {
            clients: ClientOptions {
                max_clients: 2,
                ..ClientOptions::default()
            },
            tls: Some(TlsOptions {
                for_peers: true,
                ..for_clients(authority.sign(HOST), AuthClients::No)
            }),
            ..options
        });
        let cluster = cluster.await;
        let address = &cluster.addresses[0];
        let peers = squall_cluster::raft::peer_address(address).expect("it has a port");
        let begun = MemoryWorld::now();
        // The beginning of a first message of 512 bytes; nothing; and on the port for nodes.
        let mut half = Wire::connect(address).await;
        half.send_bytes(&[22, 3, 1, 2, 0, 1]).await;
        let silent = Wire::connect(address).await;
        let mut peer = Wire::connect(&peers).await;
        peer.send_bytes(&[22, 3, 1, 2, 0, 1]).await;
        // One more than has a place: the oldest has had its time.
        must_serve(address, &authority.trusted()).await;
        assert_eq!(half.rest_or_reset().await, b"");
        let waited = MemoryWorld::now() - begun;
        assert!(waited < Duration::from_secs(9), "{waited:?}");
        let first = wire(address, &authority.trusted()).await;
        let second = wire(address, &authority.trusted()).await;
        must_not_serve(address, &authority.trusted(), "a client above the limit").await;
        assert_eq!(silent.rest_or_reset().await, b"");
        drop((first, second));
        assert_eq!(peer.rest_or_reset().await, b"");
        let waited = MemoryWorld::now() - begun;
        assert!(waited >= Duration::from_secs(9), "{waited:?}");
        must_serve(address, &authority.trusted()).await;
    });
}

#[test]
fn a_node_takes_new_certificates_while_it_runs_and_keeps_the_old_if_they_are_none() {
    run(async {
        let (old, new) = (Authority::new(), Authority::new());
        let cluster = one(for_clients(old.sign(HOST), AuthClients::Yes)).await;
        let address = &cluster.addresses[0];
        let (old_app, new_app) = (old.sign_client(&["app"]), new.sign_client(&["app"]));
        let mut wire = wire(address, &old_app).await;
        let files = new.sign(HOST);
        let set = |name: &str, path: &str| format!("CONFIG SET {name} {path}");
        // A key that is not that of the certificate, and files that are not there.
        let key = set("tls-key-file", shown(&files.key));
        wire.send(&[&key, &set("tls-ca-cert-file", "/nowhere")])
            .await;
        for _ in 0..2 {
            let error = wire.line().await;
            assert!(error.starts_with("-ERR CONFIG SET failed"), "{error}");
        }
        must_serve(address, &old_app).await;
        let all = format!(
            "CONFIG SET tls-cert-file {} tls-key-file {} tls-ca-cert-file {}",
            shown(&files.certificate),
            shown(&files.key),
            shown(&files.authorities)
        );
        wire.send(&[&all, "PING"]).await;
        wire.expect("+OK,+PONG").await;
        must_not_serve(address, &old_app, "who trusts the old one").await;
        must_serve(address, &new_app).await;
    });
}

#[test]
fn a_node_does_not_start_without_what_it_needs() {
    run(async {
        let authority = Authority::new();
        let good = authority.sign(HOST);
        let other_key = TlsFiles {
            key: authority.sign(HOST).key,
            ..good.clone()
        };
        let no_key = TlsFiles {
            key: good.certificate.clone(),
            ..good.clone()
        };
        let no_authority = TlsFiles {
            authorities: good.key.clone(),
            ..good
        };
        for (files, why) in [
            (other_key, "TLS: "),
            (no_key, "--tls-key-file"),
            (no_authority, "--tls-ca-cert-file"),
        ] {
            let options = NodeOptions {
                tls: Some(for_clients(files, AuthClients::Yes)),
                ..options(1, &free_address(), &Default::default())
            };
            let disk = squall_cluster::storage::MemoryDisk::new();
            let started = squall_cluster::node::Node::<MemoryWorld>::start(options, disk).await;
            let error = started.err().expect("it cannot").to_string();
            assert!(error.starts_with(why), "{error}");
        }
    });
}

/// What the leader says in the end when it is asked to add a node.
async fn add(cluster: &Cluster, id: u64, address: &str) -> String {
    let deadline = soon();
    loop {
        let leader = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[leader]).await;
        wire.send(&[&format!("RAFT.ADD {id} {address}")]).await;
        let answer = wire.line().await;
        // It need not lead any more, or have heard from a majority just now.
        let passes = ["-MOVED", "-CLUSTERDOWN", "-TRYAGAIN only"];
        if !passes.iter().any(|pass| answer.starts_with(pass)) {
            return answer;
        }
        assert!(MemoryWorld::now() < deadline, "{answer}");
        MemoryWorld::sleep(Duration::from_millis(50)).await;
    }
}

/// Three nodes that encrypt what they say to each other: by host, by name, and by both.
async fn three(authority: &Authority) -> Cluster {
    let cluster = Cluster::start_as(3, 3, |options| {
        let names: &[&str] = match options.id {
            1 => HOST,
            2 => &["node-2"],
            _ => &["node-3", "127.0.0.1"],
        };
        NodeOptions {
            tls: Some(for_peers(authority.sign(names))),
            ..options
        }
    });
    cluster.await
}

#[test]
fn nodes_with_certificates_elect_fail_over_and_take_others_in() {
    run(async {
        let authority = Authority::new();
        let mut cluster = three(&authority).await;
        let first = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[first]).await;
        wire.send(&["SET k before"]).await;
        wire.expect("+OK").await;
        cluster.nodes[first].stop("the test asks for it").await;
        let second = cluster.leader().await;
        assert_ne!(first, second);
        let mut wire = Wire::connect(&cluster.addresses[second]).await;
        wire.send(&["GET k", "SET k after"]).await;
        wire.expect("$6,before,+OK").await;

        let address = free_address();
        let newcomer = NodeOptions {
            tls: Some(for_peers(authority.sign(&["node-4"]))),
            ..options(4, &address, &Default::default())
        };
        let disk = squall_cluster::storage::MemoryDisk::new();
        let started = squall_cluster::node::Node::<MemoryWorld>::start(newcomer, disk).await;
        cluster.nodes.push(started.expect("the port is free"));
        assert_eq!(add(&cluster, 4, &address).await, "+node-4 added");
    });
}

#[test]
fn a_node_with_a_foreign_certificate_or_that_of_another_does_not_come_in() {
    run(async {
        let (authority, foreign) = (Authority::new(), Authority::new());
        let cluster = three(&authority).await;
        let foreign_files = trusting(&foreign.sign(&["node-4", "127.0.0.1"]), &authority);
        for (id, files) in [
            (4, foreign_files),
            // Of the right authority, and of another node.
            (5, authority.sign(&["node-3", "10.0.0.1"])),
        ] {
            let address = free_address();
            let newcomer = NodeOptions {
                tls: Some(for_peers(files)),
                ..options(id, &address, &Default::default())
            };
            let disk = squall_cluster::storage::MemoryDisk::new();
            let started = squall_cluster::node::Node::<MemoryWorld>::start(newcomer, disk).await;
            let newcomer = started.expect("the port is free");
            let answer = add(&cluster, id, &address).await;
            assert!(answer.contains("does not answer"), "{answer}");
            for node in &cluster.nodes {
                let voters = node.membership().voters;
                assert_eq!(voters.len(), 3, "{} has a vote", node_name(id));
            }
            assert_eq!(newcomer.applied_index(), 0, "{}", node_name(id));
            newcomer.stop("the test is done with it").await;
        }
    });
}

/// What a node says on its port for nodes to one who greets as node 99 with these files.
async fn greeted_as_99(address: &str, files: &TlsFiles) -> String {
    let peers = squall_cluster::raft::peer_address(address).expect("it has a port");
    let exchange = async {
        let mut stream = secured(&peers, files).await?;
        stream.write_all(&hello_from(99, 1)).await?;
        stream.flush().await?;
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).await?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&answer[..read]).into_owned())
    };
    let answered = timeout_at::<MemoryWorld, _>(soon(), exchange).await;
    let answered = answered.expect("the node answers");
    answered.expect("the authority is the right one")
}

#[test]
fn a_server_of_the_same_authority_is_no_node_that_a_member_does_not_know() {
    run(async {
        let authority = Authority::new();
        let cluster = one(for_peers(authority.sign(HOST))).await;
        let address = &cluster.addresses[0];
        let why = "the certificate is not that of node-99";
        let web = authority.sign(&["web.example"]);
        let heard = greeted_as_99(address, &web).await;
        assert!(heard.contains(why), "{heard}");
        let named = authority.sign(&["node-99"]);
        let heard = greeted_as_99(address, &named).await;
        assert!(!heard.is_empty() && !heard.contains(why), "{heard}");

        // Who waits to be added knows nobody yet.
        let address = free_address();
        let waiting = NodeOptions {
            tls: Some(for_peers(authority.sign(HOST))),
            ..options(1, &address, &Default::default())
        };
        let disk = squall_cluster::storage::MemoryDisk::new();
        let started = squall_cluster::node::Node::<MemoryWorld>::start(waiting, disk).await;
        let waiting = started.expect("the port is free");
        let heard = greeted_as_99(&address, &web).await;
        assert!(!heard.is_empty() && !heard.contains(why), "{heard}");
        waiting.stop("the test is done with it").await;
    });
}

#[test]
fn certificates_are_asked_for_as_long_as_nothing_else_is() {
    run(async {
        let authority = Authority::new();
        let app = authority.sign_client(&["app"]);
        for (password, is_refused) in [(None, true), (Some("word"), false)] {
            let access = squall_cluster::node::Access::new(password, &[]);
            let cluster = Cluster::start_as(1, 1, |options| NodeOptions {
                clients: ClientOptions {
                    access: access.clone().expect("there are no rules"),
                    ..ClientOptions::default()
                },
                tls: Some(for_clients(authority.sign(HOST), AuthClients::Yes)),
                ..options
            });
            let cluster = cluster.await;
            let mut wire = wire(&cluster.addresses[0], &app).await;
            if password.is_some() {
                wire.send(&["AUTH word"]).await;
                wire.expect("+OK").await;
            }
            for how in ["no", "optional", "yes"] {
                wire.send(&[&format!("CONFIG SET tls-auth-clients {how}")])
                    .await;
                let answer = wire.line().await;
                let expected = is_refused && how != "yes";
                assert_eq!(answer.starts_with("-ERR "), expected, "{how}: {answer}");
            }
        }
    });
}

#[test]
fn a_file_that_is_none_or_too_large_is_refused_at_once() {
    run(async {
        let authority = Authority::new();
        let cluster = one(for_clients(authority.sign(HOST), AuthClients::No)).await;
        let address = &cluster.addresses[0];
        let mut wire = wire(address, &authority.trusted()).await;
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let large = directory.path().join("large.crt");
        std::fs::write(&large, vec![b'x'; (1 << 20) + 1]).expect("the directory is there");
        for (path, why) in [
            ("/dev/zero", "it is not a regular file"),
            (shown(&Some(large)), "it has more than 1 MiB"),
        ] {
            for name in ["tls-cert-file", "tls-key-file"] {
                wire.send(&[&format!("CONFIG SET {name} {path}")]).await;
                let answer = wire.line().await;
                assert!(answer.ends_with(why), "{name} {path}: {answer}");
            }
        }
    });
}
