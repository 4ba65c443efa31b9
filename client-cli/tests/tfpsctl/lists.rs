//! Lists.

use std::fs;

use insta::assert_snapshot;

use super::World;

#[tokio::test]
async fn lists_are_kept() {
    let mut world = World::new().await;
    world.file("irsf.txt", "25261\n\n25262,Somalia\r\n25261\n");
    world.file("wrong.txt", "25261\nxyz\n");
    fs::write(world.folder.path().join("latin1.txt"), b"25261\n\xff\n").unwrap();
    world
        .run("entries list")
        .await
        .run("entries list --kind number --matching 252612345678 -o json")
        .await
        .run("entries add ip 203.0.113.7 --action block --reason 'register flood' --expires 2099-01-01T00:00Z")
        .await
        .run("entries add ip 203.0.113.7 --action block -o json")
        .await
        .run("entries add ip xyz --action block")
        .await
        .run("entries add address 203.0.113.7 --action block")
        .await
        .run("entries add ip 203.0.113.7 --action block --expires 2020-01-01T00:00Z")
        .await
        .run("entries remove ip 203.0.113.7")
        .await
        .run("entries remove ip 203.0.113.7 -y")
        .await
        .run("entries remove ip 203.0.113.7 -y")
        .await
        .run("entries remove --source operator -y")
        .await
        .run("entries import --kind number --action block irsf.txt")
        .await
        .run("entries import --kind number --action block wrong.txt")
        .await
        .run("entries import --kind number --action block --skip-invalid wrong.txt")
        .await
        .run_with_input("entries import --kind number --action block -", "25261\n")
        .await
        .run("entries import --kind number --action block missing.txt")
        .await;
    let before = world.fake.state().entries.len();
    world
        .run("entries import --kind number --action block latin1.txt")
        .await;
    assert_eq!(
        world.fake.state().entries.len(),
        before,
        "an import that breaks off imports nothing"
    );
    assert_snapshot!(world.transcript);
    assert!(
        world
            .fake
            .state()
            .entries
            .iter()
            .any(|entry| entry.source == "irsf.txt")
    );
}

#[tokio::test]
async fn a_large_list_is_imported() {
    let mut world = World::new().await;
    let lines: String = (0..120_000)
        .map(|number| format!("2526{number:06}\n"))
        .collect();
    world.file("large.txt", &lines);
    world
        .run("entries import --kind number --action block large.txt -o json")
        .await;
    assert!(
        world.transcript.contains("\"created\": 120000"),
        "{}",
        world.transcript
    );
}
