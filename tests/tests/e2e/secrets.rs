//! Passwords, tokens, hashes and values of columns: where none of them may be seen.

use std::sync::atomic::{AtomicU64, Ordering};

use lucia::Auth;
use lucia_tests::{Watch, watch};

use crate::support::{Profile, Stage};

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
    /// The constants, and `others` which nobody can know beforehand.
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

/// Random bytes that are the same each time, so that secrets are known before they are made.
fn foreseeable() -> impl Fn(&mut [u8]) -> std::io::Result<()> + Send + Sync + 'static {
    let count = AtomicU64::new(0x7313);
    move |bytes: &mut [u8]| {
        for byte in bytes {
            let next = count.fetch_add(1, Ordering::Relaxed);
            *byte = next.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[1];
        }
        Ok(())
    }
}

async fn auth(stage: &Stage) -> Auth {
    let settings = stage.builder().await.random(foreseeable());
    settings.build().unwrap()
}

/// The token and the hash that the first sign-up with [`PASSWORD`] makes.
async fn foreseen() -> [String; 2] {
    let stage = Stage::sqlite().await;
    let auth = auth(&stage).await;
    let profile = Profile {
        username: "ada".to_owned(),
    };
    let new_user = lucia::NewUser::with_password(("username", "ada"), PASSWORD);
    let user = auth.create_user(new_user.attributes(&profile)).await;
    let session = auth.create_session(&user.unwrap().id).await.unwrap();
    let hash = stage.value("SELECT hashed_password FROM user_key").await;
    [session.token().expose().to_owned(), hash.unwrap()]
}
