//! Connections of users who think: while one does, another may use what the first has open, so
//! that there are as many connections as operations at a time, not as users.

use std::cell::RefCell;

use super::driver::Connection;

/// Connections that nobody uses at the moment, the one used last on top.
#[derive(Default)]
pub(super) struct Pool(RefCell<Vec<Box<dyn Connection>>>);

impl Pool {
    /// Takes the connection of a user who thinks; `stand_in` makes what stands in its place. A
    /// connection that knows things of its user stays with that user.
    pub(super) fn lend(
        &self,
        connection: &mut Box<dyn Connection>,
        stand_in: impl FnOnce() -> Box<dyn Connection>,
    ) {
        if connection.is_shareable() {
            let lent = std::mem::replace(connection, stand_in());
            self.0.borrow_mut().push(lent);
        }
    }

    /// Gives a connection to a user who goes on, if there is one; what it replaces is returned.
    pub(super) fn borrow(
        &self,
        connection: &mut Box<dyn Connection>,
    ) -> Option<Box<dyn Connection>> {
        let lent = self.0.borrow_mut().pop()?;
        Some(std::mem::replace(connection, lent))
    }
}

#[cfg(test)]
mod tests {
    use squall_history::{Action, Outcome};
    use squall_world::Instant;

    use super::*;
    use crate::driver::{ClientDriver, Foreign, Invalidations, LocalFuture, Request};

    /// Of another system; knows the operation of one name.
    struct Knows(&'static str);

    impl ClientDriver for Knows {
        fn issue<'a>(&'a mut self, _: &'a Action, _: Instant) -> LocalFuture<'a, Outcome> {
            Box::pin(async { Outcome::not_awaited() })
        }

        fn offers(&self, operation: &str) -> bool {
            operation == self.0
        }
    }

    /// Like those of Squall's own cluster, which keeps sessions itself.
    struct Plain(Knows);

    impl Connection for Plain {
        fn offers(&self, operation: &str) -> bool {
            self.0.offers(operation)
        }

        fn send<'a>(&'a mut self, request: Request<'a>) -> LocalFuture<'a, Outcome> {
            self.0.issue(request.action, request.deadline)
        }

        fn track(&mut self, _: u64, _: Instant) -> LocalFuture<'_, Option<Box<dyn Invalidations>>> {
            Box::pin(async { None })
        }
    }

    /// Which of two users' connections each has after the first thought while the second went on.
    fn after_a_thought(make: fn(&'static str) -> Box<dyn Connection>) -> (bool, bool) {
        let pool = Pool::default();
        let (mut one, mut other) = (make("one"), make("other"));
        pool.lend(&mut one, || make("stand-in"));
        pool.borrow(&mut other);
        (one.offers("one"), other.offers("other"))
    }

    #[test]
    fn a_client_of_another_system_keeps_the_sessions_and_values_that_only_it_knows() {
        let foreign = |name| Box::new(Foreign(Box::new(Knows(name)))) as Box<dyn Connection>;
        assert_eq!(after_a_thought(foreign), (true, true));
        let own = |name| Box::new(Plain(Knows(name))) as Box<dyn Connection>;
        assert_eq!(after_a_thought(own), (false, false));
    }
}
