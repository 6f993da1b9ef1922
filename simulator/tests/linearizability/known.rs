//! Histories of other tools, with verdicts that are known.

use squall::check::Verdict;
use squall::check::external::{Fail, Format, Judgement, Limits, Model, judge};

use crate::files::sample;

fn judged(file: &str, model: Model) -> Judgement {
    let limits = Limits::default();
    judge(&sample(file), model, None, &limits).expect("the sample is a history")
}

#[test]
fn jepsen_logs_of_a_register() {
    for (number, expected) in [
        (0, Verdict::Fail),
        (1, Verdict::Fail),
        (2, Verdict::Pass),
        (5, Verdict::Pass),
        (10, Verdict::Fail),
        (18, Verdict::Pass),
        (31, Verdict::Pass),
        (49, Verdict::Pass),
        (56, Verdict::Pass),
        (76, Verdict::Pass),
        (87, Verdict::Pass),
        // With 60 operations of unknown outcome a search that tries their sets does not end.
        (99, Verdict::Fail),
    ] {
        let judged = judged(&format!("etcd_{number:03}.log"), Model::Register);
        assert_eq!(judged.verdict, expected, "{number}: {}", judged.detail);
        assert_eq!(judged.format, Format::Jepsen);
    }
}

#[test]
fn maps_of_keys_with_append() {
    let good = judged("kv_c01-ok.txt", Model::Kv);
    assert_eq!((good.verdict, good.format), (Verdict::Pass, Format::Edn));
    assert_eq!(good.objects, 10);
    let bad = judged("kv_c10-bad.txt", Model::Kv);
    assert_eq!(bad.verdict, Verdict::Fail, "{}", bad.detail);
}

/// Up to the last event of the prefix that is shown the log is wrong, without it right.
#[test]
fn the_prefix_that_is_shown_is_the_shortest() {
    for number in [0, 1, 10, 99] {
        let input = sample(&format!("etcd_{number:03}.log"));
        let limits = Limits::default();
        let verdict = |lines: usize| {
            let kept = input.split_inclusive(|&byte| byte == b'\n').take(lines);
            let input: Vec<u8> = kept.flatten().copied().collect();
            let judged = judge(&input, Model::Register, None, &limits);
            judged.expect("a prefix is a history").verdict
        };
        let judged = judge(&input, Model::Register, None, &limits).expect("it is one");
        let violation = judged.violation.expect("it is wrong");
        let lines = usize::try_from(violation.line).expect("a short file");
        assert!(violation.is_shortest);
        assert_eq!(verdict(lines), Verdict::Fail, "{number}");
        assert_eq!(verdict(lines - 1), Verdict::Pass, "{number}");
        let last = violation.story.last().expect("a violation is described");
        assert!(last.contains(&format!(" to {lines})")), "{last}");
    }
}

#[test]
fn a_picture_is_one_page_and_shows_the_order() {
    let judged = judged("etcd_099.log", Model::Register);
    let violation = judged.violation.expect("it is wrong");
    let page = violation.scene.to_html();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for part in [
        "<svg ",
        "prefers-color-scheme:dark",
        "class=\"stuck\"",
        "class=\"ordered\"",
        "the register is not linearizable",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for foreign in ["http:", "https:", "<script", "url(", "@import", " src="] {
        let found = page.matches(foreign).count();
        // The name of the SVG language is an address, but nothing is fetched from it.
        let allowed = if foreign == "http:" { 1 } else { 0 };
        assert_eq!(found, allowed, "{foreign}");
    }
}

#[test]
fn every_model_finds_its_mistake() {
    let event = |process: u32, kind: &str, rest: &str| {
        format!("{{:process {process}, :type :{kind}, {rest}}}\n")
    };
    let call = |process: u32, asked: &str, answer: &str| {
        event(process, "invoke", asked) + &event(process, "ok", answer)
    };
    let enqueue = |value: u32| {
        let said = format!(":f :enqueue, :value {value}");
        call(0, &said, &said)
    };
    let dequeue = |answer: &str| {
        let answer = format!(":f :dequeue, :value {answer}");
        call(1, ":f :dequeue, :value nil", &answer)
    };
    let acquire = |process: u32, token: u32| {
        let answer = format!(":f :acquire, :value {{:token {token}}}");
        call(process, ":f :acquire", &answer)
    };
    let release = |process: u32| call(process, ":f :release", ":f :release");
    let add = |by: i32| {
        let said = format!(":f :add, :value {by}");
        call(0, &said, &said)
    };
    let lost_add = event(2, "invoke", ":f :add, :value 10");
    let read = |value: i32| call(1, ":f :read", &format!(":f :read, :value {value}"));
    let lost_dequeue = event(3, "invoke", ":f :dequeue");
    for (model, history, expected) in [
        (
            Model::Queue,
            enqueue(1) + &enqueue(2) + &dequeue("1"),
            Verdict::Pass,
        ),
        (
            Model::Queue,
            enqueue(1) + &enqueue(2) + &dequeue("2"),
            Verdict::Fail,
        ),
        (
            Model::Queue,
            enqueue(1) + &enqueue(2) + &lost_dequeue + &dequeue("2") + &dequeue("nil"),
            Verdict::Pass,
        ),
        (Model::Queue, enqueue(1) + &dequeue("nil"), Verdict::Fail),
        (
            Model::Lock,
            acquire(0, 1) + &release(0) + &acquire(1, 2),
            Verdict::Pass,
        ),
        (Model::Lock, acquire(0, 1) + &acquire(1, 2), Verdict::Fail),
        (
            Model::Lock,
            acquire(0, 2) + &release(0) + &acquire(1, 1),
            Verdict::Fail,
        ),
        (Model::Counter, add(3) + &read(3), Verdict::Pass),
        (Model::Counter, add(3) + &read(4), Verdict::Fail),
        (
            Model::Counter,
            lost_add + &add(3) + &read(3) + &read(13),
            Verdict::Pass,
        ),
    ] {
        let judged = judge(history.as_bytes(), model, None, &Limits::default());
        let judged = judged.expect("it is a history");
        assert_eq!(judged.verdict, expected, "{model:?}\n{history}");
    }
}

/// Every value is written once, so that the search may not matter.
#[test]
fn registers_with_unique_writes_are_decided_however_many_outcomes_are_unknown() {
    let mut text = String::new();
    for n in 0..400 {
        text += &format!("{n} :invoke :write {n}\n");
    }
    for n in (0..400).filter(|n| n % 3 > 0) {
        text += &format!("{n} :info :write {n} :timeout\n");
    }
    for (reader, n) in [(1_000, 1), (1_001, 2), (1_002, 3)] {
        text += &format!("{reader} :invoke :read nil\n{reader} :ok :read {n}\n");
    }
    let judged = |text: &str| {
        let few = Limits {
            steps: 0,
            steps_per_operation: 0,
            ..Limits::default()
        };
        judge(text.as_bytes(), Model::Register, None, &few).expect("it is a history")
    };
    let good = judged(&text);
    assert_eq!(good.verdict, Verdict::Pass, "{}", good.detail);
    text += "1003 :invoke :read nil\n1003 :ok :read 1\n";
    let bad = judged(&text);
    assert_eq!(bad.verdict, Verdict::Fail, "{}", bad.detail);
    let violation = bad.violation.expect("it is wrong");
    assert!(violation.is_shortest);
    let what = "of two values each must come before the other:";
    assert_eq!(violation.story[0], what);
}

#[test]
fn what_a_failed_comparison_means_can_be_said() {
    let log = "0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :cas [1 2]\n0 :fail :cas [1 2]\n";
    let judged = |fail| {
        let limits = Limits {
            fail,
            ..Limits::default()
        };
        let judged = judge(log.as_bytes(), Model::Register, None, &limits);
        let judged = judged.expect("it is a history");
        (judged.verdict, judged.fail)
    };
    let compared = Some(Fail::Compared);
    assert_eq!(judged(None), (Verdict::Fail, compared));
    assert_eq!(judged(compared), (Verdict::Fail, compared));
    let dropped = Some(Fail::Dropped);
    assert_eq!(judged(dropped), (Verdict::Pass, dropped));
}
