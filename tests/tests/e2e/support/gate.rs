//! Where handlers wait until a test lets them go on.

use std::time::Duration;

use tokio::sync::Semaphore;

/// A gate for one handler at a time. Pass it to handlers by `Routes::give`, in an `Arc`.
#[derive(Debug)]
pub(crate) struct Gate {
    arrived: Semaphore,
    released: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            arrived: Semaphore::new(0),
            released: Semaphore::new(0),
        }
    }
}

impl Gate {
    /// For the handler: waits until the test releases it.
    pub(crate) async fn pass(&self) {
        self.arrived.add_permits(1);
        self.released.acquire().await.unwrap().forget();
    }

    /// Waits until a handler waits.
    pub(crate) async fn arrived(&self) {
        let arrival = tokio::time::timeout(Duration::from_secs(60), self.arrived.acquire()).await;
        arrival.expect("a handler at the gate").unwrap().forget();
    }

    /// Lets one handler go on.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }
}
