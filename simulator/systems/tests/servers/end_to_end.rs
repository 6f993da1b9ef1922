//! Workloads of a scenario on real systems, with the death of the leader in the middle: the
//! histories are judged by what the system promises.

use std::time::Duration;

use squall_check::{CheckResult, Verdict, check_system};
use squall_history::{EventKind, Phase, Recorder};
use squall_plan::plan::Plan;
use squall_plan::scenario::Scenario;
use squall_systems::SystemFile;
use squall_workload::{RunContext, audits};
use squall_world::{RealWorld, World};

use crate::program::{register, register_with};
use crate::servers::*;

const SCENARIO: &str = r#"
name = "t"
must_judge = ["L1", "Q1", "C1", "R2"]
[[workload]]
service = "lock"
clients = 4
shared = "25%"
ttl = "3s"
think = { min = "5ms", max = "10ms" }
[[workload]]
service = "queue"
producers = 2
consumers = 2
visibility = "1s"
think = { min = "5ms", max = "10ms" }
[[workload]]
service = "cache"
clients = 4
keys = 5
think = { min = "5ms", max = "10ms" }
"#;

async fn play(mut servers: Servers) -> Vec<CheckResult> {
    let scenario = Scenario::parse(SCENARIO, "t.toml").expect("a scenario");
    let fit = servers.system.fit(&scenario);
    let scenario = Scenario::parse_with(SCENARIO, "t.toml", &fit.settings).expect("it fits");
    let plan = Plan::resolve(&scenario, 7).expect("a plan");
    let services = servers.system.services();

    let began = RealWorld::now();
    let recorder = Recorder::new(move || (RealWorld::now() - began).as_micros() as u64);
    let drivers = Some(servers.drivers());
    let addresses = vec!["unused".to_owned()];
    let context = RunContext::with_drivers::<RealWorld>(recorder, addresses, drivers);
    let enter = |phase| context.recorder.record(EventKind::Phase { phase });

    enter(Phase::Warmup);
    squall_workload::start(&context, &services, &plan);
    let moment = || RealWorld::sleep(Duration::from_millis(1_000));
    moment().await;
    enter(Phase::Chaos);
    context.count_operations();
    moment().await;
    let leader = servers.leader().await;
    servers.kill(leader).await;
    moment().await;
    if servers.members.len() > 1 {
        // It must not bring back what only it had.
        servers.leader().await;
        moment().await;
    }
    servers.start_node(leader);
    context.close_operations();
    enter(Phase::Heal);
    servers
        .until("all are back", |all| {
            all.iter().all(Option::is_some) && leaders(all) > 0
        })
        .await;
    enter(Phase::Converge);
    enter(Phase::Serve);
    moment().await;
    context.stop();
    while !context.is_finished() {
        RealWorld::sleep(Duration::from_millis(10)).await;
    }
    context.resume();
    enter(Phase::Audit);
    let audited = audits::run(&context, &services, &plan, Duration::from_secs(30)).await;
    enter(Phase::End);
    if let Err(unfinished) = audited {
        panic!("the audit did not finish: {}", unfinished.why);
    }
    let mut results = check_system(&context.recorder.take());
    servers.system.promises().weigh(&mut results);
    results
}

fn of<'r>(results: &'r [CheckResult], name: &str) -> &'r CheckResult {
    let found = results.iter().find(|result| result.name == name);
    found.expect("every check has a result")
}

/// What is broken, but for how soon a slow machine serves again.
fn broken(results: &[CheckResult]) -> Vec<&CheckResult> {
    let failed = results
        .iter()
        .filter(|result| result.verdict == Verdict::Fail);
    failed.filter(|result| result.property != "R4").collect()
}

/// The system keeps what it promises, and these checks had something to judge.
fn keeps(system: SystemFile, nodes: usize, judged: &'static [&'static str]) {
    with_servers(system, nodes, move |servers| async move {
        let results = play(servers).await;
        assert!(broken(&results).is_empty(), "{:#?}", broken(&results));
        for name in judged {
            let result = of(&results, name);
            assert_eq!(result.verdict, Verdict::Pass, "{result:#?}");
            println!("{name}: {}", result.detail);
        }
    });
}

#[test]
fn etcd_keeps_its_promises_when_its_leader_dies() {
    let judged = &[
        "cache_linearizable",
        "lost_writes",
        "lock_exclusion",
        "lock_tokens",
    ];
    keeps(shipped("etcd"), 3, judged);
}

#[test]
fn jetstream_loses_nothing_when_its_leader_dies() {
    let judged = &["lost_writes", "queue_conservation", "queue_redelivery"];
    keeps(shipped("nats-jetstream"), 3, judged);
}

#[test]
fn redis_keeps_its_promises_when_it_is_killed() {
    let judged = &[
        "cache_linearizable",
        "lost_writes",
        "lock_exclusion",
        "queue_conservation",
        "queue_redelivery",
    ];
    keeps(shipped("redis"), 1, judged);
}

#[test]
fn the_register_in_python_keeps_its_promises_without_its_mistake() {
    keeps(register(None), 3, &["cache_linearizable", "lost_writes"]);
}

#[test]
fn an_answer_before_replication_is_found_and_without_a_promise_only_shown() {
    with_servers(
        register_with(None, str::to_owned),
        3,
        |servers| async move {
            let results = play(servers).await;
            let found = of(&results, "cache_linearizable");
            assert_eq!(found.verdict, Verdict::Fail, "{found:#?}");
        },
    );
    let unpromised = |text: &str| {
        let promised = "linearizable = true\ndurable = true\n";
        assert!(text.contains(promised));
        text.replace(promised, "")
    };
    with_servers(register_with(None, unpromised), 3, |servers| async move {
        let results = play(servers).await;
        let found = of(&results, "cache_linearizable");
        assert_eq!(found.verdict, Verdict::NotPromised, "{found:#?}");
        assert!(
            found.detail.starts_with("not promised, and broken"),
            "{found:#?}"
        );
        assert!(broken(&results).is_empty(), "{:#?}", broken(&results));
    });
}
