//! Registers: keys of a bucket of JetStream's key-value store. The version of a value is its
//! sequence in the bucket's stream, which rises over all keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use squall_history::{Action, Outcome};
use squall_workload::{payload, value_of};
use squall_world::Instant;

use super::requests::{Requests, code, unexpected};
use super::streams::{BUCKET, key_subject};
use super::wire::Headers;
use crate::offer::Reads;
use crate::outcome::Trouble;

/// Compares with the sequence of the key's last entry, 0 if it never had one.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// Marks an entry that is no value: the key was deleted.
const OPERATION: &str = "KV-Operation";
const SEQUENCE: &str = "Nats-Sequence";
/// Of a direct get of what is not there.
const NOT_FOUND: u16 = 404;

/// The last entry of a key.
struct Entry {
    sequence: u64,
    /// `None`: it was deleted.
    value: Option<String>,
}

/// Asks about registers.
pub(super) struct Registers<'a> {
    pub(super) requests: &'a mut Requests,
    pub(super) reads: Reads,
}

impl Registers<'_> {
    pub(super) async fn ask(
        mut self,
        action: &Action,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        match action {
            Action::Get { key, .. } => {
                let entry = match self.reads {
                    Reads::Primary => self.last(key, deadline).await?,
                    Reads::Any => self.last_of_any(key, deadline).await?,
                };
                let of_value = entry.and_then(|entry| Some((entry.value?, entry.sequence)));
                let (value, version) = of_value.unzip();
                Ok(Outcome::Value {
                    value,
                    version: version.unwrap_or(0),
                })
            }
            Action::Set { key, value, bytes } => {
                let (subject, stored) = (key_subject(key), payload(value, *bytes));
                let put = self.requests.publish(&subject, None, &stored, deadline);
                match put.await? {
                    Ok(version) => Ok(Outcome::Stored { version }),
                    Err(refusal) => Err(refusal.of_question()),
                }
            }
            Action::CompareAndSet {
                key,
                version,
                value,
            } => self.compare_and_set(key, *version, value, deadline).await,
            Action::Delete { key } => {
                let (subject, header) = (key_subject(key), Some((OPERATION, "DEL")));
                let put = self.requests.publish(&subject, header, b"", deadline);
                match put.await? {
                    Ok(_) => Ok(Outcome::Stored { version: 0 }),
                    Err(refusal) => Err(refusal.of_question()),
                }
            }
            other => Err(Trouble::Failed(format!("no register is asked {other:?}"))),
        }
    }

    /// `Update` of a key-value store, or `Create` for version 0. A deleted key is there with a
    /// sequence, which is what is compared with then.
    async fn compare_and_set(
        &mut self,
        key: &str,
        version: u64,
        value: &str,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let (subject, stored) = (key_subject(key), payload(value, 0));
        let mut expected = version;
        loop {
            let sequence = expected.to_string();
            let header = Some((EXPECTED, sequence.as_str()));
            let put = self.requests.publish(&subject, header, &stored, deadline);
            if let Ok(version) = put.await? {
                return Ok(Outcome::Stored { version });
            }
            if version > 0 {
                return Ok(Outcome::Mismatch);
            }
            // Nothing was written so far, so that a read without an answer is a failure.
            match self.last(key, deadline).await.map_err(certain)? {
                Some(Entry {
                    sequence,
                    value: None,
                }) if sequence > expected => expected = sequence,
                _ => return Ok(Outcome::Mismatch),
            }
        }
    }

    /// The last entry, of the stream's leader.
    async fn last(&mut self, key: &str, deadline: Instant) -> Result<Option<Entry>, Trouble> {
        let subject = format!("$JS.API.STREAM.MSG.GET.{BUCKET}");
        let question = json!({ "last_by_subj": key_subject(key) });
        let answer = self.requests.question(&subject, &question, deadline);
        let answer = match answer.await? {
            Ok(answer) => answer,
            Err(refusal) if refusal.code == code::NO_MESSAGE_FOUND => return Ok(None),
            Err(refusal) => return Err(refusal.of_question()),
        };
        let message = &answer["message"];
        let sequence = message["seq"].as_u64();
        let sequence = sequence.ok_or_else(|| unexpected(&answer))?;
        let headers = Headers::read(&bytes(&message["hdrs"])).unwrap_or_default();
        let value = bytes(&message["data"]);
        Ok(Some(entry(sequence, &headers, &value)))
    }

    /// The last entry that some replica has.
    async fn last_of_any(
        &mut self,
        key: &str,
        deadline: Instant,
    ) -> Result<Option<Entry>, Trouble> {
        let subject = format!("$JS.API.DIRECT.GET.{BUCKET}");
        let question = json!({ "last_by_subj": key_subject(key) }).to_string();
        let asked = self
            .requests
            .ask(&subject, None, question.as_bytes(), deadline);
        let answer = asked.await?;
        let headers = &answer.headers;
        if headers.status == Some(NOT_FOUND) {
            return Ok(None);
        }
        let sequence = headers
            .get(SEQUENCE)
            .and_then(|sequence| sequence.parse().ok());
        let sequence = sequence
            .ok_or_else(|| Trouble::Failed(format!("no sequence: {}", headers.description)))?;
        Ok(Some(entry(sequence, headers, &answer.payload)))
    }
}

fn entry(sequence: u64, headers: &Headers, value: &[u8]) -> Entry {
    let is_deleted = headers.get(OPERATION).is_some();
    Entry {
        sequence,
        value: (!is_deleted).then(|| value_of(value)),
    }
}

/// JetStream leaves out what is empty.
fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    STANDARD.decode(text).unwrap_or_default()
}

fn certain(trouble: Trouble) -> Trouble {
    let (Trouble::Failed(why) | Trouble::Unknown(why)) = trouble;
    Trouble::Failed(why)
}
