use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const LINK: &str = "https://example.com/verify?token=a&b=<\"'>";

fn contents() -> [MailContent<'static>; 7] {
    [
        MailContent::VerifyAddress { link: LINK },
        MailContent::ResetPassword { link: LINK },
        MailContent::ConfirmNewAddress { link: LINK },
        MailContent::AddressChanged {
            new_address: "eve@<b>.example",
            undo_link: LINK,
        },
        MailContent::SignInLink { link: LINK },
        MailContent::SignInCode { code: "<123&456>" },
        MailContent::Invitation {
            link: LINK,
            from: "Bob <script>\r\nBcc: eve@example.com",
        },
    ]
}

fn mail(texts: &MailTexts, language: &str, content: MailContent<'_>) -> Mail {
    texts
        .mail("ada@example.com", language, content, 30 * MINUTE)
        .unwrap()
}

#[test]
fn each_mail_has_its_link_or_code_in_both_bodies_and_escapes_all_values() {
    let texts = MailTexts::new("A & <B>");
    let mut subjects = std::collections::HashSet::new();
    for language in ["en", "de"] {
        for content in contents() {
            let mail = mail(&texts, language, content);
            let html = mail.html().unwrap();
            let secret = content.link().or(content.code()).unwrap();
            assert!(mail.text().contains(secret), "{content:?}: {}", mail.text());
            let escaped = crate::mail::html::escape(secret);
            assert!(
                html.contains(&escaped) && !html.contains(secret),
                "{content:?}"
            );
            for unescaped in ["<script", "<b>", "<B>", "A & ", "<123", "eve@<b>"] {
                assert!(!html.contains(unescaped), "{content:?}: {unescaped}");
            }
            assert!(html.contains(&format!("<html lang=\"{language}\">")));
            let lifetime = if language == "en" {
                "30 minutes"
            } else {
                "30 Minuten"
            };
            assert!(mail.text().contains(lifetime) && html.contains(lifetime));
            assert!(!mail.subject().contains(['\r', '\n']));
            assert!(
                subjects.insert(mail.subject().to_owned()),
                "{}",
                mail.subject()
            );
            // Some servers break longer lines.
            assert!(html.lines().all(|line| line.len() < 998), "{content:?}");
            assert!(!html.contains("<img") && !html.contains("<link"));
        }
    }
}

#[test]
fn a_language_is_found_whatever_its_region_and_english_is_the_rest() {
    let texts = MailTexts::new("Example");
    let content = MailContent::SignInCode { code: "1" };
    for (language, subject) in [
        ("de", "Ihr Code für Example"),
        ("DE-at", "Ihr Code für Example"),
        ("de_CH", "Ihr Code für Example"),
        ("den", "Your code for Example"),
        ("en-GB", "Your code for Example"),
        ("fr", "Your code for Example"),
        ("", "Your code for Example"),
    ] {
        assert_eq!(
            mail(&texts, language, content).subject(),
            subject,
            "{language}"
        );
    }
}

#[test]
fn words_and_layout_are_replaced_one_by_one() {
    let texts = MailTexts::new("Example").words(|occasion| match occasion.content {
        MailContent::SignInCode { code } if occasion.is_in("fr") => {
            Some(MailWords::new("fr", format!("Code {code}")).before("<Bonjour>"))
        }
        _ => None,
    });
    let code = MailContent::SignInCode { code: "123" };
    let french = mail(&texts, "fr-CA", code);
    assert_eq!(french.subject(), "Code 123");
    assert_eq!(french.text(), "<Bonjour>\n\n123\n\n-- \nExample\n");
    assert!(french.html().unwrap().contains("&lt;Bonjour&gt;"));
    assert_eq!(mail(&texts, "de", code).subject(), "Ihr Code für Example");

    let texts = texts.layout(|occasion, words| format!("{}: {}", occasion.site, words.subject));
    assert_eq!(mail(&texts, "fr", code).html(), Some("Example: Code 123"));
    assert!(mail(&texts, "fr", code).text().contains("123"));
}

#[test]
fn a_link_that_is_no_url_is_refused() {
    let texts = MailTexts::new("Example");
    for link in [
        "/verify?token=1",
        "javascript:alert(1)",
        "example.com/verify",
        "",
    ] {
        let refused = texts.mail(
            "ada@example.com",
            "en",
            MailContent::SignInLink { link },
            MINUTE,
        );
        assert!(matches!(refused, Err(Error::Misuse(_))), "{link}");
    }
}

#[test]
fn durations_are_said_in_the_largest_unit_that_fits() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    for (duration, said) in [
        (Duration::ZERO, (1, Unit::Minutes)),
        (MINUTE, (1, Unit::Minutes)),
        (10 * MINUTE + Duration::from_secs(59), (10, Unit::Minutes)),
        (90 * MINUTE, (90, Unit::Minutes)),
        (HOUR, (1, Unit::Hours)),
        (24 * HOUR, (24, Unit::Hours)),
        (36 * HOUR, (36, Unit::Hours)),
        (48 * HOUR, (2, Unit::Days)),
        (7 * 24 * HOUR, (7, Unit::Days)),
    ] {
        assert_eq!(largest_unit(duration), said, "{duration:?}");
    }
}

#[test]
fn debug_shows_neither_links_nor_codes() {
    let occasion = MailOccasion {
        content: MailContent::SignInCode { code: "123456" },
        site: "Example",
        language: "en",
        lifetime: MINUTE,
    };
    assert!(!format!("{occasion:?}").contains("123456"));
}
