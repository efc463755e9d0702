//! Creating, reading and deleting users.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Auth;
use crate::clock::random_text;
use crate::store::{KeyRow, NewUserRow};
use crate::user::{NewUser, User, UserId, Verdict, object, refused, try_columns};
use crate::{Error, Result};

impl Auth {
    /// Creates a user together with their key, both or neither. Returns the user as the database
    /// stored it, with the defaults of the columns that were left out.
    ///
    /// `A` is the type of the [`attributes`](NewUser::attributes) given. If it does not implement
    /// `Deserialize`, say by [`returning`](NewUser::returning) what the user is read as.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPassword`] and [`Error::InvalidKey`] for what cannot be accepted;
    /// - [`Error::DuplicateKey`] when somebody has signed up with this key already;
    /// - [`Error::Constraint`] and [`Error::InvalidAttribute`] when an attribute breaks a rule of
    ///   your table or does not fit its column;
    /// - [`Error::Schema`] when a table or column is missing, or when the row does not fit `A`: then
    ///   the user has been created, as [`check_schema`](Self::check_schema) could have told before
    ///   from any row of the table;
    /// - [`Error::Busy`] when too many passwords wait to be hashed;
    /// - [`Error::Unavailable`] when the store is.
    pub async fn create_user<A: DeserializeOwned>(
        &self,
        new_user: NewUser<'_, A>,
    ) -> Result<User<A>> {
        let (user, _) = self.create_user_and_key(new_user).await?;
        Ok(user)
    }

    /// As [`create_user`](Self::create_user), with the key as it is in the database.
    pub(crate) async fn create_user_and_key<A: DeserializeOwned>(
        &self,
        new_user: NewUser<'_, A>,
    ) -> Result<(User<A>, Option<KeyRow>)> {
        let table = self.store().user_table();
        let attributes = new_user
            .attributes
            .map_err(|problem| problem.into_error(table))?;
        let id = match new_user.id {
            Some(id) => check_id(id, table)?,
            None => UserId::from(random_text(&*self.0.random, UserId::LENGTH)?),
        };
        let key = match new_user.key {
            Some(key) => Some(self.key_row(&key.id, key.password, id.clone()).await?),
            None => None,
        };
        let user = NewUserRow { id, attributes };
        let inserted = self.ask(self.store().insert_user(user, key.clone())).await;
        let row = inserted.map_err(refused)?;
        tracing::info!(user_id = %row.id, "user created");
        Ok((User::from_row(&row, table)?, key))
    }

    /// The user of this id.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] when the row does not fit `A`, [`Error::Unavailable`] when the store is.
    #[doc(alias = "getUser")]
    pub async fn user<A: DeserializeOwned>(&self, id: &UserId) -> Result<Option<User<A>>> {
        if id.cannot_be_stored() {
            return Ok(None);
        }
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
    /// [`Error::UnknownUser`]; [`Error::Constraint`] and [`Error::InvalidAttribute`] when an
    /// attribute breaks a rule of your table or does not fit its column, for an attribute `id`, and
    /// when there is no such column; [`Error::Schema`] when the row does not fit `A`, which is found
    /// when the columns have been set;
    /// [`Error::Unavailable`] when the store is.
    pub async fn update_user_attributes<A: DeserializeOwned>(
        &self,
        id: &UserId,
        attributes: &(impl Serialize + ?Sized),
    ) -> Result<User<A>> {
        let table = self.store().user_table();
        let attributes =
            object(attributes, &["id"]).map_err(|problem| problem.into_error(table))?;
        if id.cannot_be_stored() {
            return Err(Error::UnknownUser);
        }
        let updated = self.ask(self.store().update_user(id, attributes)).await;
        let row = updated.map_err(refused)?;
        User::from_row(&row.ok_or(Error::UnknownUser)?, table)
    }

    /// Deletes a user with their keys and sessions: their next request is anonymous. Silent when
    /// there is no such user. A sign-in at the same time comes first, and its session is deleted as
    /// well, or it comes too late and is [`Error::UnknownUser`].
    ///
    /// # Errors
    ///
    /// [`Error::Constraint`] of the kind [`Referenced`](crate::ConstraintKind::Referenced) when a
    /// row of your own tables still refers to the user, or to one of their keys or sessions: then
    /// nothing has been deleted. [`Error::Unavailable`] when the store is.
    pub async fn delete_user(&self, id: &UserId) -> Result<()> {
        if id.cannot_be_stored() {
            return Ok(());
        }
        self.ask(self.store().delete_user(id)).await?;
        tracing::info!(user_id = %id, "user deleted");
        Ok(())
    }

    /// Checks that the tables are there and that an `A` can be read from the table of users: once
    /// at the start, instead of at somebody's first request.
    ///
    /// Each field of `A`, under its serde name, has to be a column, unless `A` can do without it.
    /// If there is a user already, one row is read as well, which finds columns of the wrong type.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] names the table and column at fault, [`Error::Unavailable`] when the
    /// store is.
    pub async fn check_schema<A: DeserializeOwned>(&self) -> Result<()> {
        let described = self.ask(self.store().describe_users()).await?;
        if self.0.sign_in_limit.is_some() {
            self.ask(self.store().check_attempts()).await?;
        }
        let table = self.store().user_table();
        match try_columns::<A>(&described.columns) {
            Verdict::Missing(column) => {
                return Err(Error::Schema {
                    table: table.to_owned(),
                    column: Some(column.to_owned()),
                    reason: format!(
                        "`{}` asks for it, and it is not among the columns that are fetched",
                        std::any::type_name::<A>()
                    ),
                });
            }
            Verdict::Unknown if described.sample.is_none() => tracing::debug!(
                "`{}` looks at values, and table `{table}` has none yet: whether its columns are \
                 all there shows with the first user",
                std::any::type_name::<A>()
            ),
            Verdict::Fits | Verdict::Unknown => {}
        }
        match described.sample {
            Some(row) => User::<A>::from_row(&row, table).map(drop),
            None => Ok(()),
        }
    }
}

/// The id that an application chose for a user.
fn check_id(id: UserId, table: &str) -> Result<UserId> {
    let reason = if id.as_str().is_empty() {
        "the id is empty"
    } else if id.cannot_be_stored() {
        "text cannot hold the character U+0000"
    } else if id.as_str().chars().count() > UserId::MAX_LENGTH {
        "the id has more than 255 characters"
    } else {
        return Ok(id);
    };
    Err(Error::InvalidAttribute {
        table: table.to_owned(),
        column: Some("id".to_owned()),
        reason: reason.to_owned(),
    })
}
