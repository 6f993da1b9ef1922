//! Snapshots and digests: nothing is left out, nothing bad is let in.

use super::generate::{Writer, steps};
use super::*;
use crate::encode;
use crate::state::DecodeError;
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

pub(super) const HEADER_BYTES: usize = 9;

/// A state in which every kind of thing is present.
fn rich() -> Bench {
    let mut bench = Bench::with_limits(Limits {
        cache_entries: 3,
        ..Limits::default()
    });
    let (a, b) = (bench.open(60_000), bench.open(60_000));
    bench.once(a, 1, acquire("l", a, LockMode::Exclusive, 0));
    bench.once(b, 1, acquire("l", b, LockMode::Shared, 5000));
    bench.run(LockCommand::Check {
        name: "l".into(),
        token: 3,
    });
    let delayed = NewMessage {
        delay_ms: 500,
        ..message("delayed")
    };
    let numbered = NewMessage {
        dedup: Some(("p".into(), 1)),
        ..grouped("numbered", "g")
    };
    let batch = vec![numbered, grouped("behind", "g"), delayed, message("plain")];
    bench.run(publish("q", batch));
    bench.receive("q", 1);
    bench.run(configure("r", QueueSettings::default()));
    for key in ["a", "b", "a", "c", "d"] {
        bench.run(set_with(key, "1", Some(900), false, SetCondition::Always));
    }
    bench.run(push("d", End::Right, &["1", "2"]));
    bench.run(Command::NewLeader);
    bench
}

#[test]
fn a_decoded_state_is_the_state() {
    let bench = rich();
    let bytes = bench.state.encode();
    let restored = State::decode(&bytes).expect("a snapshot decodes");
    assert_eq!(restored, bench.state);
    assert_eq!(restored.digest(), bench.state.digest());
    assert_eq!(restored.encode(), bytes);
    let header = &bytes[1..HEADER_BYTES];
    assert_eq!(header, bench.state.digest().to_le_bytes());
}

#[test]
fn the_digest_sees_every_part_of_the_state() {
    let digest = rich().state.digest();
    assert_eq!(rich().state.digest(), digest);
    let changes: Vec<Command> = vec![
        Command::Expire { sessions: vec![] },
        SessionCommand::KeepAlive { session: 2 }.into(),
        release("l", 2, 4).into(),
        LockCommand::Check {
            name: "l".into(),
            token: 4,
        }
        .into(),
        nack("q", 1, 0).into(),
        publish("r", vec![message("m")]).into(),
        configure(
            "r",
            QueueSettings {
                max_depth: 1,
                ..QueueSettings::default()
            },
        )
        .into(),
        set("a", "2").into(),
        CacheCommand::Touch {
            keys: vec![Bytes::from("d")],
        }
        .into(),
        CacheCommand::Flush.into(),
    ];
    let mut digests = vec![digest];
    for change in changes {
        let mut bench = rich();
        bench.pass(1).run(change.clone());
        let changed = bench.state.digest();
        assert!(!digests.contains(&changed), "{change:?}");
        digests.push(changed);
    }
}

#[test]
fn what_a_replica_must_remember_survives() {
    let mut bench = rich();
    bench.state = State::decode(&bench.state.encode()).expect("a snapshot decodes");
    assert_eq!(bench.lock_info("l").last_token, 4);
    let (name, token) = ("l".to_owned(), 2);
    let reply = bench.reply(LockCommand::Check { name, token });
    assert_eq!(reply, Reply::TokenAccepted(false));
    let again = NewMessage {
        dedup: Some(("p".into(), 1)),
        ..message("numbered")
    };
    let reply = bench.reply(publish("q", vec![again]));
    assert_eq!(reply, Reply::Published { ids: vec![1] });
    let again = acquire("l", 2, LockMode::Exclusive, 0);
    let reply = bench.once(2, 1, again).reply;
    assert_eq!(reply, Reply::Granted { token: 4 }, "the recorded reply");
    let again = acquire("l", 3, LockMode::Shared, 5000);
    let waiting = bench.once(3, 1, again).reply;
    assert_eq!(waiting, Reply::Waiting { waiter: 5 });
    let other = bench.once(3, 1, CacheCommand::Flush).reply;
    assert_eq!(other, Reply::Refused(Refusal::SequenceReused));
    assert_eq!(bench.reply(ack("q", &[1])), Reply::Settled(1));
    bench.pass(500);
    assert_eq!(bench.payloads("q"), ["behind", "delayed", "plain"]);
    let stats = bench.state.cache_stats();
    assert_eq!((stats.entries, stats.evicted), (3, 1));
}

#[test]
fn bytes_that_are_no_snapshot_are_refused() {
    let mut bench = rich();
    bench.state.level = 0;
    let good = bench.state.encode();
    let mut unknown = good.clone();
    unknown[0] = 99;
    let mut flipped = good.clone();
    flipped[HEADER_BYTES + 5] ^= 1;
    let mut longer = good.clone();
    longer.push(0);
    let shorter = sealed(1, &good[HEADER_BYTES..good.len() - 1]);
    let longer = sealed(1, &longer[HEADER_BYTES..]);
    for (bytes, expected) in [
        (&[][..], DecodeError::TooShort(0)),
        (&good[..8], DecodeError::TooShort(8)),
        (&unknown, DecodeError::UnknownFormat(99)),
        (&flipped, DecodeError::Checksum),
        (&longer, DecodeError::TrailingBytes(1)),
        (
            &shorter,
            DecodeError::Malformed(postcard::Error::DeserializeUnexpectedEnd),
        ),
    ] {
        assert_eq!(State::decode(bytes), Err(expected));
    }
}

#[test]
fn a_length_beyond_the_bytes_is_refused_without_reserving_it() {
    // Limits, applied index, clock, time without a leader, then 2^63 sessions.
    let mut body = vec![1, 1, 1, 1, 0];
    body.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
    let error = DecodeError::Malformed(postcard::Error::DeserializeUnexpectedEnd);
    assert_eq!(State::decode(&sealed(1, &body)), Err(error));
}

#[test]
fn a_state_that_contradicts_itself_is_refused() {
    let mut state = rich().state;
    state.unserved_ms = state.clock_ms + 1;
    let decoded = State::decode(&state.encode());
    assert!(matches!(decoded, Err(DecodeError::Inconsistent(_))));

    let mut state = rich().state;
    state.limits.cache_entries = 2;
    let decoded = State::decode(&state.encode());
    assert!(matches!(decoded, Err(DecodeError::Inconsistent(_))));

    let mut state = rich().state;
    state.sessions = Default::default();
    let decoded = State::decode(&state.encode());
    assert!(matches!(decoded, Err(DecodeError::Inconsistent(_))));
}

/// A snapshot with this body and a checksum that matches.
pub(super) fn sealed(format: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![format];
    bytes.extend(xxh3_64(body).to_le_bytes());
    bytes.extend(body);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(State::decode(&body).is_err());
        // With a matching checksum the body itself is looked at; any answer but a panic.
        let _ = State::decode(&sealed(1, &body));
    }

    #[test]
    fn a_damaged_snapshot_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let good = rich().state.encode();
        let at = at.index(good.len());
        prop_assert!(State::decode(&good[..at]).is_err());
        let mut flipped = good;
        flipped[at] ^= 1 << bit;
        prop_assert!(State::decode(&flipped).is_err());
    }

    /// Damage that the checksum does not show must still not let `apply` run into a panic.
    #[test]
    fn a_forged_snapshot_does_no_harm(
        history in steps(20..100),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        future in steps(1..40),
    ) {
        let (mut state, mut writer) = (Bench::new().state, Writer::new());
        for step in &history {
            let (stamp, request) = writer.write(&state, step);
            let applied = state.apply(stamp, &request);
            writer.learn(&request, &applied);
        }
        let mut body = state.encode().split_off(HEADER_BYTES);
        for (at, byte) in &damage {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        let Ok(mut forged) = State::decode(&sealed(5, &body)) else {
            return Ok(());
        };
        for step in &future {
            if forged.applied_index() == u64::MAX {
                break;
            }
            let (stamp, request) = writer.write(&forged, step);
            let applied = forged.apply(stamp, &request);
            writer.learn(&request, &applied);
            let _ = (forged.next_due_ms(), forged.digest());
        }
    }
}

/// A node of the release before reads what it knows, and so does this release.
#[test]
fn a_state_of_level_0_has_the_format_of_the_release_before() {
    let mut bench = Bench::new();
    bench.state.level = 0;
    bench.run(set("k", "v"));
    let old = bench.state.encode();
    assert_eq!(old[0], 1);
    assert_eq!(State::decode(&old), Ok(bench.state.clone()));
    let before = bench.state.digest();

    let limits = Limits::default();
    for level in 1..=LEVEL {
        bench.run(Command::Raise { level, limits });
        assert_eq!(bench.state.level(), level);
        bench.run(Command::Raise { level: 0, limits });
        assert_eq!(bench.state.level(), level, "it is never lowered");
        let new = bench.state.encode();
        assert_eq!(new[0], 5);
        assert_eq!(State::decode(&new), Ok(bench.state.clone()));
        assert_eq!(new[1..HEADER_BYTES], bench.state.digest().to_le_bytes());
        assert_ne!(
            bench.state.digest(),
            before,
            "the level is part of the state"
        );
    }

    bench.state.level = LEVEL + 1;
    let newer = State::decode(&bench.state.encode());
    assert_eq!(newer, Err(DecodeError::UnknownLevel(LEVEL + 1)));
}

/// They were written before it was kept what was asked.
#[test]
fn formats_2_to_4_are_read() {
    let mut bench = Bench::new();
    let session = bench.open(60_000);
    bench.once(session, 1, set("k", "v"));
    bench.run(push("l", End::Right, &["a"]));
    for (level, format) in [(1_u32, 2), (2, 3), (3, 4)] {
        bench.state.level = level;
        let body = encode::plain(&bench.state, 0);
        let tail = match level {
            1 => encode::append(body, &level),
            2 => encode::append(body, &(level, 0_u64)),
            _ => encode::append(body, &(level, 0_u64, bench.state.cache.lists())),
        };
        let old = sealed(format, &tail.expect("plain data encodes"));
        let mut read = State::decode(&old).expect("it was written so");
        assert_eq!(read.level(), level);
        // Nobody knows what was asked, so whatever is asked is taken for the same.
        let stamp = Stamp {
            index: read.applied_index() + 1,
            time_ms: START_MS,
        };
        let request = Request {
            time_ms: START_MS,
            once: Some(Once {
                session,
                sequence: 1,
            }),
            command: set("k", "w").into(),
        };
        let reply = read.apply(stamp, &request).reply;
        assert!(matches!(reply, Reply::Stored { .. }), "{reply:?}");
        let other = sealed(format % 4 + 2, &old[HEADER_BYTES..]);
        assert!(State::decode(&other).is_err());
    }
}

#[test]
fn the_rules_of_the_release_before_hold_at_level_0() {
    let mut bench = Bench::new();
    bench.state.level = 0;
    let name = "never-locked".to_owned();
    let check = LockCommand::Check { name, token: 7 };
    assert_eq!(bench.reply(check), Reply::TokenAccepted(true));
}
