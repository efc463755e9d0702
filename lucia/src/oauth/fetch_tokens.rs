//! The tokens of a user at a provider: stored ones, which one caller at a time refreshes, and those that the
//! application stores.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use super::error::Failure;
use super::provider::{OAuthProvider, Parts};
use super::stored::{Kept, Lease, Stored};
use super::tokens::{self, OAuthTokens};
use crate::auth::{Auth, awaited};
use crate::clock::{UnixMillis, random_text};
use crate::store::CredentialRow;
use crate::user::UserId;
use crate::user::key::KeyId;
use crate::{Error, Result};

/// How long an access token works at least that is given out.
const LEAST: Duration = Duration::from_secs(60);

/// How long storing what a provider has given is tried again.
const STORING: Duration = Duration::from_secs(30);

/// How much longer a lease lasts than its caller can take, since clocks differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// The pauses between two looks at a row that another caller refreshes, or that cannot be stored.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

impl Auth {
    /// The tokens of a user at a provider, for calls of its API on behalf of the person. The access token
    /// works for at least another minute. `None` if no tokens are stored: send the person to the provider
    /// with [`begin_oauth`](crate::AuthRequest::begin_oauth) or
    /// [`link_oauth`](crate::AuthRequest::link_oauth).
    ///
    /// ```
    /// use lucia::oauth::{OAuthErrorKind, OAuthProvider};
    /// use lucia::{Auth, Error, UserId};
    ///
    /// async fn access_token(
    ///     auth: &Auth,
    ///     user_id: &UserId,
    ///     google: &OAuthProvider, // built with `.store_tokens()`
    /// ) -> lucia::Result<Option<String>> {
    ///     match auth.oauth_tokens(user_id, google).await {
    ///         Ok(tokens) => Ok(tokens.map(|tokens| tokens.access_token().to_owned())),
    ///         Err(Error::OAuth(error)) if error.kind() == OAuthErrorKind::Revoked => Ok(None),
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// ```
    ///
    /// Tokens are stored if the provider is built with
    /// [`store_tokens`](crate::oauth::OAuthProviderBuilder::store_tokens). An access token that expires
    /// within a minute is refreshed. Across all processes, only one of the calls that need the token
    /// refreshes it, and the others wait. The refresh continues if its future is dropped, and the new
    /// refresh token is stored before anything else happens with it. If the provider does not say when an
    /// access token expires, it is returned as it is.
    ///
    /// # Errors
    ///
    /// [`Error::OAuth`] of the kind [`Revoked`](crate::oauth::OAuthErrorKind::Revoked) if the provider
    /// refuses the refresh token, which is then deleted, or gave none; of the kind
    /// [`Unreadable`](crate::oauth::OAuthErrorKind::Unreadable) if no key decrypts the stored tokens; of
    /// another kind if the provider cannot refresh now, in which case the stored tokens stay.
    /// [`Error::Misuse`] without [`encryption_keys`](crate::AuthBuilder::encryption_keys);
    /// [`Error::Unavailable`] if the store is unavailable.
    pub fn oauth_tokens<'a>(
        &'a self,
        user_id: &'a UserId,
        provider: &'a OAuthProvider,
    ) -> FetchOAuthTokens<'a> {
        FetchOAuthTokens {
            auth: self,
            user_id,
            provider,
            subject: None,
        }
    }

    /// Exchanges a refresh token for new tokens of the provider. Many providers accept a refresh token only
    /// once, so store the new one before you use the new access token. [`oauth_tokens`](Self::oauth_tokens)
    /// does all of this.
    ///
    /// # Errors
    ///
    /// [`Error::OAuth`], of the kind [`Revoked`](crate::oauth::OAuthErrorKind::Revoked) if the provider
    /// refuses the token, for example because the person has withdrawn the permission.
    pub async fn refresh_oauth_tokens(
        &self,
        provider: &OAuthProvider,
        refresh_token: &str,
    ) -> Result<OAuthTokens> {
        let parts = &*provider.0;
        let refreshed = ask_provider(parts, refresh_token, self.now()).await;
        refreshed.map_err(|failure| failure.logged(&parts.id))
    }

    /// Deletes the stored tokens of a user at a provider. The provider is not notified: the person
    /// withdraws the permission there. Does nothing if there are no tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] without [`encryption_keys`](crate::AuthBuilder::encryption_keys);
    /// [`Error::Unavailable`] if the store is unavailable.
    pub async fn delete_oauth_tokens(
        &self,
        user_id: &UserId,
        provider: &OAuthProvider,
    ) -> Result<()> {
        let (_, credentials) = self.vault()?;
        for (row, _) in self.rows_of_tokens(user_id, provider.id()).await? {
            let deleting = credentials.delete_credential(&row.id, user_id, None);
            self.ask(deleting).await?;
        }
        Ok(())
    }
}

/// Stored tokens that are about to be fetched; `.await` fetches them.
#[must_use = "tokens are asked for by `.await`"]
pub struct FetchOAuthTokens<'a> {
    auth: &'a Auth,
    user_id: &'a UserId,
    provider: &'a OAuthProvider,
    subject: Option<String>,
}

/// What came of a refresh.
enum Refreshed {
    Tokens(OAuthTokens),
    /// Another caller has changed the row first.
    Overtaken,
}

impl FetchOAuthTokens<'_> {
    /// Chooses the identity by the [provider user id](crate::KeyId::provider_user_id) of its key, if the
    /// user has several at the provider. Without this call, one of them is chosen.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    async fn fetch(self) -> Result<Option<OAuthTokens>> {
        let parts = &*self.provider.0;
        let logged = |failure: Failure| failure.logged(&parts.id);
        let give_up = Instant::now() + parts.timeout;
        let mut pauses = pauses();
        let mut has_waited = false;
        loop {
            let Some(row) = self.row().await? else {
                return Ok(None);
            };
            let kept = self.auth.opened(row)?.map_err(logged)?;
            let now = self.auth.now();
            if kept.stored.is_good_until(now.plus(LEAST)) {
                let tokens = kept.stored.tokens(now);
                self.seal_anew(&kept).await;
                return Ok(Some(tokens));
            }
            if kept.stored.refresh_token().is_none() {
                let reason = "the access token has expired, and the provider gave no refresh token: ask for one \
                    by the scope or parameter that it wants, such as `offline_access`";
                return Err(logged(Failure::revoked(reason)));
            }
            match &kept.stored.lease {
                Some(lease) if is_live(lease, now.0, parts) => {
                    if Instant::now() >= give_up {
                        let reason = "another call that refreshes the tokens does not end";
                        return Err(logged(Failure::unreachable(reason)));
                    }
                    pause(&mut pauses).await;
                    has_waited = true;
                    continue;
                }
                // Not once more for each caller that has waited.
                None if has_waited => {
                    let reason = "another call could not refresh the tokens";
                    return Err(logged(Failure::unreachable(reason)));
                }
                _ => {}
            }
            let refresh = Refresh {
                auth: self.auth.clone(),
                provider: self.provider.clone(),
                kept,
            };
            // Where the caller goes away, the answer of the provider must not be lost: by it, the refresh token
            // has been replaced.
            let task = tokio::spawn(refresh.run().in_current_span());
            match task.await.map_err(Error::internal)?? {
                Refreshed::Tokens(tokens) => return Ok(Some(tokens)),
                Refreshed::Overtaken => has_waited = true,
            }
        }
    }

    /// The row that is asked for, if the user still has the key that it belongs to.
    async fn row(&self) -> Result<Option<CredentialRow>> {
        let rows = self
            .auth
            .rows_of_tokens(self.user_id, self.provider.id())
            .await?;
        let is_asked_for = |key: &KeyId| {
            let subject = self.subject.as_deref();
            subject.is_none_or(|subject| subject == key.provider_user_id())
        };
        for (row, key_id) in rows {
            if !is_asked_for(&key_id) {
                continue;
            }
            let key = self.auth.find_key(&key_id).await?;
            let is_theirs = key.is_some_and(|key| key.user_id == *self.user_id);
            if is_theirs {
                return Ok(Some(row));
            }
            self.auth.discard(&row).await?;
        }
        Ok(None)
    }

    /// Replaces what another key than the first one encrypts. Where another caller comes first, it does so.
    /// It is tried again by the next call.
    async fn seal_anew(&self, kept: &Kept) {
        if kept.is_current {
            return;
        }
        let swapping = async {
            let data = self.auth.sealed(&kept.row, &kept.stored.to_secret()?)?;
            self.auth.swap_data(&kept.row, &data, None).await
        };
        if let Err(error) = swapping.await {
            let (error, user_id) = (crate::error::chain(&error), self.user_id);
            tracing::warn!(%error, %user_id, "stored tokens are still encrypted with an old key");
        }
    }
}

awaited!(FetchOAuthTokens::fetch -> Option<OAuthTokens>);

debug_of!(FetchOAuthTokens<'_>: user_id, provider);

/// How long a lease lasts: the provider is asked, and what it gives is stored.
fn lease_time(parts: &Parts) -> Duration {
    parts.timeout + STORING + LEEWAY
}

/// Whether the caller that has leased a row can still be at it. One that ends much further ahead than leases
/// last was made by a wrong clock.
fn is_live(lease: &Lease, now: i64, parts: &Parts) -> bool {
    let longest = i64::try_from(lease_time(parts).as_millis()).unwrap_or(i64::MAX);
    now < lease.until && lease.until.saturating_sub(now) <= longest.saturating_mul(2)
}

fn pauses() -> Duration {
    PAUSES.0
}

async fn pause(next: &mut Duration) {
    sleep(*next).await;
    *next = (*next * 2).min(PAUSES.1);
}

/// Exchanges a refresh token within the time that the provider may take.
async fn ask_provider(
    provider: &Parts,
    refresh_token: &str,
    now: UnixMillis,
) -> Result<OAuthTokens, Failure> {
    let asking = async {
        let known = provider.known(now).await?;
        tokens::refresh(provider, known.token_endpoint(), refresh_token).await
    };
    provider.in_time(asking).await
}

/// A refresh of the tokens of a row.
struct Refresh {
    auth: Auth,
    provider: OAuthProvider,
    kept: Kept,
}

impl Refresh {
    /// Takes the turn, asks the provider, and stores what it gives.
    async fn run(self) -> Result<Refreshed> {
        let Self {
            auth,
            provider,
            kept: Kept {
                mut row, stored, ..
            },
        } = self;
        let parts = &*provider.0;
        let refresh_token = stored.refresh_token().unwrap_or_default().to_owned();
        let now = auth.now();
        let lease = Lease {
            by: random_text(16)?,
            until: now.plus(lease_time(parts)).0,
        };
        let leased = auth.sealed(&row, &stored.leased(lease).to_secret()?)?;
        if !auth.swap_data(&row, &leased, None).await? {
            return Ok(Refreshed::Overtaken);
        }
        row.data = leased;

        match ask_provider(parts, &refresh_token, now).await {
            Ok(tokens) => store(&auth, row, &refresh_token, tokens, now).await,
            Err(failure) if failure.is_revoked() => match auth.discard(&row).await {
                // The person has signed in by the provider meanwhile.
                Ok(false) => Ok(Refreshed::Overtaken),
                Ok(true) | Err(_) => Err(failure.logged(&parts.id)),
            },
            Err(failure) => {
                // The next one to ask tries again. Where this fails, the lease ends by itself.
                let former = auth.sealed(&row, &stored.to_secret()?)?;
                let released = auth.swap_data(&row, &former, None).await;
                tracing::debug!(?released, "the tokens of a provider stay as they were");
                Err(failure.logged(&parts.id))
            }
        }
    }
}

/// Stores new tokens in a leased row, and tries again where the store fails: the former refresh token may not
/// work any more.
async fn store(
    auth: &Auth,
    mut row: CredentialRow,
    former_refresh_token: &str,
    tokens: OAuthTokens,
    asked_at: UnixMillis,
) -> Result<Refreshed> {
    let (_, credentials) = auth.vault()?;
    let stored = Stored::new(&tokens, asked_at);
    let data = auth.sealed(&row, &stored.to_secret()?)?;
    let give_up = Instant::now() + STORING;
    let mut pauses = pauses();
    loop {
        let failed = match auth.swap_data(&row, &data, Some(asked_at)).await {
            Ok(true) => return Ok(Refreshed::Tokens(stored.tokens(auth.now()))),
            Ok(false) => match auth.ask(credentials.credential(&row.id)).await {
                // Unlinked, or the user was deleted.
                Ok(None) => return Ok(Refreshed::Overtaken),
                // A try that was not answered has stored them.
                Ok(Some(found)) if found.data == data => {
                    return Ok(Refreshed::Tokens(stored.tokens(auth.now())));
                }
                // A sign-in has put other tokens there: with a refresh token, or with the one that is now
                // replaced.
                Ok(Some(found)) => match auth.opened(found)? {
                    Ok(found) if found.stored.refresh_token() == Some(former_refresh_token) => {
                        row = found.row;
                        Error::unavailable("the tokens change too often to be stored")
                    }
                    _ => return Ok(Refreshed::Overtaken),
                },
                Err(error) => error,
            },
            Err(error) => error,
        };
        let is_passing = matches!(failed, Error::Unavailable(_) | Error::Internal(_));
        if !is_passing || Instant::now() >= give_up {
            let error = crate::error::chain(&failed);
            let user_id = &row.user_id;
            tracing::error!(
                %error, %user_id,
                "new tokens of a provider are lost, since they cannot be stored: the person may have to sign in \
                 by it again"
            );
            return Err(failed);
        }
        pause(&mut pauses).await;
    }
}
