//! Looks for given words in everything that any crate logs, at every level.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use once_cell::sync::Lazy;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The lines logged since [`watch`] that hold one of its words.
#[derive(Debug)]
pub struct Watch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    words: Vec<String>,
    lines: Mutex<Vec<String>>,
}

/// Every watch that goes on. Lines that nobody watches for are not kept: at `TRACE` they are many.
static WATCHES: RwLock<Vec<Arc<Watched>>> = RwLock::new(Vec::new());

/// Whether the layer could be made the process's subscriber.
static INSTALLED: Lazy<bool> = Lazy::new(|| {
    tracing_subscriber::registry()
        .with(Lines)
        .try_init()
        .is_ok()
});

/// Begins to look for `words` in what this process logs, by `tracing` or by `log`, from whatever
/// thread.
///
/// # Panics
///
/// When something else has taken the process's logging.
pub fn watch<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Watch {
    assert!(*INSTALLED, "another subscriber takes the logs");
    let watched = Arc::new(Watched {
        words: words.into_iter().map(Into::into).collect(),
        lines: Mutex::new(Vec::new()),
    });
    write(&WATCHES).push(watched.clone());
    Watch(watched)
}

impl Watch {
    /// The lines found so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        lock(&self.0.lines).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        write(&WATCHES).retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

/// Turns spans and events into lines and hands them to whoever watches.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        offer(attributes.metadata(), |line| attributes.record(line));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        offer_text(|line| values.record(line));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        offer(event.metadata(), |line| event.record(line));
    }
}

fn offer(metadata: &tracing::Metadata<'_>, record: impl FnOnce(&mut Line)) {
    offer_text(|line| {
        let _ = write!(
            line.0,
            "{} {} {}:",
            metadata.level(),
            metadata.target(),
            metadata.name()
        );
        record(line);
    });
}

fn offer_text(record: impl FnOnce(&mut Line)) {
    let watches = WATCHES.read().unwrap_or_else(PoisonError::into_inner);
    if watches.is_empty() {
        return;
    }
    let mut line = Line(String::new());
    record(&mut line);
    for watched in &*watches {
        if watched.words.iter().any(|word| line.0.contains(word)) {
            lock(&watched.lines).push(line.0.clone());
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::watch;

    #[test]
    fn a_watch_finds_its_words_at_every_level_and_no_others() {
        let found = watch(["swordfish"]);
        tracing::trace!(field = ?Some("swordfish"), "a field");
        tracing::info!("the swordfish of a message");
        tracing::info!("something else");
        let _span = tracing::debug_span!("span", name = "swordfish");
        assert_eq!(found.lines().len(), 3, "{found:?}");
    }
}
