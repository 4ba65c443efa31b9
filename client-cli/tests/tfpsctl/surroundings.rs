//! What needs no server: settings, help, completions, pipes.

use std::{fs, os::unix::fs::PermissionsExt};

use insta::assert_snapshot;

use super::World;

#[tokio::test]
async fn settings_come_from_a_file() {
    let mut world = World::new().await;
    let token = world.file("admin.token", "tfps_admin");
    fs::set_permissions(token, fs::Permissions::from_mode(0o600)).expect("a private file");
    let own = format!(
        "server = \"http://{}\"\ntoken_file = \"../../admin.token\"\noutput = \"csv\"\n",
        world.address
    );
    world.file(".config/tfps/tfpsctl.toml", &own);
    world.file("wrong.toml", "servers = 1\n");
    let mut command = world.command("list --prefix alice");
    command.env_remove("TFPS_SERVER").env_remove("TFPS_TOKEN");
    world.finish("list --prefix alice", command, "").await;
    world
        .run("list --config wrong.toml")
        .await
        .run("list --config missing.toml")
        .await;
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn a_closed_pipe_is_no_news() {
    let world = World::new().await;
    for line in ["list", "decisions -o json", "completions bash"] {
        let mut child = world.command(line).spawn().expect("the binary is built");
        drop(child.stdout.take());
        let output = child.wait_with_output().await.expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    }
}

#[tokio::test]
async fn help_says_what_there_is() {
    let mut world = World::new().await;
    world
        .run("--help")
        .await
        .run("check --help")
        .await
        .run("entries import -h")
        .await;
    assert_snapshot!(world.transcript);
}

#[tokio::test]
async fn completions_need_no_server() {
    let mut world = World::new().await;
    world
        .run_with("completions bash", "TFPS_SERVER", "nonsense")
        .await;
    assert!(world.transcript.contains("_tfpsctl()"));
    assert!(world.transcript.ends_with("--- exit 0\n\n"));
}
