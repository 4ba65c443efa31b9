//! Calls of before are made again, without a server.

use std::fs;

use super::World;

const CALLS: &str = "\
time,username,domain,dialed,duration,fraud
2026-06-08T12:00:00-04:00,alice,example.com,12125550123,60,no
2026-06-08T12:05:00-04:00,alice,example.com,00442079460123,600,no
2026-06-08T12:20:00-04:00,alice,example.com,00442079460123,30,no
2026-06-09T02:00:00-04:00,bob,example.com,0037128054190,600,yes
2026-06-09T02:01:00-04:00,bob,example.com,0037128054191,600,yes
2026-06-09T02:01:00-04:00,bob,example.com,005350011111,600,yes
2026-06-08T12:21:00-04:00,carol,example.com,12125550123,0,
";

/// London, Latvia and Cuba stand open to everybody, and nothing is predicted.
const OPEN: &str = "\
blocked_countries = []
allowed_destination_countries = ['GB', 'LV', 'CU']
[rules]
risk = 'off'
";

const RATES: &str =
    "destination,prefix,price\nUSA,1,0.01\nUnited Kingdom,44,0.03\nLatvia,371,0.60\n";

async fn world() -> World {
    let world = World::new().await;
    world.file("calls.csv", CALLS);
    world.file("open.toml", OPEN);
    world.file("rates.csv", RATES);
    world.file("default.toml", "name = 'default'\n");
    world
}

#[tokio::test]
async fn calls_are_made_again_under_two_policies() {
    let mut world = world().await;
    world.run("simulate calls.csv").await;
    world
        .run("simulate calls.csv --policy open.toml --policy default.toml --rates rates.csv --html report.html")
        .await;
    world
        .run("simulate calls.csv --rates rates.csv --output csv")
        .await;
    insta::assert_snapshot!(world.transcript);
    let page = fs::read_to_string(world.folder.path().join("report.html")).unwrap();
    for text in [
        "<b>open.toml</b>",
        "bob@example.com",
        "<svg",
        "destination country not allowed",
        "Tue 09 Jun 02:00",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("http"), "it loads nothing: {page}");
}

#[tokio::test]
async fn what_is_known_of_accounts_and_fraud_is_taken_along() {
    let mut world = world().await;
    world.file("known.txt", "37128054190\n");
    world.file(
        "accounts.json",
        r#"[{"username": "bob", "domain": "example.com", "blocked": true, "block_reason": "hacked",
             "limits": {"concurrent_calls": 2, "concurrent_calls_off_hours": 2, "daily_quota": 9, "daily_quota_off_hours": 9},
             "source_countries": ["US"], "destination_countries": ["US", "CU"], "etag": "1"}]"#,
    );
    world.file(
        "history.csv",
        "time,username,domain,dialed\n2026-05-08T12:00:00Z,alice,example.com,00442079460123\n",
    );
    for line in [
        "simulate calls.csv --policy open.toml --known known.txt --output json",
        "simulate calls.csv --history history.csv --accounts accounts.json --output json",
    ] {
        world.run(line).await;
    }
    let runs: Vec<serde_json::Value> = world
        .transcript
        .split("--- stdout\n")
        .skip(1)
        .map(|run| {
            let (json, _) = run.split_once("---").unwrap();
            serde_json::from_str(json).unwrap()
        })
        .collect();
    let calls_of = |run: usize, code: &str, kind: &str| {
        let by_code = runs[run]["policies"][0]["by_code"].as_array().unwrap();
        let of = by_code.iter().find(|of| of["of"] == code);
        of.and_then(|of| of[kind]["calls"].as_u64()).unwrap_or(0)
    };
    assert_eq!(calls_of(0, "R03", "fraud"), 1, "{}", runs[0]);
    assert_eq!(calls_of(1, "R16", "fraud"), 3, "{}", runs[1]);
    assert_eq!(
        calls_of(1, "A00", "ordinary"),
        3,
        "London is no news: {}",
        runs[1]
    );
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_simulated() {
    let mut world = world().await;
    world.file("no-times.csv", "username,domain,dialed\na,b.c,1\n");
    world.file(
        "wrong.csv",
        "time,username,domain,dialed,source_ip,duration,fraud\n\
         2026-06-08T12:00,a,b.c,1,,,\n\
         2026-06-08T12:00Z,a b,b.c,1,,,\n\
         2026-06-08T12:00Z,a,b.c,1,10.0.0.256,,\n\
         2026-06-08T12:00Z,a,b.c,1,,-3,\n\
         2026-06-08T12:00Z,a,b.c,1,,,perhaps\n\
         2026-06-08T12:00Z,a,b.c\n\
         ,a,b.c,1,,,\n",
    );
    world.file("wrong.toml", "blocked_countries = ['Narnia']\n");
    world.file("unknown.toml", "[risk]\nchallenge = 3\n");
    world.file("wrong-rates.csv", "prefix,price\n0044,1\n44,free\n");
    world.file("accounts.csv", "username\n");
    for line in [
        "simulate nowhere.csv",
        "simulate no-times.csv",
        "simulate wrong.csv",
        "simulate calls.csv --policy wrong.toml",
        "simulate calls.csv --policy unknown.toml",
        "simulate calls.csv --policy open.toml --policy open.toml --policy open.toml",
        "simulate calls.csv --rates wrong-rates.csv",
        "simulate calls.csv --accounts accounts.csv",
        "simulate calls.csv --html nowhere/report.html",
    ] {
        world.run(line).await;
    }
    insta::assert_snapshot!(world.transcript);
}
