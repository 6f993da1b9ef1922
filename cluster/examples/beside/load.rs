//! The load: clients on two threads, each of which asks again as soon as it is answered.

use std::fmt;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::cell::{Cell, MOST_CLIENTS, What};
use crate::client::Client;
use crate::servers::System;
use crate::usage;

const THREADS: usize = 2;
const VALUE_BYTES: usize = 256;
/// A client writes these and no others, one after another, so it knows what each must hold.
const KEYS_OF_A_CLIENT: u64 = 64;
/// Of the last writes of each client so many are read when a cell is over.
const SAMPLE: u64 = 8;
/// What is asked is answered long before.
const LIMIT: Duration = Duration::from_secs(30);

fn key(client: usize, number: u64) -> Vec<u8> {
    format!("client-{client:03}-{:02}", number % KEYS_OF_A_CLIENT).into_bytes()
}

/// What the client's write of that number holds: its key, then what no other write has.
fn value(client: usize, stamp: u32, number: u64) -> Vec<u8> {
    let mut value = key(client, number);
    value.extend_from_slice(format!(" {stamp} {number} ").as_bytes());
    value.resize(VALUE_BYTES, b'v');
    value
}

/// A cell on a system.
#[derive(Debug, Clone)]
pub struct Load {
    pub system: System,
    pub address: String,
    pub cell: Cell,
    /// Of all that is written.
    pub stamp: u32,
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What a cell came to.
#[derive(Debug, Default)]
pub struct Measured {
    pub rate: f64,
    /// Of requests, or of whole pipelines.
    pub p50: Duration,
    pub p99: Duration,
    /// Requests in all, with those before and after it was measured.
    requests: u64,
    /// Time of the processor that this program and the system took for them.
    own_s: f64,
    pub server_s: f64,
}

impl Measured {
    /// Microseconds of a core that a request takes the system, and this program.
    pub fn cost_us(&self) -> (f64, f64) {
        let each = |seconds: f64| seconds * 1e6 / self.requests.max(1) as f64;
        (each(self.server_s), each(self.own_s))
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, own) = self.cost_us();
        write!(
            f,
            "{:.0}/s, p50 {:?}, p99 {:?}, {server:.1} µs of it and {own:.1} µs of this program each",
            self.rate, self.p50, self.p99
        )
    }
}

/// What a client has done.
#[derive(Default)]
struct Done {
    /// Requests that were answered while it was measured, and in all.
    counted: u64,
    all: u64,
    micros: Vec<u32>,
}

impl Load {
    /// # Errors
    /// A request failed, or what was acknowledged cannot be read.
    pub async fn play(&self) -> Result<Measured, String> {
        let threads = THREADS.min(self.cell.clients);
        let start = Arc::new(Barrier::new(threads));
        let before = usage::own()?;
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (load, start) = (self.clone(), Arc::clone(&start));
                let clients = (thread..self.cell.clients).step_by(threads).collect();
                std::thread::spawn(move || load.play_on_thread(clients, &start))
            })
            .collect();
        let mut done = Vec::new();
        for thread in running {
            let clients = thread.join().map_err(|_| "a thread of clients panicked")?;
            done.extend(clients?);
        }
        let own_s = (usage::own()? - before).max(0.0);
        if self.cell.what == What::Writes {
            self.verify(&done).await?;
        }
        Ok(self.measured(done.into_iter().map(|(_, done)| done), own_s))
    }

    fn measured(&self, done: impl Iterator<Item = Done>, own_s: f64) -> Measured {
        let (mut counted, mut requests, mut micros) = (0, 0, Vec::new());
        for client in done {
            counted += client.counted;
            requests += client.all;
            micros.extend(client.micros);
        }
        micros.sort_unstable();
        let at = |share: usize| micros.get(micros.len() * share / 100).copied();
        let at = |share| Duration::from_micros(at(share).unwrap_or(0).into());
        Measured {
            rate: counted as f64 / self.measured.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            requests,
            own_s,
            server_s: 0.0,
        }
    }

    /// These clients, on an event loop of their own; what each has done.
    fn play_on_thread(
        &self,
        clients: Vec<usize>,
        start: &Barrier,
    ) -> Result<Vec<(usize, Done)>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // The other thread waits for this one, also if it cannot play.
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(e) => {
                start.wait();
                return Err(e.to_string());
            }
        };
        LocalSet::new().block_on(&runtime, async {
            let opening = clients
                .iter()
                .map(|_| Client::open(self.system, &self.address));
            let opened = try_join_all(opening).await;
            start.wait();
            let begun = Instant::now();
            let tasks = clients.into_iter().zip(opened?).map(|(at, client)| {
                let load = self.clone();
                let task = tokio::task::spawn_local(async move {
                    let done = load.play_client(at, client, begun).await?;
                    Ok((at, done))
                });
                async { task.await.unwrap_or_else(|e| Err(e.to_string())) }
            });
            let all = timeout(self.warm_up + self.measured + LIMIT, join_all(tasks)).await;
            let all = all.map_err(|_| "a request was not answered in time")?;
            all.into_iter().collect()
        })
    }

    async fn play_client(
        &self,
        at: usize,
        mut client: Client,
        begun: Instant,
    ) -> Result<Done, String> {
        let from = begun + self.warm_up;
        let until = from + self.measured;
        let depth = self.cell.depth as u64;
        let mut done = Done::default();
        let mut asked = Instant::now();
        loop {
            match self.cell.what {
                What::Writes => {
                    let numbers = done.all..done.all + depth;
                    let pairs: Vec<_> = numbers
                        .map(|number| (key(at, number), value(at, self.stamp, number)))
                        .collect();
                    client.put(&pairs).await?;
                }
                What::Reads => {
                    // A prime, so that the keys of all clients come in turn.
                    let number = done.all * 7_919 + at as u64;
                    let other = number as usize / KEYS_OF_A_CLIENT as usize % MOST_CLIENTS;
                    let key = key(other, number);
                    let read = client.get(&key).await?;
                    if read.len() != VALUE_BYTES || !read.starts_with(&key) {
                        return Err(format!("{} holds {read:?}", key.escape_ascii()));
                    }
                }
            }
            done.all += depth;
            let answered = Instant::now();
            if (from..until).contains(&answered) {
                let micros = (answered - asked).as_micros();
                done.micros.push(micros.try_into().unwrap_or(u32::MAX));
                done.counted += depth;
            }
            if answered >= until {
                return Ok(done);
            }
            asked = answered;
        }
    }

    /// Reads the last writes of each client.
    async fn verify(&self, done: &[(usize, Done)]) -> Result<(), String> {
        let mut client = Client::open(self.system, &self.address).await?;
        for (at, done) in done {
            for number in done.all.saturating_sub(SAMPLE)..done.all {
                let key = key(*at, number);
                if client.get(&key).await? != value(*at, self.stamp, number) {
                    let key = key.escape_ascii();
                    return Err(format!("an acknowledged write of {key} is not there"));
                }
            }
        }
        Ok(())
    }
}

/// Writes every key once.
pub async fn fill(system: System, address: &str) -> Result<(), String> {
    let all = (0..MOST_CLIENTS).map(|at| async move {
        let mut client = Client::open(system, address).await?;
        let pairs = (0..KEYS_OF_A_CLIENT).map(|number| (key(at, number), value(at, 0, number)));
        client.put(&pairs.collect::<Vec<_>>()).await
    });
    let filled = timeout(LIMIT, try_join_all(all)).await;
    let filled = filled.unwrap_or_else(|_| Err("it takes too long".into()));
    filled
        .map_err(|why| format!("{system} is not filled: {why}"))
        .map(drop)
}
