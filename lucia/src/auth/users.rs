//! Reading, changing and deleting users.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Auth, optional_table};
use crate::event::EventKind;
use crate::user::{Attributes, Problem, User, UserId, refused, try_columns};
use crate::{Error, Result};

impl Auth {
    /// The user with this id.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] if the row does not fit `A`; [`Error::Unavailable`] if the store is unavailable.
    #[doc(alias = "getUser")]
    pub async fn user<A: DeserializeOwned>(&self, id: &UserId) -> Result<Option<User<A>>> {
        let row = self.ask(self.store().user(id)).await?;
        row.map(|row| User::from_row(&row, self.store().user_table()))
            .transpose()
    }

    /// Sets columns in the row of a user. `attributes` is a struct or map whose fields are the columns to
    /// set. Other columns do not change, and `id` cannot be set. Returns the changed user.
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
    /// [`Error::UnknownUser`]; [`Error::Constraint`] and [`Error::InvalidAttribute`] if an attribute breaks
    /// a constraint of your table, does not fit its column, or names `id` or a column that does not exist;
    /// [`Error::Schema`] if the row does not fit `A`, in which case the columns have been set;
    /// [`Error::Unavailable`] if the store is unavailable.
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

    /// Deletes a user with their keys and sessions. Their next request is anonymous. Does nothing if the
    /// user does not exist. If a sign-in happens at the same time, either its session is deleted as well,
    /// or the sign-in fails with [`Error::UnknownUser`].
    ///
    /// # Errors
    ///
    /// [`Error::Constraint`] of the kind [`Referenced`](crate::ConstraintKind::Referenced) if a row of your
    /// own tables still refers to the user, or to one of their keys or sessions. Nothing has then been
    /// deleted. [`Error::Unavailable`] if the store is unavailable.
    pub async fn delete_user(&self, id: &UserId) -> Result<()> {
        let user_id = id.clone();
        let deletion = self.store().delete_user(id);
        self.change(EventKind::UserDeleted { user_id }, deletion, |()| true)
            .await
    }

    /// Checks that the tables exist and that an `A` can be read from the table of users. Call it once at
    /// startup, so that a mistake does not show only at the first request.
    ///
    /// Each field of `A`, under its serde name, has to be a column, unless `A` can do without it. If the
    /// table has a user, one row is read as well, which detects columns of the wrong type.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] names the table and column at fault; [`Error::Unavailable`] if the store is
    /// unavailable.
    pub async fn check_schema<A: DeserializeOwned>(&self) -> Result<()> {
        let described = self.ask(self.store().describe_users()).await?;
        if self.0.sign_in_limit.is_some() {
            self.ask(self.attempts()?.check_attempts()).await?;
        }
        if let Some(tokens) = self.store().tokens() {
            // An application that creates no tokens can do without their table.
            optional_table(self.ask(tokens.check_tokens()).await)?;
        }
        if let Some(mails) = self.store().mails() {
            // One that sends no mails can do without theirs.
            optional_table(self.ask(mails.check_mails()).await)?;
        }
        if let Some(credentials) = self.store().credentials() {
            let checked = self.ask(credentials.check_credentials()).await;
            // One that stores no credentials can do without theirs.
            match self.stores_credentials() {
                true => checked?,
                false => optional_table(checked)?,
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
