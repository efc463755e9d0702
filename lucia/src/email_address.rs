//! Addresses of e-mail: which ones a mail can be sent to, and which are one.

use unicode_normalization::UnicodeNormalization;
use url::Host;

/// Limits of RFC 5321, 4.5.3.1: of the part before the `@`, and of a path without its brackets.
const MAX_LOCAL_PART: usize = 64;
const MAX_ADDRESS: usize = 254;

const TOO_LONG: &str = "it is longer than 254 bytes";

/// The address as a mail server gets it: without blanks around it, and the domain in its ASCII form.
///
/// Whether the address exists only a mail to it tells. So the syntax is what RFC 5322 calls `dot-atom`,
/// with the letters of all languages (RFC 6531); quoted local parts and addresses of IP numbers are
/// refused. `Err` says why.
pub(crate) fn parse(address: &str) -> Result<String, &'static str> {
    let address = address.trim_matches(' ');
    let refuse = Err;
    let Some((local, domain)) = address.rsplit_once('@') else {
        return refuse("it has no `@`");
    };
    if local.is_empty() || domain.is_empty() {
        return refuse("one side of the `@` is empty");
    }
    if local.len() > MAX_LOCAL_PART {
        return refuse("the part before the `@` is longer than 64 bytes");
    }
    if !local.chars().all(is_atom) {
        return refuse("the part before the `@` has a character that is not allowed there");
    }
    if local.split('.').any(str::is_empty) {
        return refuse("the part before the `@` has a dot at an end, or two in a row");
    }
    // The parser decodes percent signs and takes numbers for addresses of the Internet.
    let is_plain = |c: char| c.is_alphanumeric() || c == '-' || c == '.' || is_mark(c);
    if !domain.chars().all(is_plain) {
        return refuse("the domain has a character that is not allowed there");
    }
    let Ok(Host::Domain(domain)) = Host::parse(domain) else {
        return refuse("the domain is not a name");
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    if !domain.split('.').all(is_label) {
        return refuse("the domain is not a name");
    }
    let address = format!("{local}@{domain}");
    if address.len() > MAX_ADDRESS {
        return refuse(TOO_LONG);
    }
    Ok(address)
}

/// One form for all spellings of an address that lead to one mailbox at nearly every provider: in lower case and
/// in Unicode's form NFC (RFC 6532, 3.1), without space around it, and the domain in its ASCII form. `Err` says why
/// no mail can be sent there.
///
/// RFC 5321 lets a mail server take `Ada` and `ada` for two people. None that many people use does, and people
/// type their address in both ways.
pub(crate) fn normalize(address: &str) -> Result<String, &'static str> {
    let address = address.trim();
    // Before any work: no spelling of an address is as long.
    if address.len() > 4 * MAX_ADDRESS {
        return Err(TOO_LONG);
    }
    let address: String = address.to_lowercase().nfc().collect();
    parse(&address)
}

/// A character of an atom (RFC 5322, 3.2.3; RFC 6531, 3.3).
fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~.".contains(c)
        || (!c.is_ascii() && (c.is_alphanumeric() || is_mark(c)))
}

/// An accent or vowel sign that stands beside its letter. Nothing invisible is among them.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_out_as_a_mail_server_gets_them() {
        for (typed, address) in [
            ("ada@example.com", "ada@example.com"),
            (" ada@example.com ", "ada@example.com"),
            (
                "ada+lucia@mail.example.co.uk",
                "ada+lucia@mail.example.co.uk",
            ),
            ("Ada@EXAMPLE.com", "Ada@example.com"),
            (
                "o'neil_!#$%&*/=?^`{|}~@example.com",
                "o'neil_!#$%&*/=?^`{|}~@example.com",
            ),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("jörg@example.com", "jörg@example.com"),
            (
                "उपयोगकर्ता@उदाहरण.कॉम",
                "उपयोगकर्ता@xn--p1b6ci4b4b3a.xn--11b4c3d",
            ),
            ("ada@localhost", "ada@localhost"),
        ] {
            assert_eq!(parse(typed).unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("ada@{}com", "a23456789.".repeat(26));
        for typed in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@@",
            "ada@example@com",
            "ada lovelace@example.com",
            "ada@exam ple.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "\"ada\"@example.com",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@0x7f.1",
            "ada@ex%61mple.com",
            "ada@-example.com",
            "ada@example..com",
            "ada@example.com.",
            "Ada <ada@example.com>",
            "ada@example.com, bob@example.com",
            "ada@example.com;bob@example.com",
            "ada@example.com\r\nBcc: bob@example.com",
            "ada\r\nRCPT TO:<bob@example.com>@example.com",
            "ada\n@example.com",
            "ada\0@example.com",
            "ada@example.com\n",
            "\tada@example.com",
            "ada\u{200b}@example.com",
            "ada\u{202e}@example.com",
            "ada@exam\u{202e}ple.com",
            "ada\u{2028}@example.com",
            &long,
            &longer,
        ] {
            let refused = parse(typed);
            assert!(refused.is_err(), "{typed:?}: {refused:?}");
        }
    }

    #[test]
    fn the_spellings_of_an_address_are_one() {
        for (typed, address) in [
            ("ada@example.com", "ada@example.com"),
            (" Ada@Example.COM\r\n", "ada@example.com"),
            ("\tADA+lucia@example.com", "ada+lucia@example.com"),
            ("JO\u{308}RG@example.com", "j\u{f6}rg@example.com"),
            (
                "j\u{f6}rg@b\u{fc}cher.example",
                "j\u{f6}rg@xn--bcher-kva.example",
            ),
            (
                "J\u{d6}RG@XN--BCHER-KVA.example",
                "j\u{f6}rg@xn--bcher-kva.example",
            ),
        ] {
            let found = normalize(typed).unwrap();
            assert_eq!(found, address, "{typed:?}");
            assert_eq!(normalize(&found).unwrap(), found);
            assert_eq!(parse(&found).unwrap(), found);
        }
        assert!(normalize("ada").is_err());
        let long = format!("{}@example.com", "a".repeat(4 * MAX_ADDRESS));
        assert_eq!(normalize(&long), Err(TOO_LONG));
    }
}
