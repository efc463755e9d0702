//! Whether anybody has asked for a body.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use futures_util::Stream;
use futures_util::stream::poll_fn;

/// How often the bodies of requests were polled.
#[derive(Clone, Default)]
pub(crate) struct Polls(Arc<AtomicUsize>);

impl Polls {
    /// The number since the last call.
    pub(crate) fn count(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }

    /// The request, with its body counted.
    pub(crate) fn of(&self, mut request: ServiceRequest) -> ServiceRequest {
        let polls = self.0.clone();
        let mut payload = request.take_payload();
        let counted = poll_fn(move |context| {
            polls.fetch_add(1, Ordering::SeqCst);
            Pin::new(&mut payload).poll_next(context)
        });
        request.set_payload(Payload::Stream {
            payload: Box::pin(counted),
        });
        request
    }
}
