//! What is known of who sent a request.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::auth::Auth;
use crate::session::Session;
use crate::store::UserRow;
use crate::token::Presented;
use crate::{Error, Result};

/// Where the session of a request comes from.
pub(super) enum Sender {
    /// From its cookie.
    Presented(Claim),
    /// From the application.
    Set {
        session: Session,
        user: OnceCell<Option<Arc<UserRow>>>,
    },
    /// The application has signed the sender out.
    SignedOut,
}

/// What a request shows, looked up when first asked for.
pub(super) struct Claim {
    pub(super) presented: Presented,
    pub(super) lookup: OnceCell<Lookup>,
}

/// A session with its user's row.
pub(super) type Found = (Session, Arc<UserRow>);

/// What the store said of a token.
pub(super) enum Lookup {
    Alive(Found),
    Dead,
}

impl Claim {
    pub(super) fn new(presented: Presented) -> Self {
        Self {
            presented,
            lookup: OnceCell::new(),
        }
    }

    pub(super) async fn look_up(&self, auth: &Auth) -> Result<Option<&Found>> {
        let Presented::Token(token) = &self.presented else {
            return Ok(None);
        };
        let found = self.lookup.get_or_try_init(async || {
            // Boxed, so that no request is larger by it that never asks, or has asked.
            let found = Box::pin(auth.validate_token(token)).await?;
            let alive = |(session, user)| Lookup::Alive((session, Arc::new(user)));
            Ok::<_, Error>(found.map_or(Lookup::Dead, alive))
        });
        found.await?;
        Ok(self.found())
    }

    /// What has been found so far.
    pub(super) fn found(&self) -> Option<&Found> {
        match self.lookup.get()? {
            Lookup::Alive(found) => Some(found),
            Lookup::Dead => None,
        }
    }
}

impl Sender {
    pub(super) async fn session(&self, auth: &Auth) -> Result<Option<Session>> {
        match self {
            Self::Set { session, .. } => Ok(Some(session.clone())),
            Self::SignedOut => Ok(None),
            Self::Presented(claim) => {
                let found = claim.look_up(auth).await?;
                Ok(found.map(|(session, _)| session.clone()))
            }
        }
    }

    pub(super) async fn session_and_user(&self, auth: &Auth) -> Result<Option<Found>> {
        match self {
            Self::Set { session, user } => {
                let user = user.get_or_try_init(async || {
                    let user = auth.session_user(session).await?;
                    Ok::<_, Error>(user.map(Arc::new))
                });
                let user = user.await?.clone();
                Ok(user.map(|user| (session.clone(), user)))
            }
            Self::SignedOut => Ok(None),
            Self::Presented(claim) => Ok(claim.look_up(auth).await?.cloned()),
        }
    }

    /// Whether somebody is known to be signed in.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::Set { .. } => true,
            Self::SignedOut => false,
            Self::Presented(claim) => claim.found().is_some(),
        }
    }
}
