//! What is around the words of a mail, as text and as HTML.

use std::fmt::Write as _;

use super::{MailOccasion, MailWords};
use crate::mail::html::escape;

/// For programs that know the colours of the reader. Others show what the elements say themselves.
const STYLE: &str = "@media (prefers-color-scheme: dark) { \
    .ground { background: #16181d !important } \
    .paper { background: #1f2229 !important; border-color: #373c46 !important } \
    .text, .code { color: #e7e9ee !important } \
    .quiet, .quiet a { color: #a3abba !important } \
    .code { background: #2a2e37 !important } \
    .button, .button a { background: #8ab4f8 !important; color: #10131a !important } }";

const FONT: &str = "font-family: -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

pub(super) fn text(occasion: &MailOccasion<'_>, words: &MailWords) -> String {
    let link = occasion.content.link();
    let middle = [link, occasion.content.code()].into_iter().flatten();
    let before = words.before.iter().map(String::as_str);
    let after = words.after.iter().map(String::as_str);
    let parts: Vec<_> = before.chain(middle).chain(after).collect();
    // As at the foot of the HTML, after the line that sets off a signature.
    format!("{}\n\n-- \n{}\n", parts.join("\n\n"), occasion.site)
}

pub(super) fn html(occasion: &MailOccasion<'_>, words: &MailWords) -> String {
    let paragraph = |text: &String| {
        format!(
            "<p class=\"text\" style=\"margin: 0 0 16px; color: #1b1e24\">{}</p>\n",
            escape(text)
        )
    };
    let mut body: String = words.before.iter().map(paragraph).collect();
    // Writing to a string cannot fail.
    if let Some(code) = occasion.content.code() {
        let _ = writeln!(
            body,
            "<p class=\"code\" style=\"margin: 0 0 16px; padding: 16px; border-radius: 8px; \
             background: #eef0f3; color: #1b1e24; font-family: ui-monospace, Consolas, monospace; \
             font-size: 28px; letter-spacing: 4px; text-align: center\">{}</p>",
            escape(code)
        );
    }
    if let Some(link) = occasion.content.link() {
        let _ = writeln!(
            body,
            "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" \
             style=\"margin: 8px 0 24px\"><tr><td class=\"button\" bgcolor=\"#0b57d0\" \
             style=\"border-radius: 8px\"><a href=\"{}\" style=\"display: inline-block; \
             padding: 12px 20px; border-radius: 8px; color: #ffffff; font-weight: 600; \
             text-decoration: none; {FONT}\">{}</a></td></tr></table>",
            escape(link),
            escape(&words.button)
        );
    }
    body.extend(words.after.iter().map(paragraph));
    if let Some(link) = occasion.content.link() {
        let link = escape(link);
        let _ = writeln!(
            body,
            "<p class=\"quiet\" style=\"margin: 24px 0 0; color: #5c6370; font-size: 13px; \
             word-break: break-all\">{}<br><a href=\"{link}\" style=\"color: #5c6370\">{link}</a></p>",
            escape(&words.fallback)
        );
    }
    format!(
        r#"<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{subject}</title>
<style>{STYLE}</style>
</head>
<body class="ground" style="margin: 0; padding: 0; background: #f6f7f9">
<table role="presentation" class="ground" width="100%" cellpadding="0" cellspacing="0" border="0" style="background: #f6f7f9">
<tr><td align="center" style="padding: 32px 12px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width: 520px">
<tr><td class="paper" style="padding: 32px 24px; border: 1px solid #d8dade; border-radius: 12px; background: #ffffff; font-size: 16px; line-height: 1.5; text-align: left; {FONT}">
{body}</td></tr>
<tr><td class="quiet" align="center" style="padding: 16px 24px; color: #5c6370; font-size: 13px; {FONT}">{site}</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
"#,
        language = escape(&words.language),
        subject = escape(&words.subject),
        site = escape(occasion.site),
    )
}
