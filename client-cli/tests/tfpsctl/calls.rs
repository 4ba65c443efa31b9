//! Calls: checked one by one and by the file.

use insta::assert_snapshot;

use super::{World, fake};

#[tokio::test]
async fn a_call_is_checked() {
    let mut world = World::new().await;
    world
        .run("check alice example.com +12125550100 --source-ip 198.51.100.7 --user-agent 'Yealink T46' --concurrent-calls 1")
        .await
        .run("check alice example.com 005352345678")
        .await
        .run("check alice example.com 0025261234567 --call-id 1@pbx")
        .await
        .run("check alice example.com 004930123 --dry-run --at 2026-06-08T23:30+02:00")
        .await
        .run("check alice example.com 004930123 -o json")
        .await
        .run("check alice example.com 005352345678 -o csv")
        .await
        .run("check alice example.com 1 --at 2026-06-08T23:30Z")
        .await
        .run("check alice example.com 1 --dry-run --at 2026-06-08T23:30")
        .await
        .run("check alice example.com 1 --source-ip 198.51.100.700")
        .await
        .run(&format!("check alice example.com {}", "1".repeat(65)))
        .await
        .run("check alice example.com")
        .await
        .run("explain alice example.com 0025261234567 --user-agent friendly-scanner")
        .await
        .run("explain alice example.com 0025261234567 -o csv")
        .await;
    assert_snapshot!(world.transcript);
    let state = world.fake.state();
    assert_eq!(state.checks[0].concurrent_calls, Some(1));
    assert_eq!(state.checks[2].call_id, "1@pbx");
    assert_eq!(state.checks[3].at, fake::data::time("2026-06-08T21:30:00Z"));
}

#[tokio::test]
async fn a_file_of_calls_is_checked() {
    let mut world = World::new().await;
    let calls = "time,username,domain,dialed,duration\n\
                 2026-06-08T21:30Z,alice,example.com,+12125550100,60\n\
                 2026-06-08T21:31Z,alice,example.com,0025261234567,\n\
                 2026-06-08T21:32Z,bob,example.com,005352345678,\n\
                 2026-06-08T21:33Z,bob,example.com,004930123,\n";
    world.file("calls.csv", calls);
    world.file("wrong.csv", "username,domain,dialed\na,b,1\na,,1\na,b\n");
    world.file("columns.csv", "username,domain,number\n");
    world.file(
        "undecided.csv",
        &format!("username,domain,dialed\na,b,{}\na,b,1\n", "1".repeat(65)),
    );
    world.file(
        "stopped.csv",
        "username,domain,dialed\na,b,1\na,b,666\na,b,1\n",
    );
    world
        .run("check --file calls.csv")
        .await
        .run("check --file calls.csv --dry-run --output json")
        .await
        .run("check --file calls.csv --dry-run --output csv --quiet")
        .await
        .run_with_input("check --file -", "username,domain,dialed\na,b,1\n")
        .await
        .run_with_input(
            "check --file -",
            "username,domain,dialed\na,b,1\na,b\na,b,1\n",
        )
        .await
        .run("check --file wrong.csv")
        .await
        .run("check --file columns.csv")
        .await
        .run("check --file undecided.csv")
        .await
        .run("check --file stopped.csv")
        .await
        .run("check --file missing.csv")
        .await
        .run("check --file calls.csv --at 2026-06-08T21:30Z")
        .await;
    assert_snapshot!(world.transcript);
    let state = world.fake.state();
    assert!(
        state.checks[..4]
            .iter()
            .all(|check| check.at.is_none() && !check.dry_run)
    );
    assert_eq!(state.checks[4].at, fake::data::time("2026-06-08T21:30:00Z"));
}

#[tokio::test]
async fn many_calls_stay_in_the_order_of_their_file() {
    let mut world = World::new().await;
    let calls: String = (0..5000)
        .map(|number| format!("alice,example.com,1212555{number}\n"))
        .collect();
    world.file("calls.csv", &format!("username,domain,dialed\n{calls}"));
    world.run("check --file calls.csv -o csv -q").await;
    let mut lines = world
        .transcript
        .lines()
        .filter_map(|line| line.split(',').next()?.parse::<u32>().ok());
    assert!((2..=5001).all(|line| lines.next() == Some(line)));
    assert_eq!(lines.next(), None);
}
