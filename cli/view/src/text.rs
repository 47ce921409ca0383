//! Text that came from outside, made safe to be shown. Producers choose the names of services and endpoints.

/// Text as a terminal or a page may show it: a control character in it must not drive the reader's terminal, and one
/// that turns the direction of text around must not make a name look like another.
///
/// ```
/// assert_eq!(weir_view::shown("/naïve/路\u{1b}[2J"), r"/naïve/路\u{1b}[2J");
/// ```
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_safe(c) { shown.push(c) } else { shown.extend(c.escape_unicode()) }
    }
    shown
}

/// Neither a control character nor one that turns the direction of text around.
fn is_safe(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same as text of HTML, in elements and in quoted attributes.
pub fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in shown(text).chars() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_drive_a_terminal_is_escaped() {
        assert_eq!(shown("/naïve/路"), "/naïve/路");
        assert_eq!(shown("a\u{1b}[2J\u{7f}\u{9b}\n"), r"a\u{1b}[2J\u{7f}\u{9b}\u{a}");
        assert_eq!(shown("x\u{202e}y"), r"x\u{202e}y");
    }

    #[test]
    fn what_would_be_markup_is_escaped() {
        assert_eq!(html("<b a=\"x\" b='y'>&\0"), "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\\u{0}");
    }

    proptest! {
        #[test]
        fn no_text_is_markup(text in "\\PC{0,40}|[<>&\"'\u{0}-\u{1f}]{0,20}") {
            let live = html(&text).contains(['<', '>', '"', '\'', '\n', '\u{1b}', '\0']);
            prop_assert!(!live, "{}", html(&text));
        }
    }
}
