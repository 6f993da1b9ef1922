//! The streams that clients use: a bucket of keys and values, and one of queues. They are made
//! before anybody asks for anything, with a replica on every node, of which NATS takes five.

use std::time::Duration;

use serde_json::{Value, json};
use squall_world::{RealWorld, World};

use super::requests::Requests;
use crate::offer::{Reads, Services};
use crate::outcome::Trouble;

/// The stream of the bucket `squall`, named as every client of NATS names it.
pub(super) const BUCKET: &str = "KV_squall";
/// The stream of all queues.
pub(super) const QUEUES: &str = "squall_queues";
/// Begin the subjects of keys, and of queues.
const KEY_PREFIX: &str = "$KV.squall.";
const QUEUE_PREFIX: &str = "squall.queue.";
/// Most replicas of a stream.
const MOST_REPLICAS: usize = 5;
/// One try to make a stream: a group of servers that has only just come up elects leaders first.
const TRY_LIMIT: Duration = Duration::from_secs(5);
/// Until the cluster must have made its streams.
const LIMIT: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_millis(200);

/// The subject of a register's values.
pub(super) fn key_subject(key: &str) -> String {
    format!("{KEY_PREFIX}{}", token(key))
}

/// The subject of a queue's messages.
pub(super) fn queue_subject(queue: &str) -> String {
    format!("{QUEUE_PREFIX}{}", token(queue))
}

/// A name as one word of a subject, or as that of a consumer: other characters are written by
/// their numbers.
pub(super) fn token(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let written = name.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("={byte:02X}"),
    });
    written.collect()
}

/// The stream whose leader is called that of the cluster: that of the registers, if there are
/// any.
pub(super) fn leading(services: &Services) -> &'static str {
    match services.cache {
        Some(_) => BUCKET,
        None => QUEUES,
    }
}

/// Makes the streams.
pub(crate) async fn prepare(addresses: Vec<String>, services: &Services) -> Result<(), String> {
    let replicas = addresses.len().min(MOST_REPLICAS);
    let mut streams = Vec::new();
    if let Some(cache) = &services.cache {
        streams.push(bucket(replicas, cache.reads));
    }
    if services.queue.is_some() {
        streams.push(queues(replicas));
    }
    let mut requests = Requests::new(addresses, 0);
    for stream in streams {
        make(&mut requests, &stream).await?;
    }
    Ok(())
}

/// Asks until it is there: who makes the same stream again is answered as well.
async fn make(requests: &mut Requests, stream: &Value) -> Result<(), String> {
    let name = stream["name"].as_str().expect("every stream has a name");
    let subject = format!("$JS.API.STREAM.CREATE.{name}");
    let limit = RealWorld::now() + LIMIT;
    loop {
        let deadline = limit.min(RealWorld::now() + TRY_LIMIT);
        let why = match requests.question(&subject, stream, deadline).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(refusal)) => refusal.of_question(),
            Err(trouble) => trouble,
        };
        if RealWorld::now() + REST >= limit {
            let (Trouble::Failed(why) | Trouble::Unknown(why)) = why;
            return Err(format!("the stream {name} cannot be made: {why}"));
        }
        RealWorld::sleep(REST).await;
    }
}

/// A bucket, as clients of NATS make it (ADR-8), with the latest value of each key.
fn bucket(replicas: usize, reads: Reads) -> Value {
    json!({
        "name": BUCKET,
        "subjects": [format!("{KEY_PREFIX}>")],
        "retention": "limits",
        "storage": "file",
        "num_replicas": replicas,
        "max_msgs_per_subject": 1,
        "discard": "new",
        "allow_rollup_hdrs": true,
        "deny_delete": true,
        "allow_direct": reads == Reads::Any,
    })
}

/// Messages stay until they are acknowledged.
fn queues(replicas: usize) -> Value {
    json!({
        "name": QUEUES,
        "subjects": [format!("{QUEUE_PREFIX}*")],
        "retention": "workqueue",
        "storage": "file",
        "num_replicas": replicas,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_and_no_wildcard() {
        assert_eq!(token("cache-1_a"), "cache-1_a");
        assert_eq!(token("a.b *>"), "a=2Eb=20=2A=3E");
        assert_ne!(token("a.b"), token("a=2Eb"));
    }
}
