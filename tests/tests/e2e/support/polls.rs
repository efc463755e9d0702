//! Whether anybody has asked for a body.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::poll_fn;
use futures_util::{Stream, StreamExt};

/// How often the bodies of requests were polled.
#[derive(Clone, Default)]
pub(crate) struct Polls(Arc<AtomicUsize>);

impl Polls {
    /// The number since the last call.
    pub(crate) fn count(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }

    /// A body that counts.
    pub(crate) fn of<S: Stream + Unpin>(
        &self,
        mut body: S,
    ) -> impl Stream<Item = S::Item> + use<S> {
        let polls = self.0.clone();
        poll_fn(move |context| {
            polls.fetch_add(1, Ordering::SeqCst);
            body.poll_next_unpin(context)
        })
    }
}
