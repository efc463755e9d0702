//! One form for all spellings of a name.

use std::sync::LazyLock;

use icu_collator::options::{AlternateHandling, CollatorOptions, Strength};
use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences};

use crate::user::key::bounded;

/// Bytes that are the same for all spellings of a name.
///
/// A database can compare keys by a collation, and has one key of many spellings then: without
/// case (`citext`, SQLite's `NOCASE`), without accents, kana of either kind, digits of any script.
/// Each spelling would then have a separate count. These bytes are the name's sort key of the Unicode
/// Collation Algorithm (UTS #10) without blanks and punctuation, in the order of CLDR's root, which is
/// coarser than all of these. Symbols such as `+` count. That names are counted together that the database holds apart does
/// no harm: they share a limit for one address.
///
/// What is too long for a key is cut first, so that the work has a bound whatever is sent.
pub(super) fn one_spelling(name: &str) -> Vec<u8> {
    // Letters that are newer than the collations have a lower case all the same. The `i` without a
    // dot is another letter in the root, and the lower case of `I` in Turkish; the second one is its
    // mathematical form.
    let name: String = bounded(name)
        .chars()
        .flat_map(char::to_lowercase)
        .map(|letter| match letter {
            '\u{131}' | '\u{1d6a4}' => 'i',
            letter => letter,
        })
        .collect();
    let mut bytes = Vec::with_capacity(2 * name.len());
    match COLLATOR.write_sort_key_to(&name, &mut bytes) {
        Ok(()) => bytes,
    }
}

static COLLATOR: LazyLock<CollatorBorrowed<'static>> = LazyLock::new(|| {
    let mut options = CollatorOptions::default();
    options.strength = Some(Strength::Primary);
    // Blanks and punctuation are nothing.
    options.alternate_handling = Some(AlternateHandling::Shifted);
    Collator::try_new(CollatorPreferences::default(), options)
        .expect("the data of the root collation is compiled in")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_one(spellings: &[&str]) {
        let one = one_spelling(spellings[0]);
        for spelling in spellings {
            assert_eq!(one_spelling(spelling), one, "{spelling}");
        }
    }

    #[test]
    fn r34_all_spellings_of_a_name_are_one() {
        assert_one(&[
            "ada",
            "ADA",
            "aDa",
            "\u{ff21}da",
            "\u{1d4d0}da",
            "a\u{ad}da",
            "a d a",
        ]);
        // Composed and in parts, and without the accent.
        assert_one(&["\u{e9}milie", "E\u{301}milie", "EMILIE"]);
        // A ligature, and what has two letters in the other case.
        assert_one(&["fi", "\u{fb01}", "FI"]);
        assert_one(&["stra\u{df}e", "STRASSE", "STRA\u{1e9e}E"]);
        // The lower case of it is in two parts, and that of `I` has no dot in Turkish.
        assert_one(&["\u{130}", "i\u{307}", "i", "I", "\u{131}"]);
        // The lower case of a sigma depends on where it stands.
        assert_one(&[
            "\u{3a3}\u{3a3}",
            "\u{3c3}\u{3c2}",
            "\u{3c2}\u{3c3}",
            "\u{3c3}\u{3c3}",
        ]);
        assert_one(&["\u{30ab}\u{30bf}", "\u{304b}\u{305f}", "\u{ff76}\u{ff80}"]);
        assert_one(&["42", "\u{664}\u{662}", "\u{ff14}\u{ff12}"]);
    }

    #[test]
    fn different_names_stay_different() {
        let names = [
            "ada",
            "bob",
            "ad",
            "adaa",
            "user1",
            "user2",
            "\u{434}\u{430}",
            "\u{430}\u{434}",
            "\u{5f20}\u{4f1f}",
            "\u{5f20}\u{4f1a}",
            "\u{1f600}",
            "\u{1f601}",
        ];
        let mut spellings: Vec<_> = names.map(one_spelling).to_vec();
        spellings.sort_unstable();
        spellings.dedup();
        assert_eq!(spellings.len(), names.len());
    }

    #[test]
    fn r34_what_is_made_of_a_name_has_a_bound_whatever_is_sent() {
        // One character that is eighteen, and those with the longest keys.
        for part in [
            "x",
            "\u{fdfa}",
            "\u{10ffff}",
            "\u{1f600}",
            "\u{3a3}",
            "e\u{301}",
            "\u{300}",
        ] {
            let long = part.repeat(2_000_000 / part.len());
            let cut = bounded(&long);
            assert!(cut.len() <= 1020, "{part:?}: {}", cut.len());
            let spelling = one_spelling(&long);
            assert_eq!(spelling, one_spelling(cut));
            assert!(spelling.len() <= 32 * 1024, "{part:?}: {}", spelling.len());
        }
    }

    #[test]
    fn nothing_that_can_be_a_key_is_cut() {
        let longest = "\u{1f600}".repeat(255);
        assert_eq!(bounded(&longest), longest);
    }
}
