//! A node: primary or backup, and how the one becomes the other.
//!
//! ```text
//! get KEY · set KEY VALUE · cas KEY VERSION VALUE      from clients, to the primary
//! raise KEY NUMBER · top KEY                           from clients, to the primary
//! copy VIEW VERSION KEY VALUE                          from the primary, each write
//! beat VIEW PRIMARY                                    from the primary, ten times a second
//! take VIEW PRIMARY STORE                              from a new primary: all it has
//! tell                                                 from a node that starts: what have you?
//! join ID                                              from a node that has caught up
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use squall::system::{Instant, NodeContext, SimWorld, World, call};

use crate::store::Store;

const BEAT: Duration = Duration::from_millis(100);
/// A primary that is silent for so long has stopped.
const SILENCE: Duration = Duration::from_millis(400);
/// Backups suspect one after the other, so that the first can be heard by the next.
const STAGGER: Duration = Duration::from_millis(200);
/// A backup that does not answer within this time has stopped.
const PATIENCE: Duration = Duration::from_millis(150);

pub(crate) struct Node {
    context: NodeContext,
    early_ack: bool,
    view: Cell<u64>,
    primary: Cell<Option<usize>>,
    heard_at: Cell<Instant>,
    store: RefCell<Store>,
    /// Of the primary: the backups that are alive.
    backups: RefCell<BTreeSet<usize>>,
    /// Writes go one after the other.
    writing: tokio::sync::Mutex<()>,
}

impl Node {
    pub(crate) fn new(context: NodeContext, early_ack: bool) -> Self {
        Self {
            context,
            early_ack,
            view: Cell::new(0),
            primary: Cell::new(None),
            heard_at: Cell::new(SimWorld::now()),
            store: RefCell::default(),
            backups: RefCell::default(),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) async fn run(self: Rc<Self>) -> String {
        let watching = self.clone();
        SimWorld::spawn(async move { watching.watch().await });
        let node = self.clone();
        let answer = move |request: String| {
            let node = node.clone();
            async move { node.answer(&request).await }
        };
        match self.context.serve(answer).await {
            Ok(()) => "ended".into(),
            Err(e) => format!("cannot serve: {e}"),
        }
    }

    fn id(&self) -> usize {
        self.context.id
    }

    fn is_primary(&self) -> bool {
        self.primary.get() == Some(self.id())
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let (id, count) = (self.id(), self.context.addresses.len());
        (0..count).filter(move |other| *other != id)
    }

    async fn call(&self, other: usize, request: &str) -> Option<String> {
        let deadline = SimWorld::now() + PATIENCE;
        let address = &self.context.addresses[other];
        call(address, request, deadline).await.ok()
    }

    /// Starts, then beats as the primary or listens for its beats.
    async fn watch(self: Rc<Self>) {
        self.start().await;
        loop {
            if self.is_primary() {
                let beat = format!("beat {} {}", self.view.get(), self.id());
                for backup in self.others() {
                    let (node, beat) = (self.clone(), beat.clone());
                    SimWorld::spawn(async move {
                        node.call(backup, &beat).await;
                    });
                }
            } else {
                let patience = SILENCE + STAGGER * self.id() as u32;
                if SimWorld::now() > self.heard_at.get() + patience {
                    self.take_over().await;
                }
            }
            SimWorld::sleep(BEAT).await;
        }
    }

    /// Copies what another node has, if any has anything; else all begin together, and the
    /// first node is the primary.
    async fn start(&self) {
        loop {
            let mut states = Vec::new();
            for other in self.others() {
                if let Some(reply) = self.call(other, "tell").await {
                    states.extend(parse_state(&reply));
                }
            }
            let newest = states
                .into_iter()
                .max_by_key(|(view, _, store)| (*view, store.last));
            match newest {
                Some((view, primary, store)) if view > 0 => {
                    self.adopt(view, primary, store);
                    if primary == self.id() {
                        // It died and is back before anyone noticed: it leads again, with
                        // what the others have.
                        self.take_over().await;
                        return;
                    }
                    let join = format!("join {}", self.id());
                    if self.call(primary, &join).await.as_deref() == Some("welcome") {
                        self.context.applied(self.store.borrow().last);
                        return;
                    }
                }
                _ if self.id() == 0 => {
                    self.take_over().await;
                    return;
                }
                _ => {}
            }
            SimWorld::sleep(BEAT).await;
        }
    }

    fn adopt(&self, view: u64, primary: usize, store: Store) {
        self.view.set(view);
        self.primary.set(Some(primary));
        self.heard_at.set(SimWorld::now());
        *self.store.borrow_mut() = store;
    }

    /// Becomes the primary of the next view, with whoever is alive as its backups.
    async fn take_over(&self) {
        let view = self.view.get() + 1;
        self.context.campaigns(view);
        self.view.set(view);
        let _turn = self.writing.lock().await;
        let state = self.store.borrow().text();
        let take = format!("take {view} {} {state}", self.id());
        let mut alive = BTreeSet::new();
        for other in self.others() {
            if self.call(other, &take).await.as_deref() == Some("taken") {
                alive.insert(other);
            }
        }
        if self.view.get() != view {
            // Another was faster.
            return;
        }
        *self.backups.borrow_mut() = alive;
        self.primary.set(Some(self.id()));
        let last = self.store.borrow().last;
        self.context.applied(last);
        self.context.leads(view);
    }

    async fn answer(self: &Rc<Self>, request: &str) -> String {
        let words: Vec<&str> = request.splitn(5, ' ').collect();
        match words[..] {
            ["get", key] if self.is_primary() => match self.store.borrow().get(key) {
                (version, Some(value)) => format!("value {version} {value}"),
                (_, None) => "nothing".into(),
            },
            ["set", key, value] if self.is_primary() => self.write(key, None, value).await,
            ["cas", key, version, value] if self.is_primary() => {
                self.write(key, version.parse().ok(), value).await
            }
            ["raise", key, offered] if self.is_primary() => self.raise(key, number(offered)).await,
            ["top", key] if self.is_primary() => format!("top {}", self.largest(key)),
            ["copy", view, version, key, value] => self.copy(view, version, key, value),
            ["beat", view, primary] => self.hear(number(view), number(primary) as usize),
            ["tell"] => {
                let primary = self.primary.get().unwrap_or_default();
                format!(
                    "{} {primary} {}",
                    self.view.get(),
                    self.store.borrow().text()
                )
            }
            ["join", backup] if self.is_primary() => self.welcome(number(backup) as usize).await,
            ["take", ..] => self.give_in(request),
            _ => "not-primary".into(),
        }
    }

    async fn write(self: &Rc<Self>, key: &str, expected: Option<u64>, value: &str) -> String {
        let _turn = self.writing.lock().await;
        if !self.is_primary() {
            return "not-primary".into();
        }
        self.write_in_turn(key, expected, value).await
    }

    /// Keeps the larger of what there is and what is offered, and answers with it.
    async fn raise(self: &Rc<Self>, key: &str, offered: u64) -> String {
        let _turn = self.writing.lock().await;
        if !self.is_primary() {
            return "not-primary".into();
        }
        if offered > self.largest(key) {
            self.write_in_turn(key, None, &offered.to_string()).await;
        }
        format!("top {}", self.largest(key))
    }

    /// 0 if the register was never raised.
    fn largest(&self, key: &str) -> u64 {
        let store = self.store.borrow();
        store.get(key).1.map_or(0, number)
    }

    async fn write_in_turn(
        self: &Rc<Self>,
        key: &str,
        expected: Option<u64>,
        value: &str,
    ) -> String {
        if expected.is_some_and(|expected| expected != self.store.borrow().get(key).0) {
            return "mismatch".into();
        }
        let version = self.store.borrow().last + 1;
        let copy = format!("copy {} {version} {key} {value}", self.view.get());
        if self.early_ack {
            // The mistake: the client is answered before any backup has the value.
            let node = self.clone();
            SimWorld::spawn(async move { node.replicate(copy).await });
        } else {
            self.replicate(copy).await;
        }
        self.store.borrow_mut().put(version, key, value);
        self.context.applied(version);
        format!("stored {version}")
    }

    /// Sends a write to every backup; one that does not answer is none any more.
    async fn replicate(self: &Rc<Self>, copy: String) {
        let backups: Vec<usize> = self.backups.borrow().iter().copied().collect();
        for backup in backups {
            if self.call(backup, &copy).await.as_deref() != Some("copied") {
                self.backups.borrow_mut().remove(&backup);
            }
        }
    }

    fn copy(&self, view: &str, version: &str, key: &str, value: &str) -> String {
        if number(view) != self.view.get() {
            return "other-view".into();
        }
        let mut store = self.store.borrow_mut();
        store.put(number(version), key, value);
        self.context.applied(store.last);
        "copied".into()
    }

    fn hear(&self, view: u64, primary: usize) -> String {
        if view >= self.view.get() && primary != self.id() {
            self.heard_at.set(SimWorld::now());
        }
        "heard".into()
    }

    /// A node that has started has what the primary had a moment ago; the rest comes now.
    async fn welcome(&self, backup: usize) -> String {
        let _turn = self.writing.lock().await;
        let (view, id) = (self.view.get(), self.id());
        let take = format!("take {view} {id} {}", self.store.borrow().text());
        match self.call(backup, &take).await.as_deref() {
            Some("taken") => {
                self.backups.borrow_mut().insert(backup);
                "welcome".into()
            }
            _ => "again".into(),
        }
    }

    /// Follows the primary of a view that is not older.
    fn give_in(&self, request: &str) -> String {
        let state = request.strip_prefix("take ").and_then(parse_state);
        match state {
            Some((view, primary, store)) if view >= self.view.get() && !self.leads(view) => {
                let last = store.last;
                self.adopt(view, primary, store);
                self.context.follows(view, Some(primary));
                self.context.applied(last);
                "taken".into()
            }
            _ => "newer-view".into(),
        }
    }

    fn leads(&self, view: u64) -> bool {
        self.is_primary() && self.view.get() == view
    }
}

/// View, primary and store, as `tell` and `take` have them.
fn parse_state(text: &str) -> Option<(u64, usize, Store)> {
    let (view, rest) = text.split_once(' ')?;
    let (primary, store) = rest.split_once(' ')?;
    Some((
        view.parse().ok()?,
        primary.parse().ok()?,
        Store::parse(store)?,
    ))
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_default()
}
