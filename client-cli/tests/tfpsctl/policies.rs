//! Policies.

use std::fs;

use insta::assert_snapshot;

use super::World;

#[tokio::test]
async fn policies_are_documents() {
    let mut world = World::new().await;
    world.file(
        "new.toml",
        "name = \"new\"\nmonitor = true\n[rules]\nquota = \"off\"\n",
    );
    world.file("wrong.toml", "name = \"new\"\nmonitors = true\n");
    world.file(
        "mars.toml",
        "name = \"new\"\ntime_zone = \"Mars/Olympus\"\n",
    );
    world.file("stale.toml", "name = \"default\"\netag = \"etag-old\"\n");
    world
        .run("policy list")
        .await
        .run("policy show default")
        .await
        .run("policy show strict")
        .await
        .run("policy put new.toml")
        .await
        .run("policy show new --output json")
        .await
        .run("policy put wrong.toml")
        .await
        .run("policy put mars.toml")
        .await
        .run("policy put stale.toml")
        .await
        .run_with_input("policy put - --domain example.net", "{\"name\": \"new\"}")
        .await
        .run("policy set default time_zone=Europe/Berlin verification.max_failures=4 --rule destination-country=enforce")
        .await
        .run("policy set default time_zon=Europe/Berlin")
        .await
        .run("policy set default --rule quota=deny")
        .await
        .run("policy delete default --yes")
        .await
        .run("policy delete new")
        .await
        .run("policy delete new -y")
        .await;
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn a_policy_is_edited() {
    let mut world = World::new().await;
    let edit = "policy edit default";
    world
        .run_with(edit, "EDITOR", "sed -i s/New_York/Chicago/")
        .await;
    assert_eq!(
        world.fake.state().policies.last().unwrap().time_zone,
        "America/Chicago"
    );
    world
        .run_with(edit, "EDITOR", "true")
        .await
        .run_with(edit, "EDITOR", "false")
        .await;
    world
        .run_with(edit, "EDITOR", "sed -i s/monitor/monitors/")
        .await;
    let kept = world
        .transcript
        .rsplit("tfpsctl policy put [home]/")
        .next()
        .and_then(|rest| rest.lines().next());
    let kept = kept.expect("it says where the text is").to_owned();
    let text =
        fs::read_to_string(world.folder.path().join(&kept)).expect("what was edited is kept");
    assert!(text.contains("monitors = false"), "{text}");
    world.fake.set_rivals(1);
    world
        .run_with(edit, "VISUAL", "sed -i s/Chicago/Denver/")
        .await;
    assert_eq!(
        world.fake.state().policies.last().unwrap().time_zone,
        "America/Chicago",
        "somebody else was faster"
    );
    let transcript = without_random_names(&world.transcript);
    assert_snapshot!(transcript);
}

/// `tfps-policy-default-XXXXXX.toml` without what makes it unlike any other.
fn without_random_names(text: &str) -> String {
    let mut parts = text.split("tfps-policy-default-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "tfps-policy-default-[random]" + part.get(6..).unwrap_or_default()
    })
}
