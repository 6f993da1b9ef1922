//! The connections that a node has, for whoever asks about them or wants one ended.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::protocol::{KillFilter, RespVersion};
use crate::world::Instant;

/// What others may know of a connection.
pub(super) struct Client {
    pub(super) id: u64,
    /// Where it comes from; empty if the world does not tell.
    address: String,
    since: Instant,
    /// When its last command arrived, and which.
    pub(super) last: Cell<(Instant, &'static str)>,
    pub(super) name: RefCell<Bytes>,
    pub(super) library: RefCell<Bytes>,
    pub(super) library_version: RefCell<Bytes>,
    pub(super) user: RefCell<String>,
    pub(super) version: Cell<RespVersion>,
    /// A command of its waits for other clients.
    pub(super) waits: Cell<bool>,
    /// Commands gathered since `MULTI`.
    pub(super) gathered: Cell<Option<usize>>,
    /// Bytes of its buffers, and of all buffers.
    buffered: Cell<u64>,
    all_buffered: Rc<Cell<u64>>,
    is_killed: Cell<bool>,
    /// How long it may be idle has changed.
    must_look: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.note_buffers(0);
    }
}

impl Client {
    /// Its buffers take so many bytes now.
    pub(super) fn note_buffers(&self, bytes: usize) {
        let before = self.buffered.replace(bytes as u64);
        let all = self.all_buffered.get() - before + bytes as u64;
        self.all_buffered.set(all);
    }

    /// Ready once somebody has ended the connection.
    pub(super) fn poll_killed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_killed.get() {
            return Poll::Ready(());
        }
        match &mut *self.waker.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether the settings have changed by which it waits, since this was asked last.
    pub(super) fn must_look(&self) -> bool {
        self.must_look.take()
    }

    fn kill(&self) {
        self.is_killed.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// A line of `CLIENT LIST`.
    pub(super) fn line(&self, now: Instant) -> String {
        let (asked_at, command) = self.last.get();
        let text = |bytes: &RefCell<Bytes>| String::from_utf8_lossy(&bytes.borrow()).into_owned();
        format!(
            "id={} addr={} name={} age={} idle={} flags={} db=0 multi={} cmd={command} user={} \
             resp={} lib-name={} lib-ver={}",
            self.id,
            self.address,
            text(&self.name),
            (now - self.since).as_secs(),
            (now - asked_at).as_secs(),
            match (self.waits.get(), self.gathered.get()) {
                (true, _) => "b",
                (false, Some(_)) => "x",
                (false, None) => "N",
            },
            self.gathered.get().map_or(-1, |count| count as i64),
            self.user.borrow(),
            self.version.get().number(),
            text(&self.library),
            text(&self.library_version),
        )
    }

    fn fits(&self, filter: &KillFilter) -> bool {
        let is = |wanted: &Option<Bytes>, value: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted == value.as_bytes())
        };
        filter.id.is_none_or(|id| id == self.id)
            && is(&filter.address, &self.address)
            && is(&filter.user, &self.user.borrow())
    }
}

/// All connections, by number.
#[derive(Default)]
pub(super) struct Clients {
    connected: RefCell<BTreeMap<u64, Rc<Client>>>,
    buffered: Rc<Cell<u64>>,
}

impl Clients {
    pub(super) fn add(&self, id: u64, address: String, now: Instant) -> Rc<Client> {
        let client = Rc::new(Client {
            id,
            address,
            since: now,
            last: Cell::new((now, "NULL")),
            name: RefCell::default(),
            library: RefCell::default(),
            library_version: RefCell::default(),
            user: RefCell::new("default".into()),
            version: Cell::default(),
            waits: Cell::default(),
            gathered: Cell::default(),
            buffered: Cell::new(0),
            all_buffered: self.buffered.clone(),
            is_killed: Cell::new(false),
            must_look: Cell::new(false),
            waker: RefCell::default(),
        });
        self.connected.borrow_mut().insert(id, client.clone());
        client
    }

    pub(super) fn remove(&self, id: u64) {
        self.connected.borrow_mut().remove(&id);
    }

    /// Bytes of the buffers of all connections.
    pub(super) fn buffered(&self) -> u64 {
        self.buffered.get()
    }

    pub(super) fn count(&self) -> usize {
        self.connected.borrow().len()
    }

    /// How many have a command that waits for other clients.
    pub(super) fn waiting(&self) -> usize {
        let clients = self.connected.borrow();
        clients.values().filter(|client| client.waits.get()).count()
    }

    /// Lines about those with these numbers, or about all.
    pub(super) fn lines(&self, ids: Option<&[u64]>, now: Instant) -> String {
        let clients = self.connected.borrow();
        let wanted = clients
            .values()
            .filter(|client| ids.is_none_or(|ids| ids.contains(&client.id)));
        wanted.map(|client| client.line(now) + "\n").collect()
    }

    /// Has all of them look at the settings again.
    pub(super) fn look_again(&self) {
        for client in self.connected.borrow().values() {
            client.must_look.set(true);
            client.wake();
        }
    }

    /// Ends those that fit; how many.
    pub(super) fn kill(&self, filter: &KillFilter, me: u64) -> u64 {
        let clients = self.connected.borrow();
        let fitting = clients
            .values()
            .filter(|client| client.fits(filter) && !(filter.skips_me && client.id == me));
        fitting.map(|client| client.kill()).count() as u64
    }
}
