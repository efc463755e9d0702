//! [`CreateUser`] and [`CreateKey`]: users and keys about to be created, if asked for in a transaction
//! of the application's.

use std::pin::Pin;

#[cfg(feature = "postgres")]
use tokio_postgres::Transaction;

use super::{Auth, awaited};
#[cfg(doc)]
use crate::Error;
use crate::Result;
use crate::clock::random_text;
use crate::event::EventKind;
use crate::store::{self, KeyRow, NewUserRow, UserRow};
#[cfg(feature = "postgres")]
use crate::store::{Store, StoreError, TransactionStore};
#[cfg(feature = "oauth")]
use crate::user::key::KeySecret;
use crate::user::key::{NewKey, UserKey};
use crate::user::{NewUser, OwnedOrCallReturning, User, UserId, refused};

impl Auth {
    /// Creates a user and their key, both or neither. Returns the user as stored in the database, with the
    /// defaults of columns that you left out.
    ///
    /// `A` is the type of the given [`attributes`](NewUser::attributes). The bound on `A` is another name
    /// for `serde`'s `Deserialize`. If `A` borrows, or does not implement `Deserialize`, call
    /// [`returning`](NewUser::returning) to name the type that the user is read as.
    ///
    /// To create your rows together with the user, see [`CreateUser::transaction`].
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPassword`] and [`Error::InvalidKey`] if the password or the key is not acceptable;
    /// - [`Error::DuplicateKey`] if a user already has this key;
    /// - [`Error::Constraint`] and [`Error::InvalidAttribute`] if an attribute breaks a constraint of your
    ///   table or does not fit its column;
    /// - [`Error::Schema`] if a table or column is missing, or if the row does not fit `A`. In the latter
    ///   case the user has been created. [`check_schema`](Self::check_schema) detects this at startup if
    ///   the table has a row;
    /// - [`Error::Busy`] if too many passwords are waiting to be hashed;
    /// - [`Error::Unavailable`] if the store is unavailable.
    pub fn create_user<'a, A: for<'de> OwnedOrCallReturning<'de>>(
        &'a self,
        new_user: NewUser<'a, A>,
    ) -> CreateUser<'a, A> {
        CreateUser {
            auth: self,
            new_user,
            read: User::from_row,
            #[cfg(feature = "postgres")]
            transaction: None,
        }
    }

    /// Gives a user one more way to sign in. In a handler, use
    /// [`auth_request.create_key(..)`](crate::AuthRequest::create_key): `Auth::create_key` does not check the
    /// session, so it can store the key after the session has ended.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] and [`Error::InvalidPassword`] if the key or the password is not acceptable;
    /// [`Error::DuplicateKey`] if a user already has this key; [`Error::UnknownUser`]; [`Error::Busy`] if
    /// too many passwords are waiting to be hashed; [`Error::Unavailable`] if the store is unavailable.
    pub fn create_key<'a>(&'a self, user_id: &'a UserId, key: NewKey<'a>) -> CreateKey<'a> {
        CreateKey {
            auth: self,
            user_id,
            key,
            #[cfg(feature = "postgres")]
            transaction: None,
        }
    }
}

/// A key that is about to be stored, and the secret that is stored behind it.
pub(super) struct PreparedKey {
    pub(super) row: KeyRow,
    #[cfg(feature = "oauth")]
    pub(super) secret: Option<KeySecret>,
}

impl Auth {
    /// Stores the secret of a key that has just been stored. Users and keys that are written in a transaction have
    /// it stored there, by [`Writer::insert_secret`].
    #[cfg_attr(
        not(feature = "oauth"),
        allow(unused_variables, clippy::unused_async, clippy::unused_self)
    )]
    pub(super) async fn store_secret_of(&self, user_id: &UserId, key: &PreparedKey) -> Result<()> {
        #[cfg(feature = "oauth")]
        if let Some(secret) = &key.secret {
            return self.store_secret(user_id, &key.row.id, secret).await;
        }
        Ok(())
    }
}

/// Where users, keys and secrets are stored: in the store alone, or in a transaction of the application's.
#[derive(Clone, Copy)]
struct Writer<'a> {
    auth: &'a Auth,
    #[cfg(feature = "postgres")]
    transaction: Option<&'a Transaction<'a>>,
}

impl Writer<'_> {
    fn is_in_transaction(self) -> bool {
        #[cfg(feature = "postgres")]
        {
            self.transaction.is_some()
        }
        #[cfg(not(feature = "postgres"))]
        {
            false
        }
    }

    async fn insert_user(self, user: NewUserRow, key: Option<KeyRow>) -> store::Result<UserRow> {
        let store = self.auth.store();
        #[cfg(feature = "postgres")]
        if let Some(transaction) = self.transaction {
            let transactions = transactions(store)?;
            return transactions.insert_user_in(transaction, user, key).await;
        }
        store.insert_user(user, key).await
    }

    async fn insert_key(self, key: KeyRow) -> store::Result<()> {
        let store = self.auth.store();
        #[cfg(feature = "postgres")]
        if let Some(transaction) = self.transaction {
            return transactions(store)?.insert_key_in(transaction, key).await;
        }
        store.insert_key(key).await
    }

    /// Stores the secret of a key that has just been stored.
    async fn insert_secret(self, user_id: &UserId, key: &PreparedKey) -> Result<()> {
        #[cfg(all(feature = "oauth", feature = "postgres"))]
        if let (Some(transaction), Some(secret)) = (self.transaction, &key.secret) {
            let of_key = (user_id, &*key.row.id);
            return self.auth.store_secret_in(transaction, of_key, secret).await;
        }
        self.auth.store_secret_of(user_id, key).await
    }
}

#[cfg(feature = "postgres")]
pub(super) fn transactions(store: &dyn Store) -> store::Result<&dyn TransactionStore> {
    store.transactions().ok_or_else(|| {
        let what = "`transaction(..)` is for users in a `PgStore`, and the store of users is another one, \
                    which cannot write in a transaction of Postgres: leave `transaction(..)` out";
        StoreError::Misuse(what.to_owned())
    })
}

/// A user that is about to be created; `.await` creates them.
#[must_use = "a user is created by `.await`"]
pub struct CreateUser<'a, A> {
    auth: &'a Auth,
    new_user: NewUser<'a, A>,
    /// Kept from [`Auth::create_user`], so that its bound on `A` is the only one: each further bound
    /// would be one more message of the compiler about the same mistake.
    read: fn(&UserRow, &str) -> Result<User<A>>,
    #[cfg(feature = "postgres")]
    transaction: Option<&'a Transaction<'a>>,
}

impl<'a, A> CreateUser<'a, A> {
    /// Creates the user in this transaction, together with your rows that refer to them. You commit the
    /// transaction or roll it back. Until you commit it, no lookup and no sign-in sees the user.
    ///
    /// ```no_run
    /// use lucia::deadpool_postgres::Pool;
    /// use lucia::{Auth, NewUser, User};
    ///
    /// async fn sign_up(
    ///     auth: &Auth,
    ///     pool: &Pool,
    ///     new_user: NewUser<'_>,
    /// ) -> Result<User, Box<dyn std::error::Error>> {
    ///     let mut client = pool.get().await?;
    ///     let transaction = client.transaction().await?;
    ///     let user = auth.create_user(new_user).transaction(&transaction).await?;
    ///     transaction
    ///         .execute("INSERT INTO settings (user_id) VALUES ($1)", &[&user.id])
    ///         .await?;
    ///     transaction.commit().await?;
    ///     Ok(user)
    /// }
    /// ```
    ///
    /// The transaction is one of `deadpool-postgres` or `tokio-postgres`, on the database (and with the
    /// `search_path`) of the [`PgStore`](crate::PgStore) that holds the users. The password is hashed
    /// before the first statement. Still, begin the transaction late, because hashing may have to wait for
    /// its turn.
    ///
    /// The errors are those of [`Auth::create_user`], and [`Error::Misuse`] if the users are not in a
    /// `PgStore`. After a database error, Postgres aborts the transaction and refuses all further
    /// statements in it, so roll it back. To continue, create the user in a savepoint
    /// (`transaction.savepoint("user")`) and roll back to it. To find out which constraint was broken, the
    /// store may take another connection from its pool.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn transaction(mut self, transaction: &'a Transaction<'a>) -> Self {
        self.transaction = Some(transaction);
        self
    }

    /// Creates the user. Returns them with their key as it is in the database.
    pub(crate) async fn create(self) -> Result<(User<A>, Option<KeyRow>)> {
        let Self {
            auth,
            new_user,
            read,
            ..
        } = self;
        let writer = Writer {
            auth,
            #[cfg(feature = "postgres")]
            transaction: self.transaction,
        };
        let table = auth.store().user_table();
        let attributes = new_user.attributes.columns(table, &["id"])?;
        let id = match new_user.id {
            Some(id) => id,
            None => UserId::new(random_text(UserId::LENGTH)?)?,
        };
        let key = match new_user.key {
            Some(key) => Some(auth.prepare_key(key, id.clone()).await?),
            None => None,
        };
        let key_row = key.as_ref().map(|key| key.row.clone());
        let told = EventKind::UserCreated {
            user_id: id.clone(),
            provider_id: key_row.as_ref().map(KeyRow::provider_id),
            in_transaction: writer.is_in_transaction(),
        };
        let inserting = writer.insert_user(NewUserRow { id, attributes }, key_row.clone());
        let row = auth.change(told, inserting, |_| true).await;
        let row = row.map_err(refused)?;
        if let Some(key) = &key {
            writer.insert_secret(&row.id, key).await?;
        }
        Ok((read(&row, table)?, key_row))
    }
}

impl<'a, A: 'a> IntoFuture for CreateUser<'a, A> {
    type Output = Result<User<A>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.create().await.map(|(user, _)| user) })
    }
}

debug_of!(CreateUser<'_, A>: new_user);

/// A key that is about to be created; `.await` creates it.
#[must_use = "a key is created by `.await`"]
pub struct CreateKey<'a> {
    auth: &'a Auth,
    user_id: &'a UserId,
    key: NewKey<'a>,
    #[cfg(feature = "postgres")]
    transaction: Option<&'a Transaction<'a>>,
}

impl<'a> CreateKey<'a> {
    /// Creates the key in your transaction, for example the one in which its user was created. The notes on
    /// [`CreateUser::transaction`] apply to keys as well.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn transaction(mut self, transaction: &'a Transaction<'a>) -> Self {
        self.transaction = Some(transaction);
        self
    }

    async fn create(self) -> Result<UserKey> {
        let Self {
            auth, user_id, key, ..
        } = self;
        let writer = Writer {
            auth,
            #[cfg(feature = "postgres")]
            transaction: self.transaction,
        };
        let key = auth.prepare_key(key, user_id.clone()).await?;
        let told = EventKind::KeyCreated {
            user_id: user_id.clone(),
            provider_id: key.row.provider_id(),
            in_transaction: writer.is_in_transaction(),
        };
        let inserting = writer.insert_key(key.row.clone());
        auth.change(told, inserting, |()| true).await?;
        writer.insert_secret(user_id, &key).await?;
        UserKey::from_row(key.row)
    }
}

awaited!(CreateKey::create -> UserKey);

debug_of!(CreateKey<'_>: user_id, key);
