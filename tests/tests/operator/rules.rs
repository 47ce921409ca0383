use weir_aws::clock;
use weir_tests::Fleet;

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_tried_announced_and_never_edited() {
    let fleet = Fleet::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, json: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, json).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let shown = fleet.weir(0, &["rules", "show", "--json"]).await.json();
    assert_eq!(shown["epochs"][0]["state"], "in force");
    assert!(fleet.weir(0, &["rules", "show"]).await.out.starts_with("epoch 1, in force since the beginning"));

    let new = file("new.json", r#"{"splits":2,"rules":{"templates":[{"path":"/shops/{shop}","service":"web"}]}}"#);
    let endpoints = ["/shops/acme", "/users/17?x=1", "Billing.Charge"];
    let test = |more: &[&'static str]| [&["rules", "test"], more, &endpoints[..]].concat();
    let series = |ran: weir_tests::Ran| -> Vec<String> {
        let all = ran.json();
        let all = all.as_array().expect("a list").iter();
        all.map(|one| one["series_endpoint"].as_str().expect("text").to_owned()).collect()
    };
    let now = fleet.weir(0, &test(&["--json"])).await;
    assert_eq!(series(now), ["/shops/acme", "/users/{id}", "Billing.Charge"]);
    let arguments = ["rules", "test", "--json", "--service", "web", "--file", &new, "/shops/acme", "/users/17?x=1"];
    assert_eq!(series(fleet.weir(0, &arguments).await), ["/shops/{shop}", "/users/{id}"]);

    let dry = fleet.weir(0, &["rules", "push", &new]).await;
    assert!(
        dry.out.contains("+ rules.template /shops/{shop} of service \"web\"") && dry.out.contains("+ splits 2"),
        "{dry:?}"
    );
    assert!(dry.err.contains("nothing was announced: confirm with --yes"), "{dry:?}");
    let soon = clock::now().plus(19 * 60_000).to_string();
    let refused = fleet.weir(1, &["rules", "push", &new, "--at", &soon, "--yes"]).await;
    assert!(refused.err.contains("less than 20 min from now"), "{refused:?}");
    fleet.weir(2, &["rules", "push", &file("bad.json", r#"{"rule":1}"#)]).await;
    // A limit under which nothing would count, and one that nothing could hold.
    let limits = |events: u32, bytes: u64| {
        format!(
            r#"{{"limits":{{"payload_bytes_max":{bytes},"events_per_record_max":{events},"rejected_per_record_max":0,"series_per_record_max":1,"json_depth_max":9}}}}"#
        )
    };
    let nothing = file("nothing.json", &limits(0, 1_000));
    let refused = fleet.weir(1, &["rules", "push", &nothing, "--yes"]).await;
    assert!(refused.err.contains("limits.events_per_record_max is 0"), "{refused:?}");
    let refused = fleet.weir(2, &["rules", "test", "--file", &nothing, "/a"]).await;
    assert!(refused.err.contains("nothing.json: limits.events_per_record_max is 0"), "{refused:?}");
    let large = file("large.json", &limits(1, 1 << 30));
    let refused = fleet.weir(2, &["rules", "test", "--file", &large, "/a"]).await;
    assert!(refused.err.contains("limits.payload_bytes_max is 1073741824"), "{refused:?}");
    let announced = fleet.weir(0, &["rules", "push", &new, "--yes", "--json"]).await.json();
    assert_eq!((&announced["dry_run"], &announced["epoch"]["number"]), (&false.into(), &2.into()));

    // What stands is never edited, and saying the same again is nothing new.
    let edit = file("edit.json", r#"{"number":2,"splits":4}"#);
    let refused = fleet.weir(1, &["rules", "push", &edit, "--yes"]).await;
    assert!(refused.err.contains("epoch 2 exists and is never edited; announce epoch 3"), "{refused:?}");
    let late = clock::now().plus(60 * 60_000).to_string();
    let same = fleet.weir(1, &["rules", "push", &new, "--at", &late, "--yes"]).await;
    assert!(same.err.contains("nothing to announce"), "{same:?}");
    let shown = fleet.weir(0, &["rules", "show", "--json"]).await.json();
    let states: Vec<_> =
        shown["epochs"].as_array().expect("epochs").iter().map(|epoch| epoch["state"].clone()).collect();
    assert_eq!(states, ["in force", "announced"]);
    let outlook = fleet.weir(0, &["rules", "test", "--quarantine", "--json"]).await.json();
    assert_eq!(outlook, serde_json::json!({}), "nothing is in quarantine");
    fleet.plane.shutdown().await;
}
