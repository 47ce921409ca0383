//! An object, member by member, and its texts.

use std::borrow::Cow;
use weir_json::Scanner;

/// Takes an object; `each` takes a member's value, and knows its name.
pub(crate) fn members<'a>(
    scanner: &mut Scanner<'a>,
    mut each: impl FnMut(&mut Scanner<'a>, &'a [u8]) -> Option<()>,
) -> Option<()> {
    scanner.eat(b'{').then(|| scanner.space())?;
    if scanner.eat(b'}') {
        return Some(());
    }
    loop {
        let name = scanner.key()?;
        each(scanner, name)?;
        if !scanner.another(b'}')? {
            return Some(());
        }
    }
}

/// A string's text. It is UTF-8 as scanned, so nothing is ever replaced; asked for that, the check is a fast one.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
