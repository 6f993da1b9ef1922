//! What a queue of any of the systems does, and words for its operations.

use std::time::Duration;

use squall_history::{Action, Delivered, Outcome};
use squall_world::{RealWorld, World};

use crate::servers::{Asker, Servers};

pub(crate) fn publish(queue: &str, value: &str) -> Action {
    Action::Publish {
        queue: queue.into(),
        value: value.into(),
        bytes: 100,
    }
}

pub(crate) fn receive(queue: &str, visibility_ms: u64, wait_ms: u64) -> Action {
    Action::Receive {
        queue: queue.into(),
        max: 10,
        visibility_ms,
        wait_ms,
    }
}

/// Asks until there is an answer: a pull of NATS may be lost on its way to who hands out.
pub(crate) async fn received(client: &mut Asker, action: Action) -> Vec<Delivered> {
    match client.insist(action).await {
        Outcome::Received { messages } => messages,
        other => panic!("no messages: {other:?}"),
    }
}

pub(crate) fn ack(queue: &str, message: &Delivered) -> Action {
    Action::Ack {
        queue: queue.into(),
        receipt: message.receipt,
        value: message.value.clone(),
    }
}

pub(crate) fn depth(queue: &str) -> Action {
    Action::Depth {
        queue: queue.into(),
    }
}

pub(crate) fn holds(ready: u64, in_flight: u64) -> Outcome {
    Outcome::Depth {
        ready,
        in_flight,
        delayed: 0,
    }
}

/// Waits until a queue holds so many: who counts may hear of a message after it is stored.
pub(crate) async fn until_holds(client: &mut Asker, queue: &str, expected: Outcome) {
    let limit = RealWorld::now() + Duration::from_secs(10);
    loop {
        let held = client.ask(depth(queue)).await;
        if held == expected {
            return;
        }
        assert!(RealWorld::now() < limit, "{held:?}, not {expected:?}");
        RealWorld::sleep(Duration::from_millis(10)).await;
    }
}

/// A queue hands out what was published, again if nobody acknowledges it, and keeps it until
/// somebody does. `tells`: it says of an acknowledgement that came too late that it did.
pub(crate) async fn queues_work(servers: &Servers, tells: bool) {
    // Those of one run know each other's receipts.
    let drivers = servers.drivers();
    let (mut one, mut other) = (Asker(drivers(0)), Asker(drivers(1)));
    assert_eq!(one.ask(depth("q")).await, holds(0, 0));
    let Outcome::Published { id } = one.insist(publish("q", "a")).await else {
        panic!("it was published");
    };
    one.ask(publish("q", "b")).await;
    until_holds(&mut one, "q", holds(2, 0)).await;
    let first = received(&mut one, receive("q", 600, 0)).await;
    let values: Vec<&str> = first.iter().map(|message| message.value.as_str()).collect();
    assert_eq!(
        (values, first[0].id, first[0].deliveries),
        (vec!["a", "b"], id, 1)
    );
    assert!(received(&mut other, receive("q", 600, 0)).await.is_empty());
    assert_eq!(one.ask(depth("q")).await, holds(0, 2));
    assert_eq!(
        other.ask(ack("q", &first[0])).await,
        Outcome::Settled { valid: true }
    );

    // Nobody acknowledged the other one in time, so somebody else is given it.
    let mut again = Vec::new();
    let limit = RealWorld::now() + Duration::from_secs(10);
    while again.is_empty() && RealWorld::now() < limit {
        again = received(&mut other, receive("q", 600_000, 50)).await;
    }
    assert_eq!(
        (again.len(), again[0].value.as_str(), again[0].deliveries),
        (1, "b", 2)
    );
    assert_ne!(again[0].receipt, first[1].receipt);
    assert_eq!(
        other.ask(ack("q", &again[0])).await,
        Outcome::Settled { valid: true }
    );
    assert_eq!(
        one.ask(ack("q", &first[1])).await,
        Outcome::Settled { valid: !tells }
    );
    assert_eq!(one.ask(depth("q")).await, holds(0, 0));

    // Who waits is given what comes.
    let (got, published) = tokio::join!(
        async { received(&mut one, receive("q", 600, 700)).await },
        async {
            RealWorld::sleep(Duration::from_millis(100)).await;
            other.ask(publish("q", "c")).await
        }
    );
    assert!(published.is_acknowledged());
    assert_eq!(got.len(), 1);
}
