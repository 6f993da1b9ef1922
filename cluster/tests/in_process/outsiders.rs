//! Both ports of a node from outside, a byte at a time: without the password, and without the
//! certificate. Nothing but an error comes back, and nothing changes.

use std::io;

use squall_cluster::node::{Access, ClientOptions, NodeOptions};
use squall_cluster::protocol::{COMMANDS, Flags, encode_call};
use squall_cluster::raft::peer_address;
use squall_cluster::world::tls::{Connector, TlsFiles};
use squall_cluster::world::{RealStream, World, timeout_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::certificates::{Authority, trusting};
use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, run, soon};
use crate::peer_port::{frame, hello, messages};
use crate::tls::for_peers;

/// Sends the bytes one by one and nothing more; what comes back until the node hangs up.
async fn say(mut stream: RealStream, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let both = async {
        // A node that hangs up earlier has heard enough.
        let _ = send(&mut stream, bytes).await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    let done = timeout_at::<MemoryWorld, _>(soon(), both).await;
    done.expect("the node answers or hangs up");
    answer
}

async fn send(stream: &mut RealStream, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        stream.flush().await?;
    }
    stream.shutdown().await
}

#[test]
fn no_command_does_anything_for_who_has_no_password() {
    run(async {
        let access = Access::new(Some("secret"), &[]).expect("the rules are rules");
        let clients = ClientOptions {
            access,
            ..ClientOptions::default()
        };
        let cluster = Cluster::start_with(1, clients).await;
        let address = &cluster.addresses[0];
        let mut inside = Wire::connect(address).await;
        inside
            .send(&["AUTH secret", "SET kept yes", "RPUSH list a"])
            .await;
        inside.expect("+OK,+OK,:1").await;
        // Lists have raised the level of the rules: let that settle.
        inside.send(&["DBSIZE"]).await;
        inside.expect(":2").await;
        let before = cluster.nodes[0].applied_index();
        for spec in COMMANDS {
            // As many words as it wants at least, and one more, which is good for most.
            let least = usize::try_from(spec.arity.abs()).expect("it is small");
            for count in [least, least + 1] {
                let mut words = vec![spec.name.as_bytes()];
                words.resize(count.max(1), b"1");
                let mut bytes = bytes::BytesMut::new();
                encode_call(&mut bytes, &words);
                let stream = MemoryWorld::connect(address).await;
                let heard = say(stream.expect("the node listens"), &bytes).await;
                let heard = String::from_utf8_lossy(&heard).into_owned();
                let fits = match spec.flags.has(Flags::NO_AUTH) {
                    // They say who one is, or that one goes.
                    true => !heard.contains("yes") && heard.lines().count() <= 1,
                    false => heard == "-NOAUTH Authentication required.\r\n",
                };
                assert!(fits, "{} of {count}: {heard}", spec.name);
            }
        }
        assert_eq!(cluster.nodes[0].applied_index(), before);
        assert!(!cluster.nodes[0].is_stopping());
        inside.send(&["GET kept", "LRANGE list 0 -1"]).await;
        inside.expect("$3,yes,*1,$1,a").await;
    });
}

/// A connection to the port for nodes as somebody with these files makes it; plain without.
async fn outsider(address: &str, files: Option<&TlsFiles>) -> io::Result<RealStream> {
    let stream = MemoryWorld::connect(address).await?;
    match files {
        None => Ok(stream),
        Some(files) => {
            let connector = Connector::load(files).expect("the files are good");
            MemoryWorld::secure(stream, &connector.to(address)?).await
        }
    }
}

#[test]
fn no_message_of_another_node_gets_in_without_its_certificate() {
    run(async {
        let (authority, foreign) = (Authority::new(), Authority::new());
        let own = authority.sign(&["127.0.0.1", "node-1"]);
        let cluster = Cluster::start_as(1, 1, |options| NodeOptions {
            tls: Some(for_peers(own.clone())),
            ..options
        });
        let cluster = cluster.await;
        let node = &cluster.nodes[cluster.leader().await];
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SET kept yes"]).await;
        wire.expect("+OK").await;
        let peers = peer_address(&cluster.addresses[0]).expect("it has a port");
        let (term, applied) = (node.leading_term(), node.applied_index());
        // It greets as node 2, of which nobody has heard.
        let client = authority.sign_client(&["node-2"]);
        let stranger = trusting(&foreign.sign(&["node-2"]), &authority);
        for (who, files, most) in [
            ("plain text", None, 7),
            ("no certificate", Some(authority.trusted()), 0),
            ("a foreign certificate", Some(stranger), 0),
            // It may speak, and is told that it is no node.
            ("a certificate of a client", Some(client), 200),
        ] {
            for (name, message) in messages() {
                let bytes = [hello(1), frame(&[], &message)].concat();
                let Ok(stream) = outsider(&peers, files.as_ref()).await else {
                    continue;
                };
                let heard = say(stream, &bytes).await;
                let shown = String::from_utf8_lossy(&heard);
                assert!(heard.len() <= most, "{who} heard {shown:?} after {name}");
                let refused = shown.contains("the certificate is not that of node-2");
                assert!(most < 200 || refused, "{who} heard {shown:?}");
                // As a node of an older release, without a greeting.
                let stream = outsider(&peers, files.as_ref()).await;
                let stream = stream.expect("it went well a moment ago");
                let heard = say(stream, &frame(&[], &message)).await;
                assert!(
                    heard.len() <= most.min(7),
                    "{who} heard {heard:?} after {name}"
                );
            }
        }
        assert_eq!(node.leading_term(), term);
        assert_eq!(node.applied_index(), applied);
        wire.send(&["GET kept"]).await;
        wire.expect("$3,yes").await;
    });
}
