//! The binary as a person or a script meets it: its whole output and its exit code, against a made-up server.
#![allow(missing_docs, unreachable_pub)]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use insta::assert_snapshot;
use tempfile::TempDir;
use tfps_client::v1::Limits;
use tokio::{io::AsyncWriteExt, process::Command};

use self::fake::Fake;

mod fake;

/// A server and an empty home folder, which is also where commands are run.
struct World {
    fake: Fake,
    address: SocketAddr,
    folder: TempDir,
    /// Everything that was run and said.
    transcript: String,
}

impl World {
    async fn new() -> Self {
        let (fake, address) = Fake::serve().await;
        Self {
            fake,
            address,
            folder: tempfile::tempdir().expect("a folder"),
            transcript: String::new(),
        }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tfpsctl"));
        command
            .args(words(line))
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", self.folder.path())
            .env("TFPS_SERVER", format!("http://{}", self.address))
            .env("TFPS_TOKEN", "tfps_admin")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a line, with the server's address and an admin's token in the environment.
    async fn run(&mut self, line: &str) -> &mut Self {
        let command = self.command(line);
        self.finish(line, command, "").await
    }

    async fn run_with_input(&mut self, line: &str, input: &str) -> &mut Self {
        let command = self.command(line);
        self.finish(&format!("{line} <<< {input:?}"), command, input)
            .await
    }

    async fn run_with(&mut self, line: &str, name: &str, value: &str) -> &mut Self {
        let mut command = self.command(line);
        command.env(name, value);
        self.finish(&format!("{name}={value} tfpsctl {line}"), command, "")
            .await
    }

    async fn finish(&mut self, title: &str, mut command: Command, input: &str) -> &mut Self {
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that fails early does not read it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.expect("it ends");
        let said =
            |bytes: Vec<u8>, name: &str| match String::from_utf8(bytes).expect("it says UTF-8") {
                text if text.is_empty() => String::new(),
                text => format!("--- {name}\n{text}"),
            };
        let code = output.status.code().expect("it exits by itself");
        let (stdout, stderr) = (said(output.stdout, "stdout"), said(output.stderr, "stderr"));
        let text = format!("$ {title}\n{stdout}{stderr}--- exit {code}\n\n");
        let text = text
            .replace(&self.address.to_string(), "[server]")
            .replace(&self.folder.path().display().to_string(), "[home]");
        self.transcript.push_str(&text);
        self
    }
}

/// Words at spaces; what stands in single quotes is one.
fn words(line: &str) -> Vec<String> {
    line.split('\'')
        .enumerate()
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

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
        .run("verify alice example.com --challenge none")
        .await
        .run("verify alice example.com --challenge over")
        .await
        .run("verify alice example.com")
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

#[tokio::test]
async fn settings_come_from_a_file() {
    let mut world = World::new().await;
    world.file("admin.token", "tfps_admin");
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
