//! An Asterisk of a test's own: the configuration under deploy/, with the changes that it tells a user to make, on loopback and
//! free ports. It is fetched by scripts/fetch-asterisk.sh.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{binaries, peers, scene::DOMAIN, sip::free_udp};

const PATIENCE: Duration = Duration::from_secs(30);
const DEPLOYED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

/// Loaded by name, so that a start takes no longer than these need.
const MODULES: &[&str] = &[
    "res_sorcery_astdb",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_timing_timerfd",
    "res_pjproject",
    "res_pjsip",
    "res_pjsip_pubsub",
    "res_pjsip_session",
    "res_pjsip_sdp_rtp",
    "res_pjsip_caller_id",
    "res_pjsip_diversion",
    "res_pjsip_header_funcs",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_authenticator_digest",
    "res_pjsip_nat",
    "res_rtp_asterisk",
    "chan_pjsip",
    "pbx_config",
    "app_dial",
    "app_exec",
    "app_macro",
    "app_playback",
    "app_stack",
    "app_verbose",
    "func_callerid",
    "func_channel",
    "func_groupcount",
    "func_logic",
    "func_strings",
    "bridge_holding",
    "bridge_native_rtp",
    "bridge_simple",
    "codec_alaw",
    "codec_gsm",
    "codec_ulaw",
    "format_gsm",
];

/// What is different from one Asterisk to another.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The front.
    pub front: SocketAddr,
    /// The carrier.
    pub carrier: SocketAddr,
    /// extensions.conf, in which phones call in the context `phones`; [`dialplan`] is what the documentation says.
    pub dialplan: String,
    /// How long the front is waited for, in seconds, where that is not what the configuration says.
    pub patience: Option<u32>,
}

/// A running Asterisk. It is ended when dropped; what it wrote to its log is shown when the test fails.
#[derive(Debug)]
pub struct Asterisk {
    folder: TempDir,
    child: Child,
    sip: SocketAddr,
}

impl Asterisk {
    /// One whose phones are alice and bob, which it knows by their From.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sip = free_udp();
        configure(folder.path(), setup, sip);
        let child = program(folder.path())
            .args(["-f", "-vvv"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Asterisk starts");
        let mut asterisk = Self { folder, child, sip };
        let started = Instant::now();
        while !asterisk.says("core waitfullybooted", "fully booted") {
            let ended = asterisk
                .child
                .try_wait()
                .expect("a child can be waited for");
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
                "Asterisk does not serve: {ended:?}"
            );
            sleep(Duration::from_millis(20)).await;
        }
        asterisk
    }

    /// Where it takes SIP.
    pub fn address(&self) -> SocketAddr {
        self.sip
    }

    /// What it logged so far: warnings, errors, and each step of the dialplan.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("full")).unwrap_or_default()
    }

    fn says(&self, command: &str, expected: &str) -> bool {
        let output = program(self.folder.path()).args(["-rx", command]).output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(expected))
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            // What it said on its way up matters only where it did not arrive.
            show(
                log.split_once("Asterisk Ready.")
                    .map_or(&*log, |(_, since)| since),
            );
        }
    }
}

/// The dialplan of a user who did what the head of deploy/asterisk/extensions_tfps.conf says.
///
/// # Panics
/// When the head does not say it.
pub fn dialplan() -> String {
    let snippet = deployed("asterisk/extensions_tfps.conf");
    let told: Vec<_> = snippet
        .lines()
        .skip_while(|line| *line != "; write instead")
        .skip(1)
        .map_while(|line| line.strip_prefix(";   "))
        .collect();
    assert!(told.len() > 1, "the head says what to write: {told:?}");
    format!(
        "[globals]\nOTHERS=1\n\n[phones]\nexten => _[+0-9].,1,NoOp()\n {}\n\n#include extensions_tfps.conf\n",
        told.join("\n ")
    )
}

/// A file under deploy/.
///
/// # Panics
/// When it is not there.
pub fn deployed(file: &str) -> String {
    fs::read_to_string(Path::new(DEPLOYED).join(file)).expect("the file is there")
}

fn configure(folder: &Path, setup: &Setup, sip: SocketAddr) {
    let write = |file: &str, text: &str| {
        fs::write(folder.join(file), text).expect("a configuration file");
    };
    let here = folder.display();
    let mut directories = format!(
        "astetcdir => {here}\nastdbdir => {here}\nastkeydir => {here}\nastspooldir => {here}\nastrundir => {here}\nastlogdir => {here}\n"
    );
    let (modules, data) = (
        root().join("usr/lib/asterisk/modules"),
        root().join("usr/share/asterisk"),
    );
    // An installed one knows where its own are.
    if modules.exists() {
        let (modules, data) = (modules.display(), data.display());
        directories.push_str(&format!(
            "astmoddir => {modules}\nastvarlibdir => {data}\nastdatadir => {data}\nastagidir => {data}/agi-bin\n"
        ));
    }
    write("asterisk.conf", &format!("[directories]\n{directories}"));
    let loads: String = MODULES
        .iter()
        .map(|module| format!("load = {module}.so\n"))
        .collect();
    write(
        "modules.conf",
        &format!("[modules]\nautoload = no\n{loads}"),
    );
    write(
        "logger.conf",
        "[logfiles]\nfull => error,warning,notice,verbose\n",
    );

    let changed = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is there to be changed");
        text.replace(from, to)
    };
    let mut extensions = changed(
        deployed("asterisk/extensions_tfps.conf"),
        "TFPS_DOMAIN=pbx.example.com",
        &format!("TFPS_DOMAIN={DOMAIN}"),
    );
    if let Some(seconds) = setup.patience {
        let patience = format!("TFPS_PATIENCE={seconds}");
        extensions = changed(extensions, "TFPS_PATIENCE=10", &patience);
    }
    write("extensions_tfps.conf", &extensions);
    let pjsip = changed(
        deployed("asterisk/pjsip_tfps.conf"),
        "sip:127.0.0.1:5060",
        &format!("sip:{}", setup.front),
    );
    write("pjsip_tfps.conf", &pjsip);
    write("extensions.conf", &setup.dialplan);
    write("pjsip.conf", &phones_and_carrier(sip, setup.carrier));
}

fn phones_and_carrier(sip: SocketAddr, carrier: SocketAddr) -> String {
    let phone = |name: &str| {
        format!("[{name}]\ntype = endpoint\ncontext = phones\ndisallow = all\nallow = alaw\n")
    };
    format!(
        "[udp]\ntype = transport\nprotocol = udp\nbind = {sip}\n{}{}\
         [carrier]\ntype = endpoint\naors = carrier\nidentify_by = ip\ndisallow = all\nallow = alaw\ndirect_media = no\n\
         [carrier]\ntype = aor\ncontact = sip:{carrier}\n#include pjsip_tfps.conf\n",
        phone("alice"),
        phone("bob"),
    )
}

/// Asterisk with a configuration, and with the libraries that came with it.
fn program(folder: &Path) -> Command {
    let fetched = root().join("usr/sbin/asterisk");
    let program = if fetched.exists() {
        fetched
    } else {
        PathBuf::from("asterisk")
    };
    let mut command = Command::new(program);
    let libraries = [
        peers::libraries(),
        format!("lib/{}-linux-gnu", env::consts::ARCH),
        "usr/lib".to_owned(),
    ];
    let libraries = libraries.map(|libraries| root().join(libraries).display().to_string());
    command
        .env("LD_LIBRARY_PATH", libraries.join(":"))
        .arg("-C")
        .arg(folder.join("asterisk.conf"));
    command
}

/// Where it was fetched to, once a test process.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        peers::fetch("fetch-asterisk.sh", &binaries::target())
            .expect("Asterisk is there, or is fetched")
    })
}

#[allow(clippy::print_stderr, reason = "this is shown when a test fails")]
fn show(log: &str) {
    eprintln!("--- Asterisk logged:\n{log}---");
}
