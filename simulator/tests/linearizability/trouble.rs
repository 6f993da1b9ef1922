//! Damaged and malicious files: whatever the input, an error or a verdict, and soon.
//!
//! A fuzzer of our own, so that every run of the tests tries the same inputs: files of all
//! three formats are cut, spliced, repeated and littered with bytes that mean something to
//! a reader, and judged on every model. A panic fails the test; so does a judgement that
//! goes far beyond its bounds, since the number of inputs is fixed and the test would not
//! end. Beside them, inputs built to be expensive.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use squall::check::Verdict;
use squall::check::external::{Format, Limits, Model, judge};

use crate::files::{good_file, sample};

const MODELS: [Model; 6] = [
    Model::Register,
    Model::Kv,
    Model::Lock,
    Model::Queue,
    Model::Counter,
    Model::Set,
];
const FORMATS: [Format; 4] = [Format::Squall, Format::Jepsen, Format::Edn, Format::Json];
/// Damaged inputs, for each seed file.
const INPUTS: usize = 400;

/// Small, so that thousands of inputs are judged in seconds.
const LIMITS: Limits = Limits {
    steps: 20_000,
    steps_per_operation: 20,
    bytes: 16 << 20,
    search_only: false,
    fail: None,
    interrupted: &|| false,
};

/// Bytes with a meaning somewhere.
const MEANINGFUL: [&[u8]; 24] = [
    b"\n",
    b"\0",
    b"\xff",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b"\"",
    b"\\",
    b"#",
    b"#_",
    b";",
    b":",
    b" - ",
    b"nil",
    b":invoke",
    b":ok",
    b":info",
    b":fail",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"1e999",
    b"\xf0\x9f\xa6\x80",
];

fn mutated(rng: &mut ChaCha8Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let end = (at + rng.random_range(1..200)).min(bytes.len());
        match rng.random_range(0..10) {
            0 => bytes.truncate(at),
            1 => bytes[at] = rng.random_range(0..=255) as u8,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let from = rng.random_range(0..other.len());
                let to = (from + rng.random_range(1..200)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            5 => {
                let part = MEANINGFUL[rng.random_range(0..MEANINGFUL.len())];
                bytes.splice(at..at, part.iter().copied());
            }
            6 => {
                // Lines change places.
                let mut lines: Vec<&[u8]> = bytes.split_inclusive(|&b| b == b'\n').collect();
                let count = lines.len();
                lines.swap(rng.random_range(0..count), rng.random_range(0..count));
                bytes = lines.concat();
            }
            7 => {
                // Another fate, where the format has one.
                let fates: [&[u8]; 3] = [b":ok", b":info", b":fail"];
                let from = fates[rng.random_range(0..fates.len())];
                let to = fates[rng.random_range(0..fates.len())];
                let found = bytes[at..].windows(from.len()).position(|w| w == from);
                if let Some(found) = found {
                    bytes.splice(at + found..at + found + from.len(), to.iter().copied());
                }
            }
            _ => {
                let digit = bytes.iter().skip(at).position(u8::is_ascii_digit);
                if let Some(digit) = digit {
                    bytes[at + digit] = b'0' + rng.random_range(0..10) as u8;
                }
            }
        }
    }
    bytes
}

#[test]
fn damaged_files_get_an_error_or_a_verdict() {
    let ours = good_file();
    // The beginning is enough, and so a thousand inputs are.
    let few_lines = ours.split_inclusive(|&b| b == b'\n').take(150);
    let seeds = [
        few_lines.flatten().copied().collect::<Vec<u8>>(),
        sample("etcd_000.log"),
        sample("kv_c01-ok.txt"),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(99);
    let (mut errors, mut verdicts) = (0, 0);
    for (n, seed) in seeds.iter().enumerate() {
        for round in 0..INPUTS {
            let other = &seeds[rng.random_range(0..seeds.len())];
            let input = mutated(&mut rng, seed, other);
            let format = match round % 4 {
                0 => None,
                1 => Some(FORMATS[rng.random_range(0..FORMATS.len())]),
                _ => Some(FORMATS[n]),
            };
            for model in MODELS {
                match judge(&input, model, format, &LIMITS) {
                    Ok(_) => verdicts += 1,
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        errors += 1;
                    }
                }
            }
        }
    }
    assert!(errors > 100 && verdicts > 100, "{errors}, {verdicts}");
}

#[test]
fn files_that_are_no_text_are_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for length in [0, 1, 100, 100_000] {
        let input: Vec<u8> = (0..length)
            .map(|_| rng.random_range(0..=255) as u8)
            .collect();
        for format in FORMATS {
            assert!(judge(&input, Model::Register, Some(format), &LIMITS).is_err());
        }
    }
}

#[test]
fn long_lines_and_deep_nesting_are_refused() {
    let long = vec![b'x'; 17 << 20];
    let deep = format!(
        "{{:process 0, :type :invoke, :f :read, :value {}",
        "[".repeat(1 << 20)
    );
    let json = format!("{{\"squall_history\":1,\"nodes\":{}", "[".repeat(1 << 20));
    for (input, format) in [
        (long.as_slice(), Format::Jepsen),
        (&long, Format::Edn),
        (&long, Format::Squall),
        (deep.as_bytes(), Format::Edn),
        (json.as_bytes(), Format::Squall),
    ] {
        assert!(judge(input, Model::Register, Some(format), &LIMITS).is_err());
    }
}

/// `count` writes of different values at once, of known or unknown outcome, and then a read
/// of a value that nobody wrote.
fn all_at_once(count: usize, outcome: &str) -> String {
    let mut text = String::new();
    for n in 0..count {
        text += &format!("{n} :invoke :write {n}\n");
    }
    for n in 0..count {
        text += &format!("{n} {outcome} :write {n}\n");
    }
    text + "0 :invoke :read nil\n0 :ok :read -1\n"
}

#[test]
fn expensive_histories_end_at_the_bound() {
    for (count, outcome) in [(30, ":ok"), (3_000, ":ok"), (30, ":info"), (3_000, ":info")] {
        let input = all_at_once(count, outcome);
        let judged = judge(input.as_bytes(), Model::Register, None, &LIMITS);
        let judged = judged.expect("it is a history");
        // Wrong it is, and never is it taken for right.
        assert_ne!(judged.verdict, Verdict::Pass, "{count} {outcome}");
    }
    // A counter's states do not repeat, so nothing that was seen helps.
    let mut text = String::new();
    for n in 0..40u64 {
        text += &format!("{n} :invoke :add {}\n", 2u64 << n);
    }
    text += "99 :invoke :read nil\n99 :ok :read 1\n";
    let judged = judge(text.as_bytes(), Model::Counter, None, &LIMITS).expect("a history");
    assert_eq!(judged.verdict, Verdict::Unknown);
    // Long strings that grow.
    let long = "y".repeat(1 << 16);
    let mut text = String::new();
    for n in 0..40 {
        let map = |kind: &str| {
            format!("{{:process {n}, :type :{kind}, :f :append, :key 1, :value \"{n}{long}\"}}\n")
        };
        text += &(map("invoke") + &map("ok"));
    }
    let judged = judge(text.as_bytes(), Model::Kv, None, &LIMITS).expect("a history");
    assert_eq!(judged.verdict, Verdict::Unknown);
    let judged = judge(text.as_bytes(), Model::Kv, None, &Limits::default());
    assert_eq!(judged.expect("a history").verdict, Verdict::Pass);
}
