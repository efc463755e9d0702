//! Signing in by a code that is sent to the address of a key.

use std::net::IpAddr;

use super::key_links::KeyCode;
use super::purpose::CodePurpose;
use crate::auth::Auth;
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::{KeyId, VerifiedKey};
use crate::{Error, Result};

/// Eight digits: with five tries at each of ten codes an hour, a guess at an account that goes on for a year
/// succeeds with a probability below 1 in 200.
const SIGN_IN_CODE: CodePurpose = CodePurpose::own("lucia: sign in by a code").digits(8);

impl Auth {
    /// Creates a code by which the user of this key signs in.
    pub(crate) async fn create_code_to_sign_in(
        &self,
        key: &KeyId,
        address: Option<IpAddr>,
    ) -> Result<Option<KeyCode>> {
        self.tokens()?;
        let row = self.count_mail(key, address).await?.recipient();
        let subject = subject(key, row.as_ref());
        let code = self.create_code(SIGN_IN_CODE, &subject, &());
        let Some(row) = row else {
            // The same work, for a code that is not sent and takes the place of none that works.
            code.await?;
            return Ok(None);
        };
        let code = match code.user(&row.user_id).await {
            // Deleted a moment ago.
            Err(Error::UnknownUser) => return Ok(None),
            created => created?,
        };
        Ok(Some(KeyCode {
            key: KeyId::stored(row.id)?,
            code,
            lifetime: SIGN_IN_CODE.lifetime,
        }))
    }

    /// Uses the code, and counts the attempt for this address. `signed_in` is the user that the browser is
    /// signed in as; `owner`, whose key it has to be.
    pub(crate) async fn open_by_code(
        &self,
        key: &KeyId,
        code: &str,
        address: Option<IpAddr>,
        signed_in: Option<&UserId>,
        owner: Option<&UserId>,
    ) -> Result<VerifiedKey> {
        let is_owned = |row: &KeyRow| owner.is_none_or(|owner| row.user_id == *owner);
        let counted = match address {
            Some(address) => self.count_attempt(key, address).await?,
            None => None,
        };
        let Some((attempt, found)) = counted else {
            let row = self.find_key(key).await?.filter(is_owned);
            let subject = subject(key, row.as_ref());
            return self.try_sign_in_code(&subject, code, row, signed_in).await;
        };
        let row = found.key.filter(is_owned);
        let row = row.filter(|_| found.may_open);
        let subject = subject(key, row.as_ref());
        let opened = self.try_sign_in_code(&subject, code, row, signed_in).await;
        attempt.end(&opened).await;
        opened
    }

    async fn try_sign_in_code(
        &self,
        subject: &str,
        code: &str,
        row: Option<KeyRow>,
        signed_in: Option<&UserId>,
    ) -> Result<VerifiedKey> {
        let content = self.use_code(SIGN_IN_CODE, subject, code).await?;
        let row = row.filter(|row| content.user_id.as_ref() == Some(&row.user_id));
        let row = row.ok_or(Error::InvalidOneTimeToken)?;
        let verification = self.verification(&row, signed_in).await?;
        VerifiedKey::from_row(self.verify(row, verification).await?)
    }
}

/// What the code of a key is found by: its id in the database, whatever spelling of it was asked for. For
/// a key that cannot be opened, it is what no key has as its id.
fn subject(key: &KeyId, row: Option<&KeyRow>) -> String {
    row.map_or_else(|| format!("\0{}", key.text()), |row| row.id.clone())
}
