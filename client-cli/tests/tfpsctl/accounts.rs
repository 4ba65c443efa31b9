//! Accounts.

use insta::assert_snapshot;
use tfps_client::v1::Limits;

use super::World;

#[tokio::test]
async fn accounts_are_listed() {
    let mut world = World::new().await;
    world
        .run("list")
        .await
        .run("list --domain example.com --output json")
        .await;
    world
        .run("list --blocked -o csv")
        .await
        .run("list --prefix zoe")
        .await
        .run("list --prefix zoe -o json")
        .await;
    world.run("list --color always --blocked").await;
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn an_account_lives_and_dies() {
    let mut world = World::new().await;
    world.file("pin", "2468\n");
    world
        .run("create dave example.com --source-countries us,gb --pin-file pin")
        .await
        .run("create dave example.com")
        .await
        .run("create erin example.com --quota 20")
        .await
        .run("create frank example.com --destination-countries +FR")
        .await
        .run("show alice example.com")
        .await
        .run("show bob example.com")
        .await
        .run("show nobody example.com")
        .await
        .run("show alice example.com --output json")
        .await
        .run("set alice example.com --quota 50 --policy strict --email ops@example.com")
        .await
        .run("set dave example.com --no-pin --output json")
        .await
        .run("set dave example.com --no-pin --pin-file pin")
        .await
        .run("set alice example.com --quota 1000000")
        .await
        .run("set alice example.com --source-countries UK")
        .await
        .run("set alice example.com")
        .await
        .run("block alice example.com --reason 'stolen phone'")
        .await
        .run("unblock alice example.com --output csv")
        .await
        .run("reset alice example.com")
        .await
        .run("remove alice example.com")
        .await
        .run("remove alice example.com --yes")
        .await
        .run("remove alice example.com --yes")
        .await;
    assert_snapshot!(world.transcript);

    let state = world.fake.state();
    let (asked, _) = &state.asked[0];
    assert_eq!(
        (asked.pin.as_str(), asked.limits),
        ("2468", None),
        "limits that are not given are the policy's"
    );
    let (erin, mask) = &state.asked[1];
    assert!(mask.is_empty(), "one call creates it: {mask:?}");
    assert_eq!(
        erin.limits,
        Some(Limits {
            daily_quota: Some(20),
            ..Limits::default()
        })
    );
}

#[tokio::test]
async fn locks_are_listed_and_ended() {
    let mut world = World::new().await;
    for line in [
        "locks",
        "locks --domain example.com --output csv",
        "unlock mallory example.com",
        "unlock --source 2001:db8::/64 --domain example.com",
        "unlock --trunk carrier --domain example.com",
        "unlock --policy-pin default --domain example.com",
        "unlock --source 192.0.2.1 --domain example.com",
        "unlock --source 192.0.2.1",
        "unlock mallory",
        "unlock",
    ] {
        world.run(line).await;
    }
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn countries_are_added_and_removed_on_what_is_there() {
    let mut world = World::new().await;
    world.fake.set_rivals(1);
    world
        .run("set carol voip.example.net --source-countries +FR,-GB")
        .await;
    world.fake.set_rivals(2);
    world
        .run("set carol voip.example.net --destination-countries -US")
        .await;
    world.fake.set_rivals(1);
    world
        .run("set carol voip.example.net --destination-countries DE,882 --quiet")
        .await;
    assert_snapshot!(world.transcript);
    let carol = &world.fake.state().accounts[2];
    assert_eq!(carol.source_countries, ["US", "CA", "FR"]);
    assert_eq!(
        carol.destination_countries,
        ["DE", "882"],
        "a whole list minds nobody"
    );
}

#[tokio::test]
async fn limits_are_learned() {
    let mut world = World::new().await;
    for line in [
        "train --dry-run",
        "train alice example.com --apply --output json",
        "train alice",
        "trainings list",
        "trainings list --state applied",
        "trainings apply tr1",
        "trainings apply tr9",
        "trainings revert tr1",
    ] {
        world.run(line).await;
    }
    insta::assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn calls_in_progress_are_shown_and_ended() {
    let mut world = World::new().await;
    for line in [
        "calls list",
        "calls list --username bob --output json",
        "calls list --username nobody",
        "calls end --number 37128054190 --reason pumped --yes",
        "calls end bob example.com --yes",
        "calls end bob",
        "calls end",
        "calls end alice example.com --call-id 1 --number 2",
    ] {
        world.run(line).await;
    }
    insta::assert_snapshot!(world.transcript);
}
