//! Finds the node that executes a command, and has it executed there.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use squall_world::{Instant, RealWorld, World};

use super::Setup;
use super::connection::{Connection, Frame, list, text};
use crate::offer::Reads;
use crate::outcome::Trouble;

/// Rest before a node is asked again.
const REST: Duration = Duration::from_millis(20);
/// A node that is asked who is the master has no longer to answer than this.
const LOOK: Duration = Duration::from_millis(250);
/// Redirections in a row.
const MOST_MOVES: u32 = 5;
/// Most keys whose node is remembered.
const MOST_PLACES: usize = 10_000;

/// How the node that takes writes is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topology {
    /// Whoever says that it is the master.
    Single,
    /// Sentinels, at these addresses, say who is.
    Sentinel {
        addresses: Vec<String>,
        master: String,
    },
    /// Nodes redirect to who has the key.
    Cluster,
}

/// Commands of one client.
pub(super) struct Commander {
    setup: Rc<Setup>,
    /// Which client it is.
    number: usize,
    connections: BTreeMap<String, Connection>,
    /// Where commands without a better place go; in a cluster, any node.
    favourite: Option<String>,
    /// Of a cluster: where keys are.
    places: BTreeMap<String, String>,
    /// Which node, or Sentinel, is asked next.
    turn: usize,
}

impl Commander {
    pub(super) fn new(setup: Rc<Setup>, number: usize) -> Self {
        Self {
            setup,
            number,
            connections: BTreeMap::new(),
            favourite: None,
            places: BTreeMap::new(),
            turn: number,
        }
    }

    /// Has a command executed by the node that has `key`.
    pub(super) async fn command(
        &mut self,
        key: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Frame, Trouble> {
        let mut moves = 0;
        loop {
            let why = match self.attempt(key, arguments, deadline).await? {
                Attempt::Done(frame) => return Ok(frame),
                Attempt::Moved if moves < MOST_MOVES => {
                    moves += 1;
                    continue;
                }
                Attempt::Moved => "one node sends to the other".to_owned(),
                Attempt::Refused(why) => why,
            };
            moves = 0;
            if RealWorld::now() + REST >= deadline {
                return Err(Trouble::Failed(why));
            }
            RealWorld::sleep(REST).await;
        }
    }

    async fn attempt(
        &mut self,
        key: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Attempt, Trouble> {
        let address = match self.locate(key, deadline).await {
            Ok(address) => address,
            Err(why) => return Ok(Attempt::Refused(why)),
        };
        let error = match self.at(&address, arguments, deadline).await? {
            Ok(Frame::Error(error)) => error,
            Ok(frame) => return Ok(Attempt::Done(frame)),
            Err(why) => {
                self.forget(key, &address);
                return Ok(Attempt::Refused(why));
            }
        };
        Ok(match self.redirect(key, &error) {
            Redirect::Moved => Attempt::Moved,
            Redirect::Ask(address) => match self.at_asking(&address, arguments, deadline).await? {
                Ok(frame) => Attempt::Done(frame),
                Err(why) => Attempt::Refused(why),
            },
            Redirect::Elsewhere => {
                self.forget(key, &address);
                Attempt::Refused(error)
            }
            Redirect::None => return Err(Trouble::Failed(error)),
        })
    }

    /// Reads where reads go, by the system's file.
    pub(super) async fn read(
        &mut self,
        key: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Frame, Trouble> {
        if self.setup.reads == Reads::Primary || self.setup.topology == Topology::Cluster {
            return self.command(key, arguments, deadline).await;
        }
        let address = self.setup.addresses[self.number % self.setup.addresses.len()].clone();
        match self.at(&address, arguments, deadline).await? {
            Ok(Frame::Error(error)) => Err(Trouble::Failed(error)),
            Ok(frame) => Ok(frame),
            Err(why) => Err(Trouble::Failed(why)),
        }
    }

    /// What a node answers; the inner error if it was certainly not asked.
    async fn at(
        &mut self,
        address: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Result<Frame, String>, Trouble> {
        let mut connection = match self.connections.remove(address) {
            Some(connection) => connection,
            None => match Connection::open(address, deadline).await {
                Ok(connection) => connection,
                Err(Trouble::Failed(why) | Trouble::Unknown(why)) => return Ok(Err(why)),
            },
        };
        match connection.call(arguments, deadline).await {
            Ok(frame) => {
                self.connections.insert(address.to_owned(), connection);
                Ok(Ok(frame))
            }
            // What comes after it must not go there before somebody has looked.
            Err(trouble) => {
                self.favourite = None;
                self.places.retain(|_, place| place != address);
                Err(trouble)
            }
        }
    }

    /// Once, at a node that is taking the key over.
    async fn at_asking(
        &mut self,
        address: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Result<Frame, String>, Trouble> {
        if let Err(why) = self.at(address, &[b"ASKING"], deadline).await? {
            return Ok(Err(why));
        }
        match self.at(address, arguments, deadline).await? {
            Ok(Frame::Error(error)) => Ok(Err(error)),
            other => Ok(other),
        }
    }

    fn forget(&mut self, key: &str, address: &str) {
        self.places.remove(key);
        self.connections.remove(address);
        self.favourite = None;
    }

    fn redirect(&mut self, key: &str, error: &str) -> Redirect {
        let mut words = error.split(' ');
        let kind = words.next().unwrap_or_default();
        match (kind, words.nth(1)) {
            ("MOVED", Some(address)) => {
                if self.places.len() >= MOST_PLACES {
                    self.places.clear();
                }
                self.places.insert(key.to_owned(), address.to_owned());
                Redirect::Moved
            }
            ("ASK", Some(address)) => Redirect::Ask(address.to_owned()),
            _ if ELSEWHERE.contains(&kind) => Redirect::Elsewhere,
            _ => Redirect::None,
        }
    }

    /// Where the command goes; or why nobody knows.
    async fn locate(&mut self, key: &str, deadline: Instant) -> Result<String, String> {
        if let Some(place) = self.places.get(key).or(self.favourite.as_ref()) {
            return Ok(place.clone());
        }
        let setup = self.setup.clone();
        let look = deadline.min(RealWorld::now() + LOOK);
        self.turn += 1;
        let address = match &setup.topology {
            Topology::Cluster => setup.addresses[self.turn % setup.addresses.len()].clone(),
            Topology::Single => {
                let address = setup.addresses[self.turn % setup.addresses.len()].clone();
                self.must_be_master(&address, look).await?;
                address
            }
            Topology::Sentinel { addresses, master } => {
                let sentinel = &addresses[self.turn % addresses.len()];
                let address = self.ask_sentinel(sentinel, master, look).await?;
                let look = deadline.min(RealWorld::now() + LOOK);
                self.must_be_master(&address, look).await?;
                address
            }
        };
        self.favourite = Some(address.clone());
        Ok(address)
    }

    /// A Sentinel may not know yet that the master has changed, so the node itself is asked.
    async fn must_be_master(&mut self, address: &str, deadline: Instant) -> Result<(), String> {
        let role = self.look(address, &[b"ROLE"], deadline).await?;
        match list(role).first().and_then(text) {
            Some(role) if role == "master" => Ok(()),
            role => Err(format!(
                "{address} is no master: {}",
                role.unwrap_or_default()
            )),
        }
    }

    async fn ask_sentinel(
        &mut self,
        sentinel: &str,
        master: &str,
        deadline: Instant,
    ) -> Result<String, String> {
        let question: [&[u8]; 3] = [b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()];
        let answer = list(self.look(sentinel, &question, deadline).await?);
        match answer
            .iter()
            .map(text)
            .collect::<Option<Vec<_>>>()
            .as_deref()
        {
            Some([ip, port]) => Ok(format!("{ip}:{port}")),
            _ => Err(format!("Sentinel {sentinel} knows no master {master}")),
        }
    }

    /// Asks a question that changes nothing.
    async fn look(
        &mut self,
        address: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Frame, String> {
        match self.at(address, arguments, deadline).await {
            Ok(Ok(Frame::Error(why)) | Err(why)) => Err(why),
            Ok(Ok(frame)) => Ok(frame),
            Err(Trouble::Failed(why) | Trouble::Unknown(why)) => Err(format!("{address}: {why}")),
        }
    }
}

/// What became of one try.
enum Attempt {
    Done(Frame),
    /// Another node is known to be the one to ask.
    Moved,
    /// It was certainly not done.
    Refused(String),
}

/// What an error says of where to go.
enum Redirect {
    Moved,
    Ask(String),
    /// Not here, or not now.
    Elsewhere,
    /// It is the answer.
    None,
}

/// Errors of a node that is not, or not yet, or no longer, the one to ask. It has done nothing.
const ELSEWHERE: &[&str] = &[
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "NOREPLICAS",
    "UNBLOCKED",
];
