//! [`TokenPurpose`] and [`CodePurpose`]: what links and codes are for.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// The longest name of a purpose, in bytes.
const MAX_NAME: usize = 64;

/// The purpose of a kind of link: its name, how long it works, and the type of its data.
///
/// ```
/// use std::time::Duration;
///
/// use lucia::TokenPurpose;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Invitation {
///     team: String,
/// }
///
/// const INVITATION: TokenPurpose<Invitation> =
///     TokenPurpose::new("invitation").expires_in(Duration::from_secs(7 * 24 * 60 * 60));
/// ```
///
/// A link works only for the purpose for which it was created. Purposes are identified by their names, so
/// do not rename a purpose while its links are open.
pub struct TokenPurpose<T = ()> {
    pub(super) name: &'static str,
    pub(super) lifetime: Duration,
    data: PhantomData<fn(T) -> T>,
}

/// The purpose of a kind of code: its name, how long it works, how many digits it has, and the type of its
/// data.
///
/// ```
/// use lucia::CodePurpose;
///
/// const SIGN_IN: CodePurpose = CodePurpose::new("sign in").digits(8);
/// ```
///
/// A code works only for the purpose and the subject for which it was created.
pub struct CodePurpose<T = ()> {
    pub(super) name: &'static str,
    pub(super) lifetime: Duration,
    pub(super) digits: u8,
    data: PhantomData<fn(T) -> T>,
}

impl<T> TokenPurpose<T> {
    /// A purpose with this name, whose links work for an hour.
    ///
    /// # Panics
    ///
    /// If the name is empty, has more than 64 bytes, or begins with `lucia`, which is reserved for lucia's
    /// own purposes. In a `const`, this is a compile-time error.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        check(name);
        Self::own(name)
    }

    /// A purpose of lucia's, whose name no application can use.
    pub(crate) const fn own(name: &'static str) -> Self {
        Self {
            name,
            lifetime: Duration::from_secs(60 * 60),
            data: PhantomData,
        }
    }

    /// How long links of this purpose work; an hour by default.
    #[must_use]
    pub const fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }
}

impl<T> CodePurpose<T> {
    /// A purpose with this name, whose codes have 6 digits and work for 10 minutes (OWASP ASVS 5.0, 6.5.5).
    ///
    /// # Panics
    ///
    /// Like [`TokenPurpose::new`].
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        check(name);
        Self::own(name)
    }

    /// A purpose of lucia's, whose name no application can use.
    pub(super) const fn own(name: &'static str) -> Self {
        Self {
            name,
            lifetime: Duration::from_secs(10 * 60),
            digits: 6,
            data: PhantomData,
        }
    }

    /// How long codes of this purpose work; 10 minutes by default.
    #[must_use]
    pub const fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How many digits codes of this purpose have, from 6 to 8; 6 by default.
    ///
    /// # Panics
    ///
    /// For any other number. In a `const`, this is a compile-time error.
    #[must_use]
    pub const fn digits(mut self, digits: u8) -> Self {
        assert!(6 <= digits && digits <= 8, "a code has 6 to 8 digits");
        self.digits = digits;
        self
    }
}

const fn check(name: &str) {
    assert!(!name.is_empty(), "the name of a purpose is not empty");
    assert!(
        name.len() <= MAX_NAME,
        "the name of a purpose has up to 64 bytes"
    );
    let is_own = matches!(name.as_bytes(), [b'l', b'u', b'c', b'i', b'a', ..]);
    assert!(
        !is_own,
        "names that begin with `lucia` are kept for lucia's own purposes"
    );
}

macro_rules! of_any_data {
    ($($purpose:ident: $($field:ident),*;)*) => {$(
        impl<T> Clone for $purpose<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $purpose<T> {}

        impl<T> fmt::Debug for $purpose<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($purpose))
                    $(.field(stringify!($field), &self.$field))*
                    .finish()
            }
        }
    )*};
}

of_any_data! {
    TokenPurpose: name, lifetime;
    CodePurpose: name, lifetime, digits;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_are_refused() {
        let long = "x".repeat(65).leak();
        for name in ["", "lucia", "lucia: reset", long] {
            assert!(std::panic::catch_unwind(|| TokenPurpose::<()>::new(name)).is_err());
            assert!(std::panic::catch_unwind(|| CodePurpose::<()>::new(name)).is_err());
        }
        for digits in [0, 5, 9] {
            let purpose = CodePurpose::<()>::new("sign in");
            assert!(std::panic::catch_unwind(|| purpose.digits(digits)).is_err());
        }
    }
}
