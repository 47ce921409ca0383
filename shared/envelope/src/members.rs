//! An object, member by member.

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
