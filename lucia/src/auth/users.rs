//! Reading, changing and deleting users.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Auth;
use crate::event::EventKind;
use crate::user::{Attributes, Problem, User, UserId, refused, try_columns};
use crate::{Error, Result};

impl Auth {
    /// The user of this id.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] when the row does not fit `A`, [`Error::Unavailable`] if the store is unavailable.
    #[doc(alias = "getUser")]
    pub async fn user<A: DeserializeOwned>(&self, id: &UserId) -> Result<Option<User<A>>> {
        let row = self.ask(self.store().user(id)).await?;
        row.map(|row| User::from_row(&row, self.store().user_table()))
            .transpose()
    }

    /// Sets columns of a user's row: those that `attributes`, a struct or map, has as fields. The
    /// others stay as they are, and `id` is out of reach. Returns the user as they are then.
    ///
    /// ```no_run
    /// # async fn f(auth: lucia::Auth, id: lucia::UserId) -> lucia::Result<()> {
    /// # #[derive(serde::Serialize, serde::Deserialize)] struct Profile { username: String }
    /// use serde_json::json;
    ///
    /// let user = auth
    ///     .update_user_attributes::<Profile>(&id, &json!({ "username": "ada" }))
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnknownUser`]; [`Error::Constraint`] and [`Error::InvalidAttribute`] when an attribute
    /// breaks a rule of your table or does not fit its column, for an attribute `id`, and when a column
    /// does not exist; [`Error::Schema`] when the row does not fit `A`, which is found when the columns
    /// have been set; [`Error::Unavailable`] if the store is unavailable.
    pub async fn update_user_attributes<A: DeserializeOwned>(
        &self,
        id: &UserId,
        attributes: &(impl Serialize + ?Sized),
    ) -> Result<User<A>> {
        let table = self.store().user_table();
        let attributes = Attributes::of(attributes).columns(table, &["id"])?;
        let told = EventKind::UserUpdated {
            user_id: id.clone(),
            columns: attributes.keys().cloned().collect(),
        };
        let updating = self.store().update_user(id, attributes);
        let updated = self.change(told, updating, Option::is_some).await;
        let row = updated.map_err(refused)?;
        User::from_row(&row.ok_or(Error::UnknownUser)?, table)
    }

    /// Deletes a user with their keys and sessions: their next request is anonymous. Silent when
    /// the user does not exist. A sign-in at the same time comes first, and its session is deleted
    /// as well, or it comes too late and is [`Error::UnknownUser`].
    ///
    /// # Errors
    ///
    /// [`Error::Constraint`] of the kind [`Referenced`](crate::ConstraintKind::Referenced) when a row of
    /// your own tables still refers to the user, or to one of their keys or sessions: then nothing has been
    /// deleted. [`Error::Unavailable`] if the store is unavailable.
    pub async fn delete_user(&self, id: &UserId) -> Result<()> {
        let user_id = id.clone();
        let deletion = self.store().delete_user(id);
        self.change(EventKind::UserDeleted { user_id }, deletion, |()| true)
            .await
    }

    /// Checks that the tables are there and that an `A` can be read from the table of users: once
    /// at startup, instead of at the first request.
    ///
    /// Each field of `A`, under its serde name, has to be a column, unless `A` can do without it.
    /// If there is a user already, one row is read as well, which finds columns of the wrong type.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] names the table and column at fault, [`Error::Unavailable`] if the store is
    /// unavailable.
    pub async fn check_schema<A: DeserializeOwned>(&self) -> Result<()> {
        let described = self.ask(self.store().describe_users()).await?;
        if self.0.sign_in_limit.is_some() {
            self.ask(self.attempts()?.check_attempts()).await?;
        }
        if let Some(tokens) = self.store().tokens() {
            match self.ask(tokens.check_tokens()).await {
                // An application that creates no tokens can do without their table.
                Ok(()) | Err(Error::Schema { column: None, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(mails) = self.store().mails() {
            match self.ask(mails.check_mails()).await {
                // One that sends no mails can do without theirs.
                Ok(()) | Err(Error::Schema { column: None, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(credentials) = self.store().credentials() {
            match self.ask(credentials.check_credentials()).await {
                // One that stores no credentials can do without theirs.
                Ok(()) => {}
                Err(Error::Schema { column: None, .. }) if !self.stores_credentials() => {}
                Err(error) => return Err(error),
            }
        }
        let table = self.store().user_table();
        match try_columns::<A>(&described.columns) {
            Err(problem @ Problem::Missing(_)) => {
                let lacking = "it is not among the columns that are fetched";
                return Err(problem.into_error::<A>(table, lacking));
            }
            Err(_) if described.sample.is_none() => tracing::debug!(
                "`{}` looks at values, and table `{table}` has none yet: whether its columns are \
                 all there shows with the first user",
                std::any::type_name::<A>()
            ),
            Ok(()) | Err(_) => {}
        }
        match described.sample {
            Some(row) => User::<A>::from_row(&row, table).map(drop),
            None => Ok(()),
        }
    }
}
