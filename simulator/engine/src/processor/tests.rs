use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use super::*;
use crate::executor::{Entered, Executor};
use squall_plan::plan::Seed;

/// Hosts whose work costs 5 ns to wake up for, and 10 ns a task, on some cores; sending
/// costs 100 ns, a KiB 200 ns.
fn charged(hosts: usize, cores: Option<usize>) -> (Rc<Executor>, Entered, Vec<HostId>) {
    let costs = Costs {
        wakeup_ns: 5,
        task_ns: 10,
        send_ns: 100,
        kib_ns: 200,
        ..Costs::default()
    };
    let mut processors = Processors::default();
    processors.set_cores(cores);
    for host in 0..hosts {
        processors.charge(HostId(host), costs);
    }
    let (executor, entered) = Executor::enter_with(Some(Box::new(processors)), |_| {});
    let hosts = (0..hosts).map(|_| executor.add_host(0, 0, Seed(1).rng()));
    let hosts = hosts.collect();
    (executor, entered, hosts)
}

type Log = Rc<RefCell<Vec<(usize, Nanos)>>>;

/// Spawns a task that notes when it runs.
fn note(executor: &Rc<Executor>, host: HostId, log: &Log) {
    let (clock, log) = (executor.clone(), log.clone());
    executor.spawn_on(host, async move {
        log.borrow_mut().push((host.0, clock.now()));
    });
}

/// Runs until nothing can happen any more, or `until`.
fn play(executor: &Executor, until: Nanos) {
    loop {
        while executor.run_ready() {}
        match executor.next_timer() {
            Some(next) if next <= until => {
                executor.set_time(next);
                executor.fire_due();
            }
            _ => return,
        }
    }
}

#[test]
fn a_busy_process_does_one_thing_after_the_other() {
    let (executor, _entered, hosts) = charged(1, None);
    let log = Log::default();
    for _ in 0..3 {
        note(&executor, hosts[0], &log);
    }
    play(&executor, 1_000);
    assert_eq!(*log.borrow(), [(0, 5), (0, 15), (0, 25)]);
    assert_eq!(executor.now(), 35, "busy with the last one until then");
    note(&executor, hosts[0], &log);
    play(&executor, 1_000);
    assert_eq!(log.borrow()[3], (0, 40), "it has to wake up again");
    let usage = executor.usage(hosts[0]).expect("it is charged");
    assert_eq!((usage.wakeups, usage.tasks, usage.sends), (2, 4, 0));
}

#[test]
fn what_a_task_does_counts_until_it_is_done() {
    let (executor, _entered, hosts) = charged(1, None);
    let done: Log = Log::default();
    let (clock, log) = (executor.clone(), done.clone());
    executor.spawn_on(hosts[0], async move {
        clock.spend(Work::Send);
        clock.spend_on_bytes(512);
        log.borrow_mut().push((0, clock.done_at(HostId(0))));
    });
    note(&executor, hosts[0], &done);
    play(&executor, 1_000);
    assert_eq!(*done.borrow(), [(0, 215), (0, 215)]);
}

#[test]
fn processes_share_cores_in_the_order_of_asking() {
    let (executor, _entered, hosts) = charged(3, Some(2));
    let log = Log::default();
    for host in [2, 0, 1, 2] {
        note(&executor, hosts[host], &log);
    }
    play(&executor, 1_000);
    // The third to ask waits until the first core is free: that of host 0 at 15.
    assert_eq!(*log.borrow(), [(2, 5), (0, 5), (2, 15), (1, 20)]);
}

/// How long a process that has rested for a while waits to run, if the core that it had
/// is taken for 115 ns and the other one for 15 ns.
fn wait_after(rest: Nanos) -> Nanos {
    let (executor, _entered, hosts) = charged(3, Some(2));
    let log = Log::default();
    note(&executor, hosts[2], &log);
    play(&executor, 1_000);
    let begins = executor.now() + rest;
    executor.set_time(begins);
    let clock = executor.clone();
    executor.spawn_on(hosts[0], async move { clock.spend(Work::Send) });
    note(&executor, hosts[1], &log);
    note(&executor, hosts[2], &log);
    play(&executor, begins + 1_000);
    let ran = *log.borrow().last().expect("all ran");
    assert_eq!(ran.0, 2, "{:?}", log.borrow());
    ran.1 - begins
}

#[test]
fn a_process_waits_for_its_core_while_its_caches_are_hot() {
    assert_eq!(wait_after(1_000), 115 + 5);
    assert_eq!(wait_after(600_000), 15 + 5, "it may as well go elsewhere");
}

/// Keeps the core of `host` busy from a time to another.
fn spin(executor: &Rc<Executor>, host: HostId, from: Nanos, until: Nanos) {
    let clock = executor.clone();
    executor.spawn_on(host, async move {
        clock.sleep_until(from).await;
        std::future::poll_fn(move |cx| {
            clock.spend(Work::Send);
            cx.waker().wake_by_ref();
            match clock.now() < until {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
    });
}

/// How long a process waits to run whose core is taken while another is free, after both
/// have been taken since a time.
fn wait_beside_a_free_core(taken_since: Nanos) -> Nanos {
    const BEGINS: Nanos = 80_000_000;
    let (executor, _entered, hosts) = charged(3, Some(2));
    let log = Log::default();
    spin(&executor, hosts[0], taken_since, Nanos::MAX);
    spin(&executor, hosts[1], taken_since, BEGINS - 500);
    play(&executor, BEGINS);
    executor.set_time(BEGINS);
    note(&executor, hosts[2], &log);
    play(&executor, BEGINS + 10_000);
    log.borrow()[0].1 - BEGINS
}

#[test]
fn a_process_looks_for_another_core_only_while_there_is_little_load() {
    assert_eq!(wait_beside_a_free_core(79_000_000), 5);
    let loaded = wait_beside_a_free_core(1_000_000);
    assert!((6..=115).contains(&loaded), "{loaded}");
}

#[test]
fn a_process_that_never_rests_lets_others_in() {
    let (executor, _entered, hosts) = charged(2, Some(1));
    let log = Log::default();
    let spins = Rc::new(Cell::new(0));
    let counter = spins.clone();
    executor.spawn_on(
        hosts[0],
        std::future::poll_fn(move |cx| {
            counter.set(counter.get() + 1);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }),
    );
    play(&executor, 100);
    note(&executor, hosts[1], &log);
    play(&executor, 2_000_000);
    // It waited for a slice of 1.4 ms, and has had nearly nothing of its own: the next time
    // it waits for no more than the task that runs.
    note(&executor, hosts[1], &log);
    play(&executor, 10_000_000);
    let [(1, first), (1, second)] = log.borrow()[..] else {
        panic!("the other ran twice: {:?}", log.borrow());
    };
    assert!((1_400_000..1_400_100).contains(&first), "{first}");
    assert!((2_000_000..2_000_020).contains(&second), "{second}");
    assert!(spins.get() > 900_000, "{}", spins.get());
}

#[test]
fn killed_and_paused_processes_leave_their_core() {
    let (executor, _entered, hosts) = charged(2, Some(1));
    let log = Log::default();
    note(&executor, hosts[0], &log);
    note(&executor, hosts[1], &log);
    while executor.run_ready() {}
    executor.kill(hosts[0]);
    play(&executor, 1_000);
    assert_eq!(*log.borrow(), [(1, 5)]);
    note(&executor, hosts[0], &log);
    note(&executor, hosts[0], &log);
    play(&executor, 25);
    executor.set_paused(hosts[0], true);
    note(&executor, hosts[1], &log);
    play(&executor, 1_000);
    assert_eq!(log.borrow()[1..], [(0, 20), (1, 35)]);
    executor.set_paused(hosts[0], false);
    play(&executor, 1_000);
    assert_eq!(log.borrow()[3..], [(0, 50)]);
}

const SYNC: Nanos = 100;
const WAIT: Nanos = 1_000;

/// When a sync that began at once was over, and when another task of the same node, that
/// had to wait for it to begin, ran; on some cores.
fn sync_on(cores: usize) -> (Nanos, Nanos) {
    let mut processors = Processors::default();
    processors.set_cores(Some(cores));
    let costs = Costs {
        sync_ns: SYNC,
        ..Costs::default()
    };
    let (node, background) = (HostId(0), HostId(1));
    processors.charge(node, Costs::default());
    processors.charge(background, costs);
    let (executor, _entered) = Executor::enter_with(Some(Box::new(processors)), |_| {});
    for host in [node, background] {
        assert_eq!(executor.add_host(0, 0, Seed(1).rng()), host);
    }
    executor.set_background(node, background);
    let over = Rc::new(Cell::new(None));
    let (clock, seen) = (executor.clone(), over.clone());
    executor.spawn_on(node, async move {
        clock.sync_in_background(background, WAIT).await;
        seen.set(Some(clock.now()));
    });
    let went_on = Rc::new(Cell::new(None));
    let (clock, seen) = (executor.clone(), went_on.clone());
    executor.spawn_on(node, async move {
        clock.sleep_until(SYNC / 2).await;
        seen.set(Some(clock.now()));
    });
    play(&executor, Nanos::MAX);
    let usage = executor.usage(node).expect("it is charged");
    assert_eq!(
        usage.syncs, 1,
        "the process has synced, whichever thread did"
    );
    (over.get().expect("synced"), went_on.get().expect("ran"))
}

#[test]
fn a_node_goes_on_while_its_disk_syncs_if_there_is_a_core() {
    let over = SYNC + WAIT;
    assert_eq!(sync_on(2), (over, SYNC / 2));
    assert_eq!(sync_on(1), (over, SYNC), "the helper has the only core");
}
