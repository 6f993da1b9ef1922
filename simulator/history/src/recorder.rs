//! Writing a history while it happens.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::resources::ResourceSample;
use super::{Action, Event, EventKind, HarnessEvent, History, Outcome, Window};

/// Collects events under one clock. Shared by all clients, nodes and the nemesis of a run.
pub struct Recorder {
    events: RefCell<Vec<Event>>,
    next_op: Cell<u64>,
    now_us: Box<dyn Fn() -> u64>,
    watcher: RefCell<Option<Watcher>>,
    observers: Vec<Observer>,
}

/// Receives every event as it is recorded.
pub type Watcher = Rc<dyn Fn(&EventKind)>;

/// What observers receive.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// What goes into the history, with its time.
    Event(&'a Event),
    /// A look at what a node uses of its machine; goes into no history.
    Sample(&'a ResourceSample),
}

/// Receives every event, and every look at a node, from outside of the run, to show a
/// run while it works. Nothing flows back, so that a run that is looked at is the run that is
/// not.
pub type Observer = Rc<dyn Fn(Seen<'_>)>;

thread_local! {
    static OBSERVERS: RefCell<Vec<Observer>> = const { RefCell::new(Vec::new()) };
}

/// Lets recorders that are made on this thread tell an observer, until it is dropped.
pub struct Observed(Observer);

impl Observed {
    /// For as long as the value lives; observers that were there before go on to be told.
    pub fn by(observer: Observer) -> Self {
        OBSERVERS.with_borrow_mut(|observers| observers.push(observer.clone()));
        Self(observer)
    }
}

/// Tells the observers of this thread what a node was seen to use.
pub fn observe_sample(sample: &ResourceSample) {
    // Taken out first: an observer may end, or begin to watch.
    let observers = OBSERVERS.with_borrow(Clone::clone);
    for observer in observers {
        observer(Seen::Sample(sample));
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        OBSERVERS
            .with_borrow_mut(|observers| observers.retain(|other| !Rc::ptr_eq(other, &self.0)));
    }
}

impl Recorder {
    /// `now_us` is the clock of record, microseconds since the start of the run.
    pub fn new(now_us: impl Fn() -> u64 + 'static) -> Self {
        Self {
            events: RefCell::default(),
            next_op: Cell::new(0),
            now_us: Box::new(now_us),
            watcher: RefCell::default(),
            observers: OBSERVERS.with_borrow(Clone::clone),
        }
    }

    /// Microseconds since the start of the run, of the clock of record.
    pub fn now_us(&self) -> u64 {
        (self.now_us)()
    }

    /// Sets what receives events from now on; the watcher must not record any itself.
    pub fn watch(&self, watcher: Option<Watcher>) {
        *self.watcher.borrow_mut() = watcher;
    }

    /// Records what happens at this moment.
    pub fn record(&self, kind: EventKind) {
        self.record_at(self.now_us(), kind);
    }

    /// Records what is known to have happened at `at_us`, which may be earlier than what was
    /// recorded last: [`Self::take`] puts it in its place.
    pub fn record_at(&self, at_us: u64, kind: EventKind) {
        if let Some(watcher) = &*self.watcher.borrow() {
            watcher(&kind);
        }
        let event = Event { at_us, kind };
        for observer in &self.observers {
            observer(Seen::Event(&event));
        }
        self.events.borrow_mut().push(event);
    }

    /// A client sends an operation; returns the operation's number.
    pub fn invoke(&self, client: &str, intended_us: Option<u64>, action: Action) -> u64 {
        let op = self.next_op.replace(self.next_op.get() + 1);
        self.record(EventKind::Invoke {
            op,
            client: client.to_owned(),
            intended_us,
            action,
        });
        op
    }

    /// The client sends operation `op` once more, after the attempt before ended thus.
    pub fn retry(&self, op: u64, before: Outcome) {
        self.record(EventKind::retry(op, before));
    }

    /// The client learns the outcome of operation `op`.
    pub fn complete(&self, op: u64, outcome: Outcome) {
        self.record(EventKind::Return { op, outcome });
    }

    /// The harness could not do something.
    pub fn missed(&self, event: HarnessEvent) {
        self.record(EventKind::Harness { event });
    }

    /// For readers only; no check sees it.
    pub fn note(&self, text: impl Into<String>) {
        self.record(EventKind::Note { text: text.into() });
    }

    /// Operations invoked so far.
    pub fn invoked(&self) -> u64 {
        self.next_op.get()
    }

    /// What clients saw so far of the operations that were meant to start in a stretch of time.
    pub fn window(&self, from_us: u64, to_us: u64) -> Window {
        Window::of(&self.events.borrow(), from_us, to_us, self.now_us())
    }

    /// What was recorded, in order of time; of one instant, as it was recorded.
    pub fn take(&self) -> History {
        let mut events = self.events.take();
        events.sort_by_key(|event| event.at_us);
        History { events }
    }
}
