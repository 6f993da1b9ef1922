//! Load: clients that ask again as soon as they are answered, and clients that keep to a rate.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use squall_cluster::world::{Instant, RealWorld, World};

use crate::client::{Client, Failure};

/// Rest before something is asked again.
const REST: Duration = Duration::from_millis(5);

/// What clients saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// How long each that was served took, with all attempts, microseconds.
    micros: Vec<u32>,
    /// Errors on the way, by kind.
    pub errors: BTreeMap<String, u64>,
    pub seconds: f64,
}

impl Seen {
    pub fn note(&mut self, took: Duration) {
        self.micros
            .push(took.as_micros().try_into().unwrap_or(u32::MAX));
    }

    pub fn note_error(&mut self, failure: &Failure) {
        *self.errors.entry(failure.kind()).or_default() += 1;
    }

    pub fn count(&self) -> usize {
        self.micros.len()
    }

    pub fn rate(&self) -> f64 {
        self.count() as f64 / self.seconds
    }

    /// So many of a thousand took no longer.
    pub fn permille(&self, permille: usize) -> Duration {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * permille).div_ceil(1_000).max(1) - 1;
        Duration::from_micros(sorted.get(at).copied().unwrap_or(u32::MAX).into())
    }

    pub fn p99(&self) -> Duration {
        self.permille(990)
    }

    pub fn worst(&self) -> Duration {
        self.permille(1_000)
    }
}

/// The words of a command, given its number.
pub type Call<'a> = &'a dyn Fn(u64) -> Vec<Vec<u8>>;

/// Asks until it is answered; notes how long that took since `begun`.
async fn serve(client: &mut Client, words: &[Vec<u8>], begun: Instant, seen: &RefCell<Seen>) {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    loop {
        match client.ask(&words).await {
            Ok(_) => return seen.borrow_mut().note(RealWorld::now() - begun),
            Err(failure) => seen.borrow_mut().note_error(&failure),
        }
        RealWorld::sleep(REST).await;
    }
}

/// So many commands by so many clients, each of which asks again as soon as it is answered.
pub async fn closed(addresses: &[String], clients: usize, count: u64, call: Call<'_>) -> Seen {
    let (seen, next) = (RefCell::new(Seen::default()), Cell::new(0));
    let begun = RealWorld::now();
    let all = (0..clients).map(|first| {
        let (seen, next) = (&seen, &next);
        async move {
            let mut client = Client::new(addresses, first);
            while next.get() < count {
                let number = next.replace(next.get() + 1);
                serve(&mut client, &call(number), RealWorld::now(), seen).await;
            }
        }
    });
    join_all(all).await;
    let mut seen = seen.into_inner();
    seen.seconds = (RealWorld::now() - begun).as_secs_f64();
    seen
}

/// So many commands a second, spread over clients, for as long as `work` takes: what the clients
/// saw, and what the work came to. A command that begins late because its client still waited for
/// another counts from when it was due.
pub async fn paced<T>(
    addresses: &[String],
    clients: usize,
    rate: u64,
    call: Call<'_>,
    work: impl Future<Output = T>,
) -> (Seen, T) {
    let begun = RealWorld::now();
    let (seen, is_over) = (RefCell::new(Seen::default()), Cell::new(false));
    let (of_clients, ends) = (&seen, &is_over);
    let all = (0..clients).map(|at| async move {
        let mut client = Client::new(addresses, at);
        let mut number = at as u64;
        while !ends.get() {
            let due = begun + Duration::from_micros(number * 1_000_000 / rate);
            RealWorld::sleep_until(due).await;
            serve(&mut client, &call(number), due, of_clients).await;
            number += clients as u64;
        }
    });
    let work = async {
        let done = work.await;
        is_over.set(true);
        done
    };
    let (_, done) = join(join_all(all), work).await;
    let mut seen = seen.into_inner();
    seen.seconds = (RealWorld::now() - begun).as_secs_f64();
    (seen, done)
}
