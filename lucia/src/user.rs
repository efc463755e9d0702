//! Users, and how their row becomes the application's own type.

mod column_probe;
mod columns;
pub(crate) mod key;
mod new;
mod numbers;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer, ser};
use serde_json::Value;

use crate::Result;
use crate::error::InvalidUserId;

pub(crate) use column_probe::try_columns;
pub(crate) use columns::{Problem, read_columns};
pub(crate) use new::{Attributes, refused};
pub use new::{NewUser, OwnedOrCallReturning};

/// The id of a user: text of 1 to 255 characters without U+0000. Ids that lucia generates have 15
/// characters of `[a-z0-9]`.
///
/// [`new`](Self::new), `parse`, `try_into` and serde convert text into an id. They refuse text that cannot
/// be the id of a new user.
///
/// ```
/// use lucia::{InvalidUserId, UserId};
///
/// let id: UserId = "ada".parse()?;
/// assert_eq!(id.as_str(), "ada");
/// assert_eq!(UserId::new(""), Err(InvalidUserId::Empty));
/// # Ok::<_, InvalidUserId>(())
/// ```
//
// Every request that is signed in has it more than once, so that a clone shares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct UserId(Arc<str>);

impl UserId {
    /// How many characters an id has that lucia makes.
    pub(crate) const LENGTH: usize = 15;

    /// The maximum number of characters of an id, so that it fits into an index.
    pub const MAX_LENGTH: usize = 255;

    /// Converts text into an id.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`] says why the text cannot be an id.
    pub fn new(id: impl Into<Arc<str>>) -> Result<Self, InvalidUserId> {
        let id = id.into();
        if id.is_empty() {
            Err(InvalidUserId::Empty)
        } else if id.contains('\0') {
            Err(InvalidUserId::Nul)
        } else if id.chars().count() > Self::MAX_LENGTH {
            Err(InvalidUserId::TooLong {
                max: Self::MAX_LENGTH,
            })
        } else {
            Ok(Self(id))
        }
    }

    /// An id that was read from the user table, or from a column that refers to it. It is not checked,
    /// because the database already holds it.
    pub fn from_stored(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidUserId;

    fn try_from(id: String) -> Result<Self, InvalidUserId> {
        Self::new(id)
    }
}

impl TryFrom<&str> for UserId {
    type Error = InvalidUserId;

    fn try_from(id: &str) -> Result<Self, InvalidUserId> {
        Self::new(id)
    }
}

impl FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(id: &str) -> Result<Self, InvalidUserId> {
        Self::new(id)
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

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A user, with the columns of your user table as `A`.
///
/// It dereferences to `A`: with `struct Profile { username: String }`, a `User<Profile>` has `user.id` and
/// `user.username`. `A` can have every column, including `id`, under its name in the table.
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

/// Serializes the attributes together with `id`, like the row in the table. Only the attributes of `A` are
/// included.
impl<A: Serialize> Serialize for User<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let columns = serde_json::to_value(&self.attributes).map_err(ser::Error::custom)?;
        let Value::Object(mut columns) = columns else {
            return Err(ser::Error::custom("the attributes of a user are no object"));
        };
        // `A` may have read the column itself.
        columns.insert("id".to_owned(), self.id.as_str().into());
        columns.serialize(serializer)
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

/// The user who sent a request, or `None` for an anonymous request. Use it as a parameter of a handler that
/// admits both.
///
/// If the store is unavailable, extraction fails; the result is not `None`. In actix-web, `Option<User<A>>`
/// would be `None` in that case. In axum, it means the same as `MaybeUser<A>`.
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

/// For a user of whom only the id is needed: reads no columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NoAttributes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    struct Profile {
        username: String,
        age: Option<u32>,
    }

    #[test]
    fn what_no_user_can_have_as_an_id_is_none_however_it_is_made() {
        let too_long = InvalidUserId::TooLong { max: 255 };
        for (text, why) in [
            ("", InvalidUserId::Empty),
            ("a\0", InvalidUserId::Nul),
            ("\0", InvalidUserId::Nul),
            (&"é".repeat(256), too_long),
        ] {
            assert_eq!(UserId::new(text), Err(why));
            assert_eq!(text.parse::<UserId>(), Err(why));
            assert_eq!(UserId::try_from(text), Err(why));
            assert_eq!(UserId::try_from(text.to_owned()), Err(why));
            let json = Value::from(text);
            let refused = serde_json::from_value::<UserId>(json).unwrap_err();
            assert_eq!(refused.to_string(), why.to_string());
        }
        for text in ["a", " ", "o'\"; -- \u{1f511}", &"é".repeat(255)] {
            let id = UserId::new(text).unwrap();
            assert_eq!(id, UserId::from_stored(text));
            let json = serde_json::to_value(&id).unwrap();
            assert_eq!(json, text);
            assert_eq!(serde_json::from_value::<UserId>(json).unwrap(), id);
        }
    }

    #[test]
    fn a_user_is_serialized_as_one_object() {
        let user = User {
            id: "ada".parse().unwrap(),
            attributes: Profile {
                username: "Ada".to_owned(),
                age: None,
            },
        };
        assert_eq!(
            serde_json::to_value(&user).unwrap(),
            serde_json::json!({ "id": "ada", "username": "Ada", "age": null })
        );
        let with_id = User {
            id: "ada".parse().unwrap(),
            attributes: serde_json::json!({ "id": "ada", "age": 36 }),
        };
        let text = serde_json::to_string(&with_id).unwrap();
        assert_eq!(text.matches("\"id\"").count(), 1, "{text}");
    }
}
