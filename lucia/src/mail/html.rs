//! Texts in HTML.

/// A text as HTML shows it, in elements and in attributes between double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whether a text is a link to a page, and so no script.
pub(super) fn is_link(text: &str) -> bool {
    let is_whole = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    is_whole && (text.starts_with("https://") || text.starts_with("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_html_is_escaped() {
        assert_eq!(
            escape(r#"<a href="x" title='y'>&amp;ü</a>"#),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;ü&lt;/a&gt;"
        );
    }

    #[test]
    fn links_are_those_to_pages() {
        assert!(is_link("https://example.com/a?b=c#d") && is_link("http://localhost:8080/"));
        for text in [
            "",
            "javascript:alert(1)",
            "//example.com",
            "https://a b",
            "https://a\nb",
            " https://a",
        ] {
            assert!(!is_link(text), "{text}");
        }
    }
}
