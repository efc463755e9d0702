//! Users: whom a session belongs to, and how their row becomes the application's own type.

mod blank;
mod columns;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::key::NewKey;
use crate::store::UserRow;
use crate::{Error, Result};

pub(crate) use blank::{Verdict, try_columns};

/// The id of a user: any text, 15 characters of `[a-z0-9]` when lucia made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    /// How many characters an id has that lucia makes.
    pub const LENGTH: usize = 15;

    /// How many characters an id of the application's may have, so that it fits into an index.
    pub const MAX_LENGTH: usize = 255;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no database can hold it, so that nobody has it. Ids come with requests.
    pub(crate) fn cannot_be_stored(&self) -> bool {
        self.0.contains('\0')
    }
}

impl From<String> for UserId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl From<&str> for UserId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user, with the columns of your own user table as `A`.
///
/// It dereferences to `A`: with `struct Profile { username: String }`, a `User<Profile>` has
/// `user.id` and `user.username`. `A` sees every column, `id` included, under its name in the
/// table.
///
/// ```
/// # #[derive(serde::Deserialize)] struct Profile { username: String }
/// # use actix_web::Responder;
/// use lucia::{User, authenticated};
///
/// #[authenticated]
/// async fn me(user: User<Profile>) -> impl Responder {
///     format!("{} is {}", user.id, user.username)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User<A = NoAttributes> {
    /// The user's id.
    pub id: UserId,
    /// The other columns of the user's row.
    pub attributes: A,
}

impl<A: DeserializeOwned> User<A> {
    /// Reads the row of a user of table `table`.
    pub(crate) fn from_row(row: &UserRow, table: &str) -> Result<Self> {
        Ok(Self {
            id: row.id.clone(),
            attributes: read_columns(&row.attributes, table, "the row has no such column")?,
        })
    }
}

/// Reads the columns of a row, given as a JSON object, as an `A`. `lacking` is what to say of a
/// column that is not there.
///
/// # Errors
///
/// [`Error::Schema`] names the column that does not fit.
pub(crate) fn read_columns<A: DeserializeOwned>(
    json: &str,
    table: &str,
    lacking: &str,
) -> Result<A> {
    serde_json::from_str(json).map_err(|error| columns::explain::<A>(json, table, lacking, error))
}

/// The attributes with the `id` among them, as the row in the table. What is no attribute of `A`
/// is not there.
impl<A: Serialize> Serialize for User<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a, A> {
            id: &'a UserId,
            #[serde(flatten)]
            attributes: &'a A,
        }
        let Self { id, attributes } = self;
        Row { id, attributes }.serialize(serializer)
    }
}

impl<A> Deref for User<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.attributes
    }
}

impl<A> DerefMut for User<A> {
    fn deref_mut(&mut self) -> &mut A {
        &mut self.attributes
    }
}

/// The user who sent a request, or nobody, as a parameter of a handler that is open to both.
///
/// An outage of the store is an error and not nobody, which `Option<User<A>>` would make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct MaybeUser<A = NoAttributes>(pub Option<User<A>>);

impl<A> MaybeUser<A> {
    /// The user, if there is one.
    #[must_use]
    pub fn into_inner(self) -> Option<User<A>> {
        self.0
    }
}

/// For a user of whom only the id is asked: reads none of the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NoAttributes {}

/// Someone who signs up, for [`create_user`](crate::Auth::create_user).
///
/// `A` is the type of the attributes given, and of the [`User`] that comes back.
///
/// ```
/// use lucia::{NewKey, NewUser};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Profile { username: String }
///
/// let profile = Profile { username: "ada".to_owned() };
/// // Signs in by a username and a password:
/// let ada = NewUser::with_password("username", "ada", "correct horse battery").attributes(&profile);
/// // Signs in by an OAuth provider, which vouches for the user:
/// let ada = NewUser::with_key(NewKey::without_password("github", "1234")).attributes(&profile);
/// ```
#[must_use = "a new user is made by `auth.create_user(..)`"]
pub struct NewUser<'a, A = NoAttributes> {
    pub(crate) id: Option<UserId>,
    pub(crate) key: Option<NewKey<'a>>,
    pub(crate) attributes: Result<Map<String, Value>, InvalidAttributes>,
    returned: PhantomData<fn() -> A>,
}

impl<'a> NewUser<'a> {
    /// A user who signs in with a password: short for
    /// [`with_key`](Self::with_key)`(NewKey::with_password(..))`, which says more.
    pub fn with_password(
        provider_id: &'a str,
        provider_user_id: &'a str,
        password: &'a str,
    ) -> Self {
        Self::with_key(NewKey::with_password(
            provider_id,
            provider_user_id,
            password,
        ))
    }

    /// A user who signs in by this key.
    pub fn with_key(key: NewKey<'a>) -> Self {
        Self {
            key: Some(key),
            ..Self::without_key()
        }
    }

    /// A user who cannot sign in until [`create_key`](crate::Auth::create_key) gives them a key.
    pub fn without_key() -> Self {
        Self {
            id: None,
            key: None,
            attributes: Ok(Map::new()),
            returned: PhantomData,
        }
    }
}

impl<'a, A> NewUser<'a, A> {
    /// The id of the user, instead of a random one.
    pub fn id(mut self, id: impl Into<UserId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The columns of the user's row, each under its name in the table. A column that is left
    /// out gets the default of the database.
    ///
    /// `attributes` is a struct or map that serializes to an object. `id` is not among the
    /// columns that can be set, and [`create_user`](crate::Auth::create_user) refuses it.
    ///
    /// The user that comes back has these attributes, too, so `B` implements `Deserialize` as
    /// well. If it does not, as a struct that borrows cannot, say what is read instead:
    ///
    /// ```
    /// use lucia::{NewUser, User};
    ///
    /// #[derive(serde::Serialize)]
    /// struct SignUp<'a> { username: &'a str }
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Profile { username: String }
    ///
    /// # async fn sign_up(auth: &lucia::Auth) -> lucia::Result<()> {
    /// let user: User<Profile> = auth
    ///     .create_user(
    ///         NewUser::with_password("username", "ada", "correct horse battery")
    ///             .attributes(&SignUp { username: "Ada" })
    ///             .returning(),
    ///     )
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn attributes<B: Serialize>(self, attributes: &B) -> NewUser<'a, B> {
        NewUser {
            id: self.id,
            key: self.key,
            attributes: object(attributes, &["id"]),
            returned: PhantomData,
        }
    }

    /// Reads the created user as a `B`: for when the type written is not the type read, or cannot
    /// be read because it only implements `Serialize`.
    pub fn returning<B: DeserializeOwned>(self) -> NewUser<'a, B> {
        NewUser {
            id: self.id,
            key: self.key,
            attributes: self.attributes,
            returned: PhantomData,
        }
    }
}

impl<A> fmt::Debug for NewUser<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("id", &self.id)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Why attributes cannot be columns. Says nothing of their values.
#[derive(Debug)]
pub(crate) enum InvalidAttributes {
    /// Programmer's mistake: no object, no string keys, or a column out of reach.
    Misuse(String),
    /// A value that cannot be stored.
    Value {
        column: String,
        reason: &'static str,
    },
}

/// The columns that `attributes` names. None of them is one of `own`, the columns of lucia's.
pub(crate) fn object<B: Serialize + ?Sized>(
    attributes: &B,
    own: &[&str],
) -> Result<Map<String, Value>, InvalidAttributes> {
    let type_name = std::any::type_name::<B>();
    let columns = match serde_json::to_value(attributes) {
        Ok(Value::Object(columns)) => columns,
        Ok(_) => {
            return Err(InvalidAttributes::Misuse(format!(
                "attributes are a struct or map whose fields are columns; `{type_name}` is neither"
            )));
        }
        Err(_) => {
            return Err(InvalidAttributes::Misuse(format!(
                "`{type_name}` cannot be serialized"
            )));
        }
    };
    // Some databases find a column by any spelling.
    let is_own = |name: &&String| own.iter().any(|own| own.eq_ignore_ascii_case(name));
    if let Some(name) = columns.keys().find(is_own) {
        return Err(InvalidAttributes::Misuse(format!(
            "`{type_name}` has a field `{name}`: that column is lucia's and no attribute; leave \
             it out with `#[serde(skip_serializing)]`"
        )));
    }
    for (column, value) in &columns {
        let reason = if column.contains('\0') || holds_nul(value) {
            "text cannot hold the character U+0000"
        } else if is_too_deep(value) {
            "it is nested too deeply to be read again"
        } else {
            continue;
        };
        return Err(InvalidAttributes::Value {
            column: column.clone(),
            reason,
        });
    }
    Ok(columns)
}

/// Whether a value could be stored, and then not be read out of the JSON of its row.
fn is_too_deep(value: &Value) -> bool {
    /// What `serde_json` reads, less the row itself and one for good measure.
    const DEEPEST: usize = 126;

    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    depth(value) > DEEPEST
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl InvalidAttributes {
    pub(crate) fn into_error(self, table: &str) -> Error {
        match self {
            Self::Misuse(what) => Error::Misuse(what),
            Self::Value { column, reason } => Error::InvalidAttribute {
                table: table.to_owned(),
                column: Some(column),
                reason: reason.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    struct Profile {
        username: String,
        age: Option<u32>,
    }

    fn row(attributes: &str) -> UserRow {
        UserRow {
            id: UserId::from("ada"),
            attributes: attributes.to_owned(),
        }
    }

    #[test]
    fn a_row_becomes_the_applications_type() {
        let user = User::<Profile>::from_row(
            &row(r#"{"id":"ada","username":"Ada","age":36,"unread":[1]}"#),
            "auth_user",
        );
        let user = user.unwrap();
        assert_eq!((user.username.as_str(), user.age), ("Ada", Some(36)));
        assert!(User::<NoAttributes>::from_row(&row(r#"{"id":"ada"}"#), "auth_user").is_ok());
    }

    #[test]
    fn a_user_is_serialized_as_one_object() {
        let user = User {
            id: "ada".into(),
            attributes: Profile {
                username: "Ada".to_owned(),
                age: None,
            },
        };
        assert_eq!(
            serde_json::to_value(&user).unwrap(),
            serde_json::json!({ "id": "ada", "username": "Ada", "age": null })
        );
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = User::<Profile>::from_row(&row(r#"{"id":"ada"}"#), "auth_user").unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`auth_user`") && text.contains("`username`"),
            "{text}"
        );
    }

    #[test]
    fn a_column_of_another_type_is_named_and_its_value_is_not_shown() {
        let error =
            User::<Profile>::from_row(&row(r#"{"username":"Ada","age":"swordfish"}"#), "auth_user");
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("`auth_user`") && text.contains("`age`"),
            "{text}"
        );
        assert!(!text.contains("swordfish"), "{text}");
    }

    #[test]
    fn attributes_are_objects_without_an_id() {
        assert!(
            object(
                &Profile {
                    username: "Ada".into(),
                    age: None
                },
                &["id"]
            )
            .is_ok()
        );
        assert!(matches!(
            object(&1, &["id"]),
            Err(InvalidAttributes::Misuse(_))
        ));
        for name in ["id", "ID", "Id"] {
            let with_id = serde_json::json!({ (name): "mallory" });
            assert!(matches!(
                object(&with_id, &["id"]),
                Err(InvalidAttributes::Misuse(_))
            ));
        }
    }

    #[test]
    fn text_that_no_database_can_hold_is_refused_wherever_it_hides() {
        for hostile in [
            serde_json::json!({ "a": "x\0y" }),
            serde_json::json!({ "a": ["\0"] }),
            serde_json::json!({ "a": { "\0": 1 } }),
            serde_json::json!({ "a\0": 1 }),
        ] {
            assert!(matches!(
                object(&hostile, &["id"]),
                Err(InvalidAttributes::Value { .. })
            ));
        }
    }

    #[test]
    fn what_could_be_stored_and_not_be_read_again_is_refused() {
        let nested = |depth| (0..depth).fold(Value::Null, |inner, _| serde_json::json!([inner]));
        let readable = serde_json::json!({ "a": nested(126) });
        assert!(object(&readable, &["id"]).is_ok());
        assert!(serde_json::from_str::<Value>(&readable.to_string()).is_ok());
        assert!(matches!(
            object(&serde_json::json!({ "a": nested(127) }), &["id"]),
            Err(InvalidAttributes::Value { .. })
        ));
    }

    #[test]
    fn debug_of_a_new_user_shows_no_password() {
        let user = NewUser::with_password("username", "ada", "correct horse battery");
        assert!(!format!("{user:?}").contains("correct horse"));
    }
}
