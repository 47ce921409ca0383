use super::*;
use proptest::prelude::*;

fn template(path: &str) -> Template {
    match path.split_once(' ') {
        Some((service, path)) => Template { path: path.to_owned(), service: Some(service.to_owned()) },
        None => Template { path: path.to_owned(), service: None },
    }
}

fn rules(paths: &[&str]) -> Result<Rules, RulesError> {
    Rules::new(true, paths.iter().copied().map(template).collect())
}

#[test]
fn templates_win_over_patterns_and_the_most_specific_wins() {
    let rules = rules(&[
        "/users/{id}/orders/{order}",
        "/users/me",
        "/users/{user}",
        "/users/me/orders/{order}",
        "/v2/17",
        "/files/{path...}",
        "/files/{name}/raw",
        "/{page}/about",
        "/",
        "shop /users/{customer}",
        "shop /{all...}",
    ])
    .unwrap();
    let check = |service: &str, endpoint: &str, expect: &str| {
        assert_eq!(rules.endpoint(service, endpoint), expect, "{service} {endpoint}");
    };
    check("web", "/users/ada/orders/xy?page=2#top", "/users/{id}/orders/{order}");
    check("web", "/users/me", "/users/me");
    check("web", "/users/17", "/users/{user}");
    check("web", "/users/me/orders/3", "/users/me/orders/{order}");
    check("web", "/v2/17", "/v2/17");
    check("web", "/v2/18", "/v2/{id}");
    check("web", "/files/a/b/c.txt", "/files/{path...}");
    check("web", "/files/a/raw", "/files/{name}/raw");
    check("web", "/files/a/raw/x", "/files/{path...}");
    check("web", "/files//raw", "/files/{path...}");
    check("web", "/files/", "/files/");
    check("web", "/files", "/files");
    // Text in the first segment takes precedence over a parameter there, even though the tail is the least specific.
    check("web", "/files/about", "/files/{path...}");
    check("web", "/imprint/about", "/{page}/about");
    check("web", "/", "/");
    check("web", "/?q", "/");
    check("web", "Users.Get?x=1", "Users.Get?x=1");
    check("web", "*", "%2A");
    check("web", "GET /users/17", "GET /users/17");
    check("shop", "/users/17", "/users/{customer}");
    check("shop", "/users/17/orders/3", "/{all...}");
    check("shop", "/", "/");
}

#[test]
fn patterns_can_be_off() {
    let rules = Rules::new(false, vec![template("/users/{id}")]).unwrap();
    assert_eq!(rules.endpoint("web", "/users/17?x#y"), "/users/{id}");
    assert_eq!(rules.endpoint("web", "/orders/17?x#y"), "/orders/17");
    assert_eq!(rules.endpoint("web", "/orders/17"), "/orders/17");
    assert_eq!(rules.endpoint("web", "/?x"), "/");
    assert_eq!(rules.endpoint("web", "*"), "%2A");
}

#[test]
fn nonsense_is_refused_by_name() {
    let check = |paths: &[&str], expect: &str| {
        let error = rules(paths).unwrap_err().to_string();
        assert!(error.contains(expect), "{paths:?}: {error}");
    };
    check(&["/users/{id}", "/users/{user}"], r#""/users/{user}" and "/users/{id}" match the same endpoints"#);
    check(&["/f/{a...}", "/f/{b...}"], "match the same endpoints");
    check(&["/a", "/a"], "match the same endpoints");
    check(&["shop /a/{x}", "shop /a/{y}"], "match the same endpoints");
    assert!(rules(&["shop /a/{x}", "/a/{y}", "web /a/{z}", "/a/{b...}"]).is_ok());
    check(&["users"], "should begin with /");
    check(&["/a?b"], "query");
    check(&["/{a...}/b"], "last segment");
    for bad in ["/{}", "/{a.b}", "/x{a}", "/{a}x", "/{a", "/a}", "/{...}", "/{{a}}", "/{a..}"] {
        check(&[bad], "a segment should be text");
    }
    check(&[&format!("/{}", "x".repeat(256))], "template_bytes_max");
    check(&[&format!("{} /a", "s".repeat(129))], "1 to 128 bytes");
    let many: Vec<Template> = (0..257).map(|n| template(&format!("/p{n}"))).collect();
    assert_eq!(Rules::new(true, many).unwrap_err().to_string(), "257 endpoint templates; at most 256 (templates_max)");
}

#[test]
fn rules_are_read_as_they_were_written() {
    let rules = rules(&["/a/{x}", "shop /b/{y...}"]).unwrap();
    let json = serde_json::to_string(&rules).unwrap();
    assert_eq!(json, r#"{"patterns":true,"templates":[{"path":"/a/{x}"},{"path":"/b/{y...}","service":"shop"}]}"#);
    assert_eq!(serde_json::from_str::<Rules>(&json).unwrap(), rules);
    assert_eq!(serde_json::from_str::<Rules>("{}").unwrap(), Rules::default());
    for bad in [r#"{"pattern":true}"#, r#"{"templates":[{"path":"/a","x":1}]}"#, r#"{"templates":[{"path":"a"}]}"#] {
        assert!(serde_json::from_str::<Rules>(bad).is_err(), "{bad}");
    }
}

/// The rule of [`Rules::new`] directly: of all that match, the greatest by kind of segment from the left.
fn by_the_book<'a>(templates: &'a [String], path: &str) -> Option<&'a str> {
    let segments: Vec<&str> = path[1..].split('/').collect();
    let rank = |template: &str| -> Option<Vec<u8>> {
        let parts: Vec<&str> = template[1..].split('/').collect();
        let tail = parts.last().is_some_and(|part| part.ends_with("...}"));
        if !tail && parts.len() != segments.len() || tail && parts.len() > segments.len() {
            return None;
        }
        let rest = segments.get(parts.len() - 1..)?.join("/");
        let kinds = parts.iter().zip(&segments).map(|(part, segment)| match *part {
            part if part.ends_with("...}") => (!rest.is_empty()).then_some(0),
            part if part.starts_with('{') => (!segment.is_empty()).then_some(1),
            part => (part == *segment).then_some(2),
        });
        kinds.collect()
    };
    let ranked = templates.iter().filter_map(|template| rank(template).map(|rank| (rank, template.as_str())));
    ranked.max().map(|(_, template)| template)
}

proptest! {
    #[test]
    fn the_order_of_templates_never_matters(
        shapes in proptest::collection::btree_set("(/(a|b|\\{p\\})){1,4}(/\\{t\\.\\.\\.\\})?", 1..12),
        turn in 0_usize..12,
        path in "(/(a|b|c||17)){1,5}",
    ) {
        let mut shapes: Vec<String> = shapes.into_iter().collect();
        let expect = by_the_book(&shapes, &path).map_or_else(|| patterns::normal(&path[1..]), str::to_owned);
        let turned = turn % shapes.len();
        shapes.rotate_left(turned);
        let rules = Rules::new(true, shapes.iter().map(|path| template(path)).collect()).unwrap();
        prop_assert_eq!(rules.endpoint("web", &path), expect);
    }
}
