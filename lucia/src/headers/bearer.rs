//! Reading a session token from the `Authorization` header (RFC 6750, 2.1).

use crate::session::token::Presented;

/// What the `Authorization` headers of a request say. Schemes other than `Bearer` are ignored. The
/// name of a scheme is the same in any case (RFC 9110, 11.1).
///
/// A request has one such header. Where a token is among several, it is not for their order to say
/// whether it counts.
pub(crate) fn read<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Presented {
    let mut number = 0;
    let mut shown = None;
    for value in headers {
        number += 1;
        shown = shown.or(bearer(value));
    }
    match shown {
        None => Presented::Nothing,
        Some(credentials) if number == 1 => Presented::read(credentials),
        Some(_) => Presented::Unreadable,
    }
}

/// What stands after the scheme `Bearer`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";

    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME);
    (is_bearer && rest.first().is_none_or(|next| *next == b' ')).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Presented {
        read([value.as_bytes()].into_iter())
    }

    #[test]
    fn r32_the_scheme_is_the_same_in_any_case() {
        let token = "a".repeat(40);
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            let presented = one(&format!("{scheme} {token}"));
            assert!(matches!(presented, Presented::Token(_)), "{scheme}");
        }
        assert!(matches!(
            one(&format!(" Bearer   {token} ")),
            Presented::Token(_)
        ));
    }

    #[test]
    fn what_is_no_bearer_token_is_nothing() {
        for value in ["", "Basic YTpi", "Bearer\u{7f}x", "Bearerx", "Digest a=b"] {
            assert_eq!(one(value), Presented::Nothing, "{value:?}");
        }
        assert_eq!(read(std::iter::empty()), Presented::Nothing);
    }

    #[test]
    fn what_cannot_be_a_token_is_unreadable() {
        let token = "a".repeat(40);
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer x",
            &format!("Bearer {token}, Bearer {token}"),
            &format!("Bearer {token} x"),
            &format!("Bearer {}", "A".repeat(40)),
            &format!("Bearer {}", "f".repeat(64)),
        ] {
            assert_eq!(one(value), Presented::Unreadable, "{value:?}");
        }
    }

    #[test]
    fn a_token_among_several_headers_is_unreadable_wherever_it_stands() {
        let token = format!("Bearer {}", "a".repeat(40));
        let several = |values: &[&str]| read(values.iter().map(|value| value.as_bytes()));
        for values in [
            &[&*token, &*token][..],
            &[&token, "Basic YTpi"],
            &["Basic YTpi", &token],
            &["", &token],
            &["Basic YTpi", "Digest a=b", &token],
        ] {
            assert_eq!(several(values), Presented::Unreadable, "{values:?}");
        }
        let others = several(&["Basic YTpi", "Digest a=b", ""]);
        assert_eq!(others, Presented::Nothing);
    }
}
