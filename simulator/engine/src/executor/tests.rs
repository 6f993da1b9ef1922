use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;
use squall_plan::plan::Seed;

/// Two hosts, of which the first keeps its panics to itself.
fn two_hosts() -> (Rc<Executor>, Entered, [HostId; 2]) {
    let (executor, entered) = Executor::enter(|_| {});
    let hosts = [(); 2].map(|()| executor.add_host(0, 0, Seed(1).rng()));
    executor.contain_panics(hosts[0]);
    (executor, entered, hosts)
}

#[test]
fn a_panic_ends_its_host_and_no_other() {
    let (executor, _entered, [broken, sound]) = two_hosts();
    let ran = Rc::new(Cell::new((0, 0)));
    let (here, there) = (ran.clone(), ran.clone());
    executor.spawn_on(broken, async { panic!("{} is not {}", 1, 2) });
    executor.spawn_on(
        broken,
        async move { here.set((here.get().0 + 1, here.get().1)) },
    );
    executor.spawn_on(sound, async move {
        there.set((there.get().0, there.get().1 + 1))
    });
    while executor.run_ready() {}
    assert_eq!(ran.get(), (0, 1), "no other task of the broken host runs");
    assert_eq!(executor.take_panics(), [(broken, "1 is not 2".to_owned())]);
    assert_eq!(executor.take_panics(), []);
    executor.kill(broken);
    executor.set_paused(broken, false);
    while executor.run_ready() {}
    assert_eq!(ran.get(), (0, 1), "killed, not only paused");
}

#[test]
#[should_panic(expected = "the harness is wrong")]
fn a_panic_of_the_harness_is_none_of_a_host() {
    let (executor, _entered, [_, harness]) = two_hosts();
    executor.spawn_on(harness, async { panic!("the harness is wrong") });
    while executor.run_ready() {}
}

/// In which order eight tasks run that can all go on at once.
fn order(seed: Option<u64>) -> Vec<u64> {
    let (executor, _entered, [host, _]) = two_hosts();
    if let Some(seed) = seed {
        executor.draw_order(Seed(seed).rng());
    }
    let ran = Rc::new(RefCell::new(Vec::new()));
    for task in 0..8 {
        let ran = ran.clone();
        executor.spawn_on(host, async move { ran.borrow_mut().push(task) });
    }
    while executor.run_ready() {}
    ran.take()
}

#[test]
fn who_goes_first_is_drawn_if_that_is_asked_for() {
    let spawned: Vec<u64> = (0..8).collect();
    assert_eq!(order(None), spawned);
    let drawn = order(Some(1));
    assert_ne!(drawn, spawned);
    assert_eq!(drawn, order(Some(1)), "the same seed, the same order");
    assert_ne!(drawn, order(Some(2)));
    let mut all = drawn;
    all.sort_unstable();
    assert_eq!(all, spawned, "everybody had a turn");
}
