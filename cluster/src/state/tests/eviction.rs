//! The cache: which key is evicted.
//!
//! The tables follow the worked example of the SIEVE paper's algorithm; the last test holds
//! the ordered map against the linked list of the paper, written down literally.

use super::*;
use proptest::prelude::*;

const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn small(cache_entries: u64) -> Bench {
    Bench::with_limits(Limits {
        cache_entries,
        ..Limits::default()
    })
}

fn keys(bench: &Bench) -> String {
    let present = KEYS.iter().filter(|key| bench.get(key).is_some());
    present.copied().collect()
}

fn touch(key: &'static str) -> CacheCommand {
    CacheCommand::Touch {
        keys: vec![Bytes::from(key)],
    }
}

#[test]
fn without_uses_the_oldest_goes() {
    let mut bench = small(3);
    for key in KEYS {
        bench.run(set(key, "v"));
    }
    assert_eq!(keys(&bench), "fgh");
    let stats = bench.state.cache_stats();
    assert_eq!((stats.entries, stats.evicted, stats.expired), (3, 5, 0));
}

#[test]
fn a_used_key_is_passed_over_once() {
    let uses: [fn(&mut Bench); 3] = [
        |bench| drop(bench.run(touch("a"))),
        |bench| drop(bench.run(set("a", "1"))),
        |bench| {
            drop(bench.run(CacheCommand::Increment {
                key: Bytes::from("a"),
                by: 1,
            }))
        },
    ];
    for use_key in uses {
        let mut bench = small(3);
        for key in ["a", "b", "c"] {
            bench.run(set(key, "1"));
        }
        use_key(&mut bench);
        bench.run(set("d", "1"));
        assert_eq!(keys(&bench), "acd", "the hand passes a, evicts b");
        bench.run(set("e", "1"));
        assert_eq!(keys(&bench), "ade", "the hand goes on to c");
        bench.run(set("f", "1"));
        assert_eq!(keys(&bench), "aef", "then to d, not back to a");
    }
}

#[test]
fn reading_leaves_no_mark() {
    let mut bench = small(2);
    bench.run(set("a", "1"));
    bench.run(set("b", "1"));
    assert!(bench.get("a").is_some());
    bench.run(set("c", "1"));
    assert_eq!(keys(&bench), "bc");
}

#[test]
fn when_all_are_used_the_hand_goes_round() {
    let mut bench = small(3);
    for key in ["a", "b", "c", "a", "b", "c"] {
        bench.run(set(key, "1"));
    }
    bench.run(set("d", "1"));
    assert_eq!(keys(&bench), "bcd");
    bench.run(set("e", "1"));
    assert_eq!(keys(&bench), "cde", "the marks are used up");
}

#[test]
fn no_room_at_all_refuses_new_keys() {
    let mut bench = small(0);
    assert_eq!(bench.reply(set("a", "1")), refused(Refusal::TooLarge));
    assert_eq!(bench.state.cache_stats().entries, 0);
}

/// Algorithm 1 of the paper over a vector: newest first, the hand walks to smaller places.
#[derive(Default)]
struct Paper {
    list: Vec<(&'static str, bool)>,
    hand: Option<&'static str>,
}

impl Paper {
    fn place(&self, key: &str) -> Option<usize> {
        self.list.iter().position(|entry| entry.0 == key)
    }

    fn set(&mut self, key: &'static str, capacity: usize) {
        if let Some(at) = self.place(key) {
            self.list[at].1 = true;
            return;
        }
        if self.list.len() == capacity {
            self.evict();
        }
        self.list.insert(0, (key, false));
    }

    fn evict(&mut self) {
        let tail = self.list.len() - 1;
        let mut at = self.hand.and_then(|key| self.place(key)).unwrap_or(tail);
        while self.list[at].1 {
            self.list[at].1 = false;
            at = at.checked_sub(1).unwrap_or(tail);
        }
        self.hand = at.checked_sub(1).map(|newer| self.list[newer].0);
        self.list.remove(at);
    }

    fn delete(&mut self, key: &str) {
        if let Some(at) = self.place(key) {
            if self.hand == Some(self.list[at].0) {
                self.hand = at.checked_sub(1).map(|newer| self.list[newer].0);
            }
            self.list.remove(at);
        }
    }
}

proptest! {
    #[test]
    fn evicts_what_the_algorithm_of_the_paper_evicts(
        capacity in 1_u64..6,
        steps in prop::collection::vec((0..3_u8, 0..KEYS.len()), 1..120),
    ) {
        let mut bench = small(capacity);
        let mut paper = Paper::default();
        for (kind, at) in steps {
            let key = KEYS[at];
            if kind == 0 {
                bench.run(CacheCommand::Delete { keys: vec![Bytes::from(key)] });
                paper.delete(key);
            } else {
                bench.run(set(key, "1"));
                paper.set(key, capacity as usize);
            }
            let mut expected: Vec<&str> = paper.list.iter().map(|entry| entry.0).collect();
            expected.sort_unstable();
            prop_assert_eq!(keys(&bench), expected.concat());
        }
    }
}

#[test]
fn limits_that_a_leader_sets_hold_from_its_entry_on() {
    let mut bench = Bench::new();
    let keys = ["a", "b", "c", "d"];
    for key in keys {
        bench.run(set(key, "v"));
    }
    let limits = Limits {
        cache_entries: 2,
        ..Limits::default()
    };
    let level = LEVEL;
    bench.run(Command::Raise { level, limits });
    assert_eq!(bench.state.limits(), limits);
    assert_eq!(bench.state.cache_stats().entries, 2);
    bench.run(set("e", "v"));
    let kept = keys.iter().filter(|key| bench.get(key).is_some()).count();
    assert_eq!((kept, bench.get("e").is_some()), (1, true));
}
