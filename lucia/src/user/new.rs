//! A user who is about to be created, and columns that are about to be written.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{NoAttributes, UserId};
use crate::user::key::{KeyId, NewKey};
use crate::{Error, Result};

/// A user who signs up, for [`create_user`](crate::Auth::create_user).
///
/// `A` is the type of the given attributes, and of the returned [`User`](crate::User).
///
/// ```
/// use lucia::{NewKey, NewUser};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Profile { username: String }
///
/// let profile = Profile { username: "ada".to_owned() };
/// // Signs in with a username and a password:
/// let ada = NewUser::with_password(("username", "ada"), "correct horse battery").attributes(&profile);
/// // Signs in with an OAuth provider, which vouches for the user:
/// let ada = NewUser::with_key(NewKey::without_password(("github", "1234"))).attributes(&profile);
/// ```
#[must_use = "a new user is made by `auth.create_user(..)`"]
pub struct NewUser<'a, A = NoAttributes> {
    pub(crate) id: Option<UserId>,
    pub(crate) key: Option<NewKey<'a>>,
    pub(crate) attributes: Attributes,
    returned: PhantomData<fn() -> A>,
}

impl<'a> NewUser<'a> {
    /// A user who signs in with a password: short for
    /// [`with_key`](Self::with_key)`(NewKey::with_password(..))`.
    pub fn with_password(key: impl Into<KeyId>, password: &'a str) -> Self {
        Self::with_key(NewKey::with_password(key, password))
    }

    /// A user who signs in with this key.
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
            attributes: Attributes::of(&NoAttributes::default()),
            returned: PhantomData,
        }
    }
}

impl<'a, A> NewUser<'a, A> {
    /// Sets the id of the user, instead of a random one.
    pub fn id(mut self, id: UserId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the columns of the user's row, each under its name in the table. A column that you leave out
    /// gets its database default.
    ///
    /// `attributes` is a struct or map that serializes to an object. The column `id` cannot be set:
    /// [`create_user`](crate::Auth::create_user) refuses it.
    ///
    /// The returned user has these attributes as well, so `B` also has to implement `Deserialize` and own
    /// its values. For other types, [`returning`](Self::returning) names the type to read instead:
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
    ///         NewUser::with_password(("username", "ada"), "correct horse battery")
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
            attributes: Attributes::of(attributes),
            returned: PhantomData,
        }
    }

    /// Reads the created user as a `B`. Call this if the type that is written is not the type that is read,
    /// or cannot be read because it borrows or only implements `Serialize`.
    pub fn returning<B>(self) -> NewUser<'a, B> {
        NewUser {
            id: self.id,
            key: self.key,
            attributes: self.attributes,
            returned: PhantomData,
        }
    }
}

/// Attributes as which a created user can be read. A type that derives `serde::Deserialize` and owns its
/// values implements this for every `'de`. For a type that borrows or only implements `Serialize`, call
/// [`returning`](NewUser::returning) to name the type that the user is read as.
// Another name for `Deserialize`. The compiler takes no message of ours for a lifetime that does not
// fit, but it names the trait, so the name says what to write.
#[diagnostic::on_unimplemented(
    message = "a created user cannot be read as `{Self}`",
    label = "its attributes are a `{Self}`, which does not implement `serde::Deserialize`",
    note = "if `{Self}` owns its values, write `#[derive(serde::Deserialize)]` above it",
    note = "otherwise write `.returning::<OwnedProfile>()` after `.attributes(..)`, where `OwnedProfile` owns its values and derives `serde::Deserialize`, as `NoAttributes` does"
)]
pub trait OwnedOrCallReturning<'de>: Deserialize<'de> {}

#[diagnostic::do_not_recommend]
impl<'de, A: Deserialize<'de>> OwnedOrCallReturning<'de> for A {}

debug_of!(NewUser<'_, A>: id, key);

/// What an application gives as the values of columns.
pub(crate) struct Attributes {
    json: serde_json::Result<Value>,
    type_name: &'static str,
}

impl Attributes {
    pub(crate) fn of<A: Serialize + ?Sized>(attributes: &A) -> Self {
        Self {
            json: serde_json::to_value(attributes),
            type_name: std::any::type_name::<A>(),
        }
    }

    /// The columns of `table` that these are. None of them is one of `own`, the columns of lucia's.
    ///
    /// # Errors
    ///
    /// They say nothing of the values. [`Error::Misuse`] for a type that cannot be serialized, and
    /// [`Error::InvalidAttribute`] for what may come from a client.
    pub(crate) fn columns(self, table: &str, own: &[&str]) -> Result<Map<String, Value>> {
        let Self { json, type_name } = self;
        let refuse = |column: Option<&String>, reason| {
            Err(refused(Error::InvalidAttribute {
                table: table.to_owned(),
                column: column.cloned(),
                reason,
            }))
        };
        let columns = match json {
            Ok(Value::Object(columns)) => columns,
            Ok(_) => {
                let reason = format!(
                    "attributes are an object whose fields are columns; what `{type_name}` holds \
                     is none"
                );
                return refuse(None, reason);
            }
            Err(_) => {
                return Err(Error::Misuse(format!(
                    "`{type_name}` cannot be serialized as JSON: keys have to be text, and whole \
                     numbers beyond 64 bits, too"
                )));
            }
        };
        for (column, value) in &columns {
            // Some databases find a column by any spelling.
            if own.iter().any(|own| own.eq_ignore_ascii_case(column)) {
                let reason = format!(
                    "the column is lucia's and no attribute; `{type_name}` has a field of this name: \
                     leave it out with `#[serde(skip_serializing)]`, or take what a client sends as a \
                     struct of the columns that it may set"
                );
                return refuse(Some(column), reason);
            }
            let nul = column.contains('\0').then_some(NUL);
            if let Some(reason) = nul.or_else(|| problem(value, DEEPEST)) {
                return refuse(Some(column), reason.to_owned());
            }
        }
        Ok(columns)
    }
}

/// How deep `serde_json` reads, less the row itself and one for good measure.
const DEEPEST: usize = 126;

const NUL: &str = "text cannot hold the character U+0000";

/// Why a value cannot be stored, or would not be read again out of the JSON of its row.
fn problem(value: &Value, levels: usize) -> Option<&'static str> {
    match value {
        Value::String(text) => text.contains('\0').then_some(NUL),
        Value::Array(_) | Value::Object(_) if levels == 0 => {
            Some("it is nested too deeply to be read again")
        }
        Value::Array(values) => values.iter().find_map(|value| problem(value, levels - 1)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let nul = name.contains('\0').then_some(NUL);
            nul.or_else(|| problem(value, levels - 1))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The error, with a line in the log where attributes were refused: it is a client's mistake, or one
/// of the application, which sees the client's 400 and nothing else.
pub(crate) fn refused(error: Error) -> Error {
    if let Error::InvalidAttribute { .. } = error {
        tracing::warn!(%error, "attributes refused");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Profile {
        username: String,
        age: Option<u32>,
    }

    fn columns<A: Serialize>(attributes: &A) -> Result<Map<String, Value>> {
        Attributes::of(attributes).columns("auth_user", &["id"])
    }

    fn is_refused<A: Serialize>(attributes: &A) -> bool {
        matches!(columns(attributes), Err(Error::InvalidAttribute { .. }))
    }

    #[test]
    fn attributes_are_objects_without_an_id() {
        let profile = Profile {
            username: "Ada".into(),
            age: None,
        };
        assert!(columns(&profile).is_ok());
        assert!(is_refused(&1));
        for name in ["id", "ID", "Id"] {
            assert!(is_refused(&serde_json::json!({ (name): "mallory" })));
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
            assert!(is_refused(&hostile), "{hostile}");
        }
    }

    #[test]
    fn what_could_be_stored_and_not_be_read_again_is_refused() {
        let nested = |depth| (0..depth).fold(Value::Null, |inner, _| serde_json::json!([inner]));
        let readable = serde_json::json!({ "a": nested(126) });
        assert!(columns(&readable).is_ok());
        assert!(serde_json::from_str::<Value>(&readable.to_string()).is_ok());
        assert!(is_refused(&serde_json::json!({ "a": nested(127) })));
    }

    #[test]
    fn debug_of_a_new_user_shows_no_password() {
        let user = NewUser::with_password(("username", "ada"), "correct horse battery");
        assert!(!format!("{user:?}").contains("correct horse"));
    }
}
