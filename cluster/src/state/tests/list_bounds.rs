//! Tests the bounds of lists: memory of copies and replies, and the time that an entry takes.

use super::*;
use crate::state::LONGEST_LIST;

/// A state with one list of so many empty values, without the checks of a [`Bench`] after every
/// entry, which take long here.
struct Long(State);

impl Long {
    fn of(length: usize) -> Self {
        let state = State::new(Limits::default());
        let mut long = Self(State {
            level: LEVEL,
            ..state
        });
        long.apply(ListCommand::Push {
            key: "l".into(),
            values: vec![Bytes::new(); length],
            end: End::Left,
            if_present: false,
        });
        long
    }

    fn apply(&mut self, command: impl Into<Command>) -> Reply {
        let index = self.0.applied_index() + 1;
        let request = Request {
            time_ms: 0,
            once: None,
            command: command.into(),
        };
        self.0.apply(Stamp { index, time_ms: 0 }, &request).reply
    }

    fn transaction(&mut self, steps: Vec<Step>) -> Vec<Reply> {
        let watched = vec![];
        match self.apply(Command::Transaction { watched, steps }) {
            Reply::Transaction(Some(replies)) => replies,
            other => panic!("nothing was watched, but got {other:?}"),
        }
    }

    fn list(&self, key: &str) -> &crate::state::cache::List {
        let list = self.0.cache.list(key.as_bytes());
        list.ok().flatten().expect("there is a list")
    }
}

fn copy(from: &'static str, to: String) -> Step {
    Step::String(StringCommand::Copy {
        from: from.into(),
        to: to.into(),
        replace: true,
    })
}

fn whole() -> Query {
    Query::ListRange {
        key: "l".into(),
        first: 0,
        last: -1,
    }
}

fn count(replies: &[Reply], wanted: &Reply) -> usize {
    replies.iter().filter(|reply| *reply == wanted).count()
}

#[test]
fn a_transaction_copies_no_more_of_lists_than_it_could_reply_with() {
    let mut long = Long::of(100_000);
    long.apply(set("text", "v"));
    let mut steps: Vec<Step> = (0..25).map(|to| copy("l", to.to_string())).collect();
    steps.push(copy("text", "other".into()));
    let replies = long.transaction(steps);
    // Of 3.2 MB each.
    assert_eq!(count(&replies, &refused(Refusal::TooLarge)), 5);
    assert_eq!(count(&replies[..20], &Reply::Flag(true)), 20);
    assert_eq!(replies[25], Reply::Flag(true), "strings are shared");
    assert_eq!(long.0.cache_stats().entries, 23);
}

#[test]
fn a_copy_of_the_state_shares_its_lists_until_they_change() {
    let mut long = Long::of(10);
    let snapshot = Long(long.0.clone());
    assert!(std::ptr::eq(long.list("l"), snapshot.list("l")));
    long.apply(pop(&["l"], End::Left, 1));
    assert_eq!((long.list("l").len(), snapshot.list("l").len()), (9, 10));
}

#[test]
fn replies_are_counted_with_the_places_of_their_values() {
    let elements = Reply::Elements(vec![Bytes::from_static(b"ab"); 3]);
    assert_eq!(elements.payload_bytes(), 3 * 34);
    assert_eq!(Reply::Positions(vec![1, 2]).payload_bytes(), 16);
    let mut long = Long::of(100_000);
    let replies = long.transaction(vec![Step::Read(whole()); 25]);
    assert_eq!(count(&replies, &refused(Refusal::ReplyTooLarge)), 5);
}

#[test]
fn a_pop_is_counted_beforehand_as_afterwards() {
    let mut bench = Bench::new();
    bench.run(push("list", End::Left, &["a", "bc", "def"]));
    for count in [0, 1, 9] {
        let keys = bytes(&["none", "list"]);
        let before = bench.state.cache.bytes_popped(&keys, End::Left, count);
        let popped = bench.reply(pop(&["none", "list"], End::Left, count));
        assert_eq!(before, popped.payload_bytes(), "{count}: {popped:?}");
    }
}

#[test]
fn what_is_taken_off_a_list_gives_its_memory_back() {
    let mut long = Long::of(10_000);
    long.apply(pop(&["l"], End::Left, 9_000));
    assert!(long.list("l").capacity() <= 4_000);
    long.apply(ListCommand::Trim {
        key: "l".into(),
        first: 0,
        last: 9,
    });
    assert!(long.list("l").capacity() <= 64);
    assert_eq!(long.list("l").len(), 10);
}

#[test]
fn a_transaction_looks_at_no_more_values_than_sixteen_of_the_longest_lists_have() {
    let mut long = Long::of(LONGEST_LIST);
    let look = Step::Read(Query::ListFind {
        key: "l".into(),
        value: Bytes::new(),
        rank: 1,
        count: 1,
        most: 0,
    });
    let mut steps = vec![look; 16];
    let key = || Bytes::from("l");
    let trim = |last| {
        Step::List(ListCommand::Trim {
            key: key(),
            first: 0,
            last,
        })
    };
    steps.extend([
        Step::List(ListCommand::Remove {
            key: key(),
            count: 1,
            value: Bytes::new(),
        }),
        Step::List(ListCommand::Insert {
            key: key(),
            before: true,
            pivot: Bytes::new(),
            value: Bytes::new(),
        }),
        Step::List(pop(&["l"], End::Left, 1)),
        trim(0),
        Step::Read(whole()),
        trim(-1),
        Step::Read(Query::ListLength { key: key() }),
    ]);
    let mut replies = long.transaction(steps);
    let after = replies.split_off(16);
    assert_eq!(count(&replies, &Reply::Positions(vec![0])), 16);
    assert_eq!(count(&after[..5], &refused(Refusal::TooLarge)), 5);
    let length = Reply::Size(LONGEST_LIST as u64);
    assert_eq!(after[5..], [Reply::Done, length]);
}

#[test]
fn what_moves_a_value_may_need_memory_and_what_takes_one_does_not() {
    let moved = ListCommand::Move {
        from: "a".into(),
        to: "b".into(),
        take: End::Left,
        put: End::Left,
    };
    assert!(Command::from(moved).grows());
    assert!(!Command::from(pop(&["a"], End::Left, 1)).grows());
}
