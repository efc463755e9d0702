//! Finishes a sign-in when a browser comes back from a provider.

use std::sync::Arc;

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::begin::{BEGUN, Begun};
use super::discovery::{Discovery, Document};
use super::error::{Failure, word};
use super::id_token::{Expected, Refusal, verify};
use super::identity::{self, OAuthIdentity};
use super::provider::{Known, OAuthProvider, Parts};
use super::stored::Stored;
use super::tokens::{self, OAuthTokens};
use crate::clock::UnixMillis;
use crate::event::SignInFailure;
use crate::request::AuthRequest;
use crate::request::redirect::LocalPath;
use crate::session::Session;
use crate::store::KeyRow;
use crate::token::TokenContent;
use crate::user::UserId;
use crate::user::key::{SignInMethod, UserKey, VerifiedKey};
use crate::{Error, Result};

/// The longest query that is read, in bytes.
const LONGEST: usize = 8 * 1024;

/// A finished sign-in at a provider.
#[derive(Debug)]
#[non_exhaustive]
pub struct OAuthSignIn {
    /// Which user this is.
    pub outcome: OAuthOutcome,
    /// Who the person is, according to the provider.
    pub identity: OAuthIdentity,
    /// The tokens that the provider gave.
    pub tokens: OAuthTokens,
    /// The path of this site to which the person wanted to go.
    pub next: LocalPath,
}

/// The user that a person at a provider is here.
#[derive(Debug)]
#[non_exhaustive]
pub enum OAuthOutcome {
    /// The user who has the key of this identity: `auth_request.sign_in(key).await?`.
    Known(VerifiedKey),
    /// No user has the key of this identity. Create a user with `NewUser::with_key(identity.new_key())`, or
    /// refuse.
    New,
    /// The signed-in user, who began with [`AuthRequest::link_oauth`], now has this key.
    Linked(UserKey),
}

impl AuthRequest {
    /// Finishes a sign-in at a provider, on the callback page:
    ///
    /// ```
    /// use lucia::oauth::{OAuthOutcome, OAuthProvider};
    /// use lucia::{AuthRequest, NewUser};
    /// # #[derive(serde::Serialize, serde::Deserialize)] struct Profile { username: String }
    ///
    /// async fn callback(
    ///     auth_request: &AuthRequest,
    ///     github: &OAuthProvider,
    ///     query: &str, // req.query_string() in actix-web, RawQuery in axum
    /// ) -> lucia::Result<String> {
    ///     let done = auth_request.finish_oauth(github, query).await?;
    ///     match done.outcome {
    ///         OAuthOutcome::Known(key) => {
    ///             auth_request.sign_in(key).await?;
    ///         }
    ///         OAuthOutcome::New => {
    ///             let username = done.identity.name.clone().unwrap_or_default();
    ///             let new_user = NewUser::with_key(done.identity.new_key());
    ///             auth_request.sign_up(new_user.attributes(&Profile { username })).await?;
    ///         }
    ///         _ => {} // linked
    ///     }
    ///     Ok(done.next.to_string()) // redirect there
    /// }
    /// ```
    ///
    /// In this order, the call
    ///
    /// 1. finds the sign-in that this browser began, by its `state`, which works once, and checks that it
    ///    is for this provider;
    /// 2. compares the `iss` of the callback (RFC 9207);
    /// 3. exchanges the code for tokens, with the PKCE verifier;
    /// 4. checks the ID token (OpenID Connect Core 1.0, 3.1.3.7), or queries the user-info endpoint of a
    ///    provider without ID tokens;
    /// 5. looks up the key of the identity, or gives it to the user who [began to link](Self::link_oauth)
    ///    it, and stores the tokens if the provider is built with
    ///    [`store_tokens`](crate::oauth::OAuthProviderBuilder::store_tokens).
    ///
    /// It does not sign the user in: call `sign_in` or `sign_up`. Accounts are never matched by e-mail
    /// address, because the address of an identity can be that of another person's account. If each address
    /// may have only one account, tell the person to sign in as before and then to link the provider.
    ///
    /// # Errors
    ///
    /// [`Error::OAuth`]; [`Error::InvalidCredentials`] if the key of the identity has a password;
    /// [`Error::Unavailable`] if the store is unavailable. For a link also [`Error::Unauthenticated`] if
    /// the user is no longer signed in, and [`Error::DuplicateKey`] if another user has the key.
    pub async fn finish_oauth(&self, provider: &OAuthProvider, query: &str) -> Result<OAuthSignIn> {
        self.check_forgery()?;
        let parts = &*provider.0;
        let logged = |failure: Failure| failure.logged(&parts.id);

        let callback = Callback::parse(query).map_err(logged)?;
        let (begun, user_id) = self.begun(parts, &callback).await?;
        let linking = match user_id {
            Some(user_id) => Some(self.still_signed_in(parts, &user_id).await?),
            None => None,
        };
        let next = LocalPath::parse(&begun.next).unwrap_or_default();

        let now = self.auth().now();
        let asking = ask(parts, callback, begun, now);
        let (mut identity, tokens) = parts.in_time(asking).await.map_err(logged)?;
        let stored = parts.stores_tokens.then(|| Stored::new(&tokens, now));
        if let Some(stored) = &stored {
            identity.secret = Some(stored.to_secret()?);
        }
        tracing::debug!(provider = parts.id, "a provider has told who a person is");

        let outcome = match linking {
            Some(session) => self.link(&identity, stored.as_ref(), &session).await?,
            None => self.outcome(&identity, stored.as_ref()).await?,
        };
        Ok(OAuthSignIn {
            outcome,
            identity,
            tokens,
            next,
        })
    }

    /// What this browser has begun with this provider. From here on it is used.
    async fn begun(&self, parts: &Parts, callback: &Callback) -> Result<(Begun, Option<UserId>)> {
        let refuse = |reason: &str| Err(Failure::state(reason).logged(&parts.id));
        let used = |error| match error {
            Error::InvalidOneTimeToken => {
                Failure::state("the `state` is unknown, used or expired").logged(&parts.id)
            }
            error => error,
        };

        let Some(state) = &callback.state else {
            return refuse("the callback has no `state`");
        };
        let auth = self.auth();
        // Another browser does not use it up.
        let TokenContent { data, .. } = auth.check_token(BEGUN, state).await.map_err(used)?;
        let secrets = self.browser_secrets();
        if secrets.is_empty() {
            return refuse(
                "the browser sends no cookie of a sign-in: the pages that begin and finish it have to be \
                 on one host, and the callback has to be a GET",
            );
        }
        if !secrets.iter().any(|secret| secret.hash() == data.browser) {
            return refuse("another browser has begun this sign-in");
        }
        if data.provider != parts.id {
            return refuse("this sign-in was begun with another provider");
        }
        let content = auth.use_token(BEGUN, state).await.map_err(used)?;
        Ok((content.data, content.user_id))
    }

    /// The session of the user, if they are still signed in.
    async fn still_signed_in(&self, parts: &Parts, user_id: &UserId) -> Result<Session> {
        let session = self.require().await?;
        if session.user_id != *user_id {
            return Err(Failure::state("another user has begun to link").logged(&parts.id));
        }
        Ok(session)
    }

    async fn outcome(
        &self,
        identity: &OAuthIdentity,
        stored: Option<&Stored>,
    ) -> Result<OAuthOutcome> {
        match self.auth().find_key(&identity.key_id()).await? {
            None => Ok(OAuthOutcome::New),
            Some(row) if row.hashed_password.is_none() => {
                self.store(stored, &row).await?;
                Ok(OAuthOutcome::Known(VerifiedKey::from_row(
                    row,
                    SignInMethod::OAuth,
                )?))
            }
            Some(_) => {
                let provider_id = identity.provider.as_str();
                tracing::info!(
                    provider_id,
                    reason = SignInFailure::HasPassword.name(),
                    "sign-in failed"
                );
                Err(Error::InvalidCredentials)
            }
        }
    }

    /// Stores the tokens for a key that is there.
    async fn store(&self, stored: Option<&Stored>, key: &KeyRow) -> Result<()> {
        match stored {
            Some(stored) => {
                let (auth, user_id) = (self.auth(), &key.user_id);
                auth.store_tokens(user_id, &key.id, stored).await
            }
            None => Ok(()),
        }
    }

    async fn link(
        &self,
        identity: &OAuthIdentity,
        stored: Option<&Stored>,
        session: &Session,
    ) -> Result<OAuthOutcome> {
        let (auth, user_id) = (self.auth(), &session.user_id);
        match auth.find_key(&identity.key_id()).await? {
            Some(row) if row.user_id == *user_id => {
                self.store(stored, &row).await?;
                Ok(OAuthOutcome::Linked(UserKey::from_row(row)?))
            }
            Some(_) => {
                let provider_id = identity.provider.as_str();
                tracing::info!(%user_id, provider_id, "link refused: another user has the key");
                Err(Error::DuplicateKey)
            }
            None => {
                // Asking the provider takes seconds, in which the account can have got back to its owner.
                let key = auth.create_key_in(session, identity.new_key()).await?;
                Ok(OAuthOutcome::Linked(key))
            }
        }
    }
}

/// Asks the provider who the person is.
async fn ask(
    parts: &Parts,
    callback: Callback,
    begun: Begun,
    now: UnixMillis,
) -> Result<(OAuthIdentity, OAuthTokens), Failure> {
    let known = parts.known(now).await?;
    if let Known::Oidc(document, _) = &known {
        check_issuer(callback.iss.as_deref(), document)?;
    }
    let code = callback.code()?;
    let endpoint = known.token_endpoint();
    let tokens = tokens::exchange(parts, endpoint, code, begun.verifier).await?;
    let identity = match &known {
        Known::Oidc(document, discovery) => {
            let expected = Expected {
                client_id: &parts.client_id,
                nonce: &begun.nonce,
                since: begun.since.map(UnixMillis),
            };
            let (document, claims) =
                claims(parts, (document, discovery), &tokens, &expected, now).await?;
            identity::of_claims(parts, &document, claims, &tokens).await?
        }
        Known::Plain(endpoints, ..) => identity::of_user_info(parts, endpoints, &tokens).await?,
    };
    Ok((identity, tokens))
}

/// Refuses a callback that another provider sends (RFC 9207, 2.4).
fn check_issuer(iss: Option<&str>, document: &Document) -> Result<(), Failure> {
    match iss {
        Some(iss) if iss == document.issuer => Ok(()),
        Some(_) => Err(Failure::answer(
            "the callback comes from another issuer (`iss`)",
        )),
        None if document.names_issuer => Err(Failure::answer(
            "the callback does not say which issuer it comes from (`iss`), as the provider does",
        )),
        None => Ok(()),
    }
}

/// The claims of the ID token. The keys are fetched anew if none of them verifies it.
async fn claims(
    parts: &Parts,
    (document, discovery): (&Arc<Document>, &Discovery),
    tokens: &OAuthTokens,
    expected: &Expected<'_>,
    now: UnixMillis,
) -> Result<(Arc<Document>, Map<String, Value>), Failure> {
    let refuse = |refusal: &Refusal| Failure::answer(refusal.reason());
    let missing = "the provider gave no ID token: is `openid` among the scopes?";
    let token = tokens.id_token().ok_or_else(|| Failure::answer(missing))?;
    match verify(token, document, expected, now) {
        Ok(claims) => return Ok((document.clone(), claims)),
        Err(Refusal::Key) => {}
        Err(refusal) => return Err(refuse(&refusal)),
    }
    let Some(newer) = discovery.newer(document, &parts.http, now).await? else {
        return Err(refuse(&Refusal::Key));
    };
    let claims = verify(token, &newer, expected, now);
    let claims = claims.map_err(|refusal| refuse(&refusal))?;
    Ok((newer, claims))
}

/// The parameters of a callback (RFC 6749, 4.1.2).
#[derive(Default)]
struct Callback {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

impl Callback {
    fn parse(query: &str) -> Result<Self, Failure> {
        if query.len() > LONGEST {
            return Err(Failure::state("the query of the callback is too long"));
        }
        let mut callback = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "state" => &mut callback.state,
                "code" => &mut callback.code,
                "iss" => &mut callback.iss,
                "error" => &mut callback.error,
                _ => continue,
            };
            if field.replace(value.into_owned()).is_some() {
                return Err(Failure::state("the callback has a parameter twice"));
            }
        }
        Ok(callback)
    }

    /// The code, unless the provider sends an error.
    fn code(self) -> Result<String, Failure> {
        match (self.error, self.code) {
            // LinkedIn and Facebook have other words for it.
            (Some(error), _)
                if [
                    "access_denied",
                    "user_cancelled_login",
                    "user_cancelled_authorize",
                    "user_denied",
                ]
                .contains(&&*error) =>
            {
                Err(Failure::denied())
            }
            (Some(error), _) => {
                let error = word(&error);
                Err(Failure::answer(format!(
                    "the callback says `error={error}`"
                )))
            }
            (None, Some(code)) if !code.is_empty() => Ok(code),
            (None, _) => Err(Failure::answer("the callback has no `code`")),
        }
    }
}
