//! What hooks are told.

use std::sync::{Arc, Mutex};

use lucia::{Event, EventKind};
use serde_json::Value;

/// The events of an `Auth` with this [`hook`](Self::hook).
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    pub(crate) fn hook(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let told = self.0.clone();
        move |event| told.lock().unwrap().push(event.clone())
    }

    /// The events since the last call.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The events since the last call: the name of each, and its reason or cause where it has one.
    pub(crate) fn names(&self) -> Vec<String> {
        let events = self.events();
        events.iter().map(|event| name(&event.kind)).collect()
    }
}

/// The name of an event, with its reason or cause.
pub(crate) fn name(kind: &EventKind) -> String {
    if let EventKind::Interrupted { change, .. } = kind {
        return format!("interrupted: {}", name(change));
    }
    let fields = serde_json::to_value(kind).unwrap();
    let reason = fields.get("reason").or(fields.get("cause"));
    match reason.and_then(Value::as_str) {
        // It is a whole sentence.
        Some(reason) if kind.name() != "origin_refused" => format!("{}: {reason}", kind.name()),
        _ => kind.name().to_owned(),
    }
}
