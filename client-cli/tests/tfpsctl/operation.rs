//! The server, tokens, and who is let in.

use insta::assert_snapshot;

use super::World;

#[tokio::test]
async fn the_server_is_looked_after() {
    let mut world = World::new().await;
    world
        .run("status")
        .await
        .run("status -o json")
        .await
        .run("stats --since 24h")
        .await
        .run("stats -o csv")
        .await
        .run("token list")
        .await
        .run("token create --name pbx2 --role switch --expires 90d")
        .await
        .run("token create --name ops --role domain-admin")
        .await
        .run("token revoke t1")
        .await
        .run("token revoke t1 -y")
        .await
        .run("token revoke t9 -y")
        .await
        .run("reload")
        .await
        .run("reload -o json")
        .await;
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let mut world = World::new().await;
    world
        .run_with("list", "TFPS_TOKEN", "tfps_wrong")
        .await
        .run_with("list", "TFPS_TOKEN", "tfps_switch")
        .await
        .run_with("list", "TFPS_TOKEN", "")
        .await
        .run_with(
            "list --server http://tfps.example.com:50051",
            "TFPS_TOKEN",
            "",
        )
        .await
        .run("list --token-file missing.token")
        .await
        .run("list --server 127.0.0.1:50051")
        .await
        .run("list --server http://127.0.0.1:1")
        .await
        .run("list --ca-file ca.pem")
        .await
        .run("list --timeout 0")
        .await
        .run("lsit")
        .await;
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn a_token_of_this_machine_is_found() {
    let mut world = World::new().await;
    world.file("var/admin.token", "tfps_admin\n");
    world
        .run_with("list --prefix alice -o csv", "TFPS_TOKEN", "")
        .await;
    assert!(
        world.transcript.contains("alice,example.com"),
        "{}",
        world.transcript
    );
}
