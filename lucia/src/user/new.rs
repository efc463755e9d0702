//! A user who is about to be created, and columns that are about to be written.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{NoAttributes, UserId};
use crate::user::key::{KeyId, NewKey};
use crate::{Error, Result};

/// Someone who signs up, for [`create_user`](crate::Auth::create_user).
///
/// `A` is the type of the attributes given, and of the [`User`](crate::User) that comes back.
///
/// ```
/// use lucia::{NewKey, NewUser};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Profile { username: String }
///
/// let profile = Profile { username: "ada".to_owned() };
/// // Signs in by a username and a password:
/// let ada = NewUser::with_password(("username", "ada"), "correct horse battery").attributes(&profile);
/// // Signs in by an OAuth provider, which vouches for the user:
/// let ada = NewUser::with_key(NewKey::without_password(("github", "1234"))).attributes(&profile);
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
    /// [`with_key`](Self::with_key)`(NewKey::with_password(..))`.
    pub fn with_password(key: impl Into<KeyId>, password: &'a str) -> Self {
        Self::with_key(NewKey::with_password(key, password))
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
    pub fn id(mut self, id: UserId) -> Self {
        self.id = Some(id);
        self
    }

    /// The columns of the user's row, each under its name in the table. A column that is left
    /// out gets the default of the database.
    ///
    /// `attributes` is a struct or map that serializes to an object. `id` is not among the
    /// columns that can be set, and [`create_user`](crate::Auth::create_user) refuses it.
    ///
    /// The user that comes back has these attributes, too, so `B` implements `Deserialize` as
    /// well, and owns its values. For a type that does not, [`returning`](Self::returning) names
    /// the type to read instead:
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
            attributes: object(attributes, &["id"]),
            returned: PhantomData,
        }
    }

    /// Reads the created user as a `B`: for when the type written is not the type read, or cannot
    /// be read because it borrows or only implements `Serialize`.
    pub fn returning<B>(self) -> NewUser<'a, B> {
        NewUser {
            id: self.id,
            key: self.key,
            attributes: self.attributes,
            returned: PhantomData,
        }
    }
}

/// Attributes that a created user can be read as. A type that derives `serde::Deserialize` and owns
/// its values implements this for every `'de`. For a type that borrows or only implements
/// `Serialize`, call [`returning`](NewUser::returning) to say what the user is read as.
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
    /// Programmer's mistake: a type that cannot be serialized.
    Misuse(String),
    /// What may come from a client: no object, a column out of reach, a value that cannot be
    /// stored.
    Refused {
        column: Option<String>,
        reason: String,
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
            return Err(InvalidAttributes::Refused {
                column: None,
                reason: format!(
                    "attributes are an object whose fields are columns; what `{type_name}` holds \
                     is none"
                ),
            });
        }
        Err(_) => {
            return Err(InvalidAttributes::Misuse(format!(
                "`{type_name}` cannot be serialized as JSON: keys have to be text, and whole \
                 numbers beyond 64 bits, too"
            )));
        }
    };
    // Some databases find a column by any spelling.
    let is_own = |name: &&String| own.iter().any(|own| own.eq_ignore_ascii_case(name));
    if let Some(name) = columns.keys().find(is_own) {
        return Err(InvalidAttributes::Refused {
            column: Some(name.clone()),
            reason: format!(
                "the column is lucia's and no attribute; `{type_name}` has a field of this name: \
                 leave it out with `#[serde(skip_serializing)]`, or take what a client sends as a \
                 struct of the columns that it may set"
            ),
        });
    }
    for (column, value) in &columns {
        let reason = if column.contains('\0') || holds_nul(value) {
            "text cannot hold the character U+0000"
        } else if is_too_deep(value) {
            "it is nested too deeply to be read again"
        } else {
            continue;
        };
        return Err(InvalidAttributes::Refused {
            column: Some(column.clone()),
            reason: reason.to_owned(),
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
            Self::Refused { column, reason } => refused(Error::InvalidAttribute {
                table: table.to_owned(),
                column,
                reason,
            }),
        }
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
            Err(InvalidAttributes::Refused { .. })
        ));
        for name in ["id", "ID", "Id"] {
            let with_id = serde_json::json!({ (name): "mallory" });
            assert!(matches!(
                object(&with_id, &["id"]),
                Err(InvalidAttributes::Refused { .. })
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
                Err(InvalidAttributes::Refused { .. })
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
            Err(InvalidAttributes::Refused { .. })
        ));
    }

    #[test]
    fn debug_of_a_new_user_shows_no_password() {
        let user = NewUser::with_password(("username", "ada"), "correct horse battery");
        assert!(!format!("{user:?}").contains("correct horse"));
    }
}
