//! What comes after a call: its decision, its challenge, what is learned from it.

use insta::assert_snapshot;

use super::World;

#[tokio::test]
async fn decisions_are_shown_and_followed() {
    let mut world = World::new().await;
    world
        .run("decisions")
        .await
        .run("decisions --code r06,V03 --number +53 --limit 1")
        .await
        .run("decisions -o csv --since 2h")
        .await
        .run("decisions --code X99")
        .await
        .run("decisions --since 2026-06-08T23:30")
        .await
        .run("decisions --follow")
        .await;
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn a_challenge_is_gone_through_by_hand() {
    let mut world = World::new().await;
    world
        .run_with_input("verify alice example.com --challenge c-1", "0417\n")
        .await
        .run_with_input("verify alice example.com --purpose quota", "1111\n")
        .await
        .run_with_input("verify alice example.com --challenge c-1", "\n")
        .await
        .run("verify alice example.com --challenge c-1 --digits 0417 -o json -q")
        .await
        .run("verify alice example.com --challenge c-1")
        .await
        .run("verify alice example.com --purpose onboarding --digits 0418")
        .await
        .run("verify --challenge c-1 --digits 1111")
        .await
        .run("verify alice example.com --challenge none")
        .await
        .run("verify alice example.com --challenge over")
        .await
        .run("verify --challenge over")
        .await
        .run("verify alice example.com")
        .await
        .run("verify --purpose quota")
        .await;
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn lessons_are_given() {
    let mut world = World::new().await;
    world
        .run("learn call-started alice example.com 1@pbx")
        .await
        .run("learn call-ended alice example.com 1@pbx --duration 1m3s --cause 16")
        .await
        .run("learn limits alice example.com --verification v1 --concurrent-calls 3 --quota 20")
        .await
        .run("learn limits alice example.com --verification v1 --concurrent-calls 0 --quota 20")
        .await
        .run("learn fraud --decision d-3 --note 'customer confirmed'")
        .await
        .run("learn false-positive 25261 -o json")
        .await
        .run("learn fraud --decision none")
        .await
        .run("learn fraud")
        .await;
    assert_snapshot!(world.transcript);
    assert_snapshot!("lessons", format!("{:#?}", world.fake.state().lessons));
}
