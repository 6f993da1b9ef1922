use std::cell::Cell;
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
