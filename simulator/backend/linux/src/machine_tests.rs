//! What is known of nodes that are asked, without any process.

use std::rc::Rc;

use squall_backend::site::{Membership, Observation};
use squall_workload::RunContext;

use super::*;
use crate::host::{Output, OutputStream};
use crate::poll::Role;
use crate::sampler::{Accounts, Network};
use crate::site::NodeSite;
use squall_history::Recorder;

/// A process that runs for ever and says nothing.
struct Silent;

impl HostProcess for Silent {
    fn pid(&self) -> i32 {
        1
    }

    async fn signal(&self, _: Signal) -> Result<(), String> {
        Ok(())
    }

    async fn ended(&self) -> Result<(), String> {
        std::future::pending().await
    }

    async fn settled(&self) -> Result<Option<i64>, String> {
        Ok(None)
    }

    fn is_stopped(&self) -> bool {
        false
    }

    fn accounts(&self) -> Accounts {
        Accounts::Processes(Vec::new())
    }
}

struct Hosts;

impl Host for Hosts {
    type Process = Silent;

    async fn start(&self, _: usize, _: bool) -> Result<Started<Silent>, String> {
        let output: OutputStream = Box::pin(futures_util::stream::pending::<Output>());
        Ok(Started {
            process: Silent,
            output,
        })
    }

    async fn renew(&self, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn network(&self, _: usize) -> Network {
        Network::Unknown
    }
}

/// Three nodes that run, of a system whose nodes are asked.
async fn started() -> NodeSite<Hosts> {
    let recorder = Recorder::new(|| 0);
    let addresses = vec!["unused".to_owned(); 3];
    let context = RunContext::with_drivers::<RealWorld>(recorder, addresses, None);
    let common = Rc::new(Common {
        host: Hosts,
        clock: Clock::default(),
        context,
        polled: Some(Polled::by(Box::new(|_, _| unreachable!("nobody asks")))),
        leaderships: Default::default(),
        is_made: Cell::new(false),
        log: Default::default(),
        failure: RefCell::default(),
        failed: Notify::new(),
    });
    let machine = |index| Machine::new(index, "unused".into(), common.clone(), false);
    let machines: Vec<Rc<Machine<Hosts>>> = (0..3).map(machine).collect();
    for machine in &machines {
        machine.start().await;
    }
    NodeSite {
        common,
        machines,
        links: None,
        members: 3,
        voters: RefCell::new(vec![true; 3]),
    }
}

#[allow(clippy::disallowed_methods)] // nodes live in real time
fn in_real_world(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("an event loop");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

fn status(applied: Option<u64>) -> Status {
    Status {
        role: Role::Follower,
        term: Some(1),
        applied,
    }
}

#[test]
fn nobody_is_asked_before_the_cluster_is_made() {
    in_real_world(async {
        let site = started().await;
        assert_eq!(Polling::life(&*site.machines[0]), None);
        site.common.is_made.set(true);
        assert_eq!(Polling::life(&*site.machines[0]), Some(1));
    });
}

#[test]
fn of_two_that_lead_one_term_the_newest_is_the_leader() {
    in_real_world(async {
        let site = started().await;
        let leads = |node: usize, at_us, term| {
            let index = 0;
            site.machines[node].record(at_us, NodeEvent::Leader { term });
            site.machines[node].record(at_us, NodeEvent::FirstCommit { term, index });
        };
        leads(2, 100, 1);
        assert_eq!(site.leader(), Some(2));
        leads(0, 200, 1);
        assert_eq!(site.leader(), Some(0), "it came later");
        leads(1, 150, 2);
        assert_eq!(site.leader(), Some(1), "its term is greater");
    });
}

#[test]
fn what_a_node_does_not_tell_is_unknown_and_not_zero() {
    in_real_world(async {
        let site = started().await;
        assert!(!site.is_untold(0), "it has not answered");
        site.machines[0].learn(status(None), Vec::new());
        site.machines[1].learn(status(Some(7)), Vec::new());
        assert_eq!((site.applied(0), site.is_untold(0)), (None, true));
        assert_eq!((site.applied(1), site.is_untold(1)), (Some(7), false));
        assert_eq!((site.applied(2), site.is_untold(2)), (None, false));
    });
}

#[test]
fn the_last_question_without_an_answer_is_remembered_until_there_is_one() {
    in_real_world(async {
        let site = started().await;
        let machine = &site.machines[1];
        assert_eq!(machine.trouble(), None);
        machine.miss("no JSON".into());
        let why = machine.trouble().expect("it was missed");
        assert_eq!(why, "node-2 does not say how it stands: no JSON");
        machine.learn(status(Some(1)), Vec::new());
        assert_eq!(machine.trouble(), None);
    });
}

#[test]
fn who_is_asked_by_programs_is_known_for_as_long_as_they_take() {
    let by = |polled: Polled| FRESH.max(polled.longest());
    let connect =
        || -> super::super::poll::Connect { Box::new(|_, _| unreachable!("nobody asks")) };
    assert_eq!(by(Polled::by(connect())), FRESH);
    let slow = Polled::by_programs(connect());
    assert!(slow.limit >= Duration::from_secs(3));
    assert!(by(slow) > Duration::from_secs(3));
}
