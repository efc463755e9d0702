//! Passwords, tokens, hashes and values of columns: where none of them may be seen.

use lucia_tests::{Watch, watch};

mod shown;
mod urls;
mod written;

/// Secrets that nothing else looks like.
const PASSWORD: &str = "canary-password-swordfish-7313";
const WRONG_PASSWORD: &str = "canary-wrong-password-7313";
const NEW_VALUE: &str = "canary-value-of-a-column-7313";
const BROKEN_HASH: &str = "canary-broken-hash-7313";

/// What has to stay out of sight: the constants, and what is in the database.
struct Secrets(Vec<String>);

impl Secrets {
    /// The constants, and `others` made at random.
    fn with<S: Into<String>>(others: impl IntoIterator<Item = S>) -> Self {
        let known = [PASSWORD, WRONG_PASSWORD, NEW_VALUE, BROKEN_HASH];
        let known = known.into_iter().map(str::to_owned);
        Self(known.chain(others.into_iter().map(Into::into)).collect())
    }

    #[track_caller]
    fn assert_not_in(&self, text: &str, what: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret), "{what} shows {secret}: {text}");
        }
    }

    fn watch(&self) -> Watch {
        watch(self.0.clone())
    }
}

/// Everything that is logged from now on. Keep it for a moment only: it is all of `TRACE`.
fn watch_everything() -> Watch {
    watch([""])
}
