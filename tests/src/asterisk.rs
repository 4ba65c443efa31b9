//! An Asterisk of a test's own: the configuration under deploy/, with the changes that it tells a user to make, on loopback and
//! free ports. It is fetched by scripts/fetch-asterisk.sh; what it says in the IVR is made by scripts/make-prompts.sh.

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
    "res_speech",
    "res_agi",
    "res_pjsip",
    "res_pjsip_pubsub",
    "res_pjsip_session",
    "res_pjsip_sdp_rtp",
    "res_pjsip_caller_id",
    "res_pjsip_diversion",
    "res_pjsip_header_funcs",
    "res_pjsip_rfc3326",
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
    "func_cut",
    "func_strings",
    "bridge_holding",
    "bridge_native_rtp",
    "bridge_simple",
    "codec_alaw",
    "codec_gsm",
    "codec_ulaw",
    "format_gsm",
    "format_wav",
];

/// What is different from one Asterisk to another.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The carrier.
    pub carrier: SocketAddr,
    /// extensions.conf, in which phones call in the context `phones`.
    pub dialplan: String,
    /// Files of deploy/ that it includes, by their names in Asterisk's folder.
    pub files: Vec<(&'static str, String)>,
}

impl Setup {
    /// As deploy/asterisk/ tells: it asks a SIP front.
    ///
    /// # Panics
    /// When the files there do not say what is to be changed.
    pub fn asking(front: SocketAddr, carrier: SocketAddr) -> Self {
        let files = vec![
            (
                "extensions_tfps.conf",
                with_domain("asterisk/extensions_tfps.conf"),
            ),
            (
                "pjsip_tfps.conf",
                changed(
                    &deployed("asterisk/pjsip_tfps.conf"),
                    "sip:127.0.0.1:5060",
                    &format!("sip:{front}"),
                ),
            ),
        ];
        let dialplan = dialplan("asterisk/extensions_tfps.conf");
        Self {
            carrier,
            dialplan,
            files,
        }
    }

    /// As deploy/asterisk-alone/ tells: it asks an asterisk-bridge.
    ///
    /// # Panics
    /// When the file there does not say what is to be changed.
    pub fn alone(bridge: SocketAddr, carrier: SocketAddr) -> Self {
        const FILE: &str = "asterisk-alone/extensions_tfps.conf";
        let limits = "exten => *73,1,Gosub(tfps-limits,s,1(${CHANNEL(endpoint)}))";
        assert!(deployed(FILE).contains(limits), "the head says it");
        let dialplan = changed(
            &dialplan(FILE),
            "[phones]\n",
            &format!("[phones]\n{limits}\n"),
        );
        let snippet = changed(
            &with_domain(FILE),
            "TFPS_BRIDGE=127.0.0.1",
            &format!("TFPS_BRIDGE={bridge}"),
        );
        Self {
            carrier,
            dialplan,
            files: vec![("extensions_tfps.conf", snippet)],
        }
    }

    /// As deploy/asterisk/media-server/ tells: it is the media server of a front, at an address.
    ///
    /// # Panics
    /// When the files there do not say what is to be changed.
    pub fn media_server(bridge: SocketAddr, carrier: SocketAddr, address: SocketAddr) -> Self {
        let extensions = changed(
            &deployed("asterisk/media-server/extensions_tfps_ivr.conf"),
            "TFPS_BRIDGE=127.0.0.1",
            &format!("TFPS_BRIDGE={bridge}"),
        );
        let pjsip = changed(
            &deployed("asterisk/media-server/pjsip_tfps_ivr.conf"),
            "127.0.0.1:60101",
            &address.to_string(),
        );
        Self {
            carrier,
            dialplan: "#include extensions_tfps_ivr.conf\n".to_owned(),
            files: vec![
                ("extensions_tfps_ivr.conf", extensions),
                ("pjsip_tfps_ivr.conf", pjsip),
            ],
        }
    }

    /// With a manager interface at an address, as deploy/asterisk-alone/ tells.
    ///
    /// # Panics
    /// When the file there does not say what is to be changed.
    #[must_use]
    pub fn managed(mut self, address: SocketAddr, secret: &str) -> Self {
        let user = changed(
            &deployed("asterisk-alone/manager_tfps.conf"),
            "secret = change-me",
            &format!("secret = {secret}"),
        );
        let (ip, port) = (address.ip(), address.port());
        let general = format!("[general]\nenabled = yes\nbindaddr = {ip}\nport = {port}\n");
        self.files.push(("manager.conf", general + &user));
        self
    }

    /// With one more change in a file.
    ///
    /// # Panics
    /// When there is nothing to be changed.
    #[must_use]
    pub fn with(mut self, file: &str, from: &str, to: &str) -> Self {
        let text = self.files.iter_mut().find(|(name, _)| *name == file);
        let (_, text) = text.expect("one of its files");
        *text = changed(text, from, to);
        self
    }
}

fn with_domain(file: &str) -> String {
    changed(
        &deployed(file),
        "TFPS_DOMAIN=pbx.example.com",
        &format!("TFPS_DOMAIN={DOMAIN}"),
    )
}

fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is there to be changed");
    text.replace(from, to)
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

    /// Phones speak another language from now on.
    ///
    /// # Panics
    /// When Asterisk does not take it.
    pub fn speak(&self, language: &str) {
        let command = format!("dialplan set global SPOKEN {language}");
        assert!(self.says(&command, language), "Asterisk takes {command}");
    }

    /// Waits until no call is left: one that was hung up counts until its channel is gone.
    ///
    /// # Panics
    /// When one stays.
    pub async fn idle(&self) {
        let started = Instant::now();
        while !self.says("core show channels count", "0 active channels") {
            assert!(started.elapsed() < PATIENCE, "a call does not end");
            sleep(Duration::from_millis(20)).await;
        }
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

/// The dialplan of a user who did what the head of a file under deploy/ says.
///
/// # Panics
/// When the head does not say it.
fn dialplan(file: &str) -> String {
    let snippet = deployed(file);
    let told: Vec<_> = snippet
        .lines()
        .skip_while(|line| *line != "; write instead")
        .skip(1)
        .map_while(|line| line.strip_prefix(";   "))
        .collect();
    assert!(told.len() > 1, "the head says what to write: {told:?}");
    format!(
        "[globals]\nOTHERS=1\nSPOKEN=en\n\n[phones]\nexten => _[+0-9].,1,Set(CHANNEL(language)=${{SPOKEN}})\n {}\n\n#include extensions_tfps.conf\n",
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
    sounds(folder, &data);
    directories.push_str(&format!("astdatadir => {here}\n"));
    // An installed one knows where its own are.
    if modules.exists() {
        let (modules, data) = (modules.display(), data.display());
        directories.push_str(&format!(
            "astmoddir => {modules}\nastvarlibdir => {data}\nastagidir => {data}/agi-bin\n"
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

    for (name, text) in &setup.files {
        write(name, text);
    }
    write("extensions.conf", &setup.dialplan);
    let includes: String = setup
        .files
        .iter()
        .filter(|(name, _)| name.starts_with("pjsip"))
        .map(|(name, _)| format!("#include {name}\n"))
        .collect();
    let pjsip = phones_and_carrier(sip, setup.carrier) + &includes;
    write("pjsip.conf", &pjsip);
}

/// Asterisk's own English, and our prompts as they are installed.
fn sounds(folder: &Path, data: &Path) {
    let installed = Path::new("/usr/share/asterisk");
    let data = if data.exists() { data } else { installed };
    let link = |from: &Path, to: &Path| std::os::unix::fs::symlink(from, to).expect("a link");
    // What else it reads there, such as the documentation that it does not start without.
    for entry in fs::read_dir(data).expect("Asterisk's data are there") {
        let entry = entry.expect("a folder can be read");
        if entry.file_name() != "sounds" {
            link(&entry.path(), &folder.join(entry.file_name()));
        }
    }
    let english = folder.join("sounds/en");
    fs::create_dir_all(&english).expect("a folder");
    for sound in fs::read_dir(data.join("sounds/en")).expect("Asterisk's English is there") {
        let sound = sound.expect("a folder can be read");
        link(&sound.path(), &english.join(sound.file_name()));
    }
    for language in fs::read_dir(prompts()).expect("the prompts are made") {
        let language = language.expect("a folder can be read");
        if !language.path().is_dir() {
            continue;
        }
        let own = folder.join("sounds").join(language.file_name());
        fs::create_dir_all(&own).expect("a folder");
        link(&language.path().join("tfps"), &own.join("tfps"));
        if !own.join("digits").exists() {
            link(&language.path().join("digits"), &own.join("digits"));
        }
    }
}

/// Where the prompts are, made once a test process.
fn prompts() -> &'static Path {
    static PROMPTS: OnceLock<PathBuf> = OnceLock::new();
    PROMPTS.get_or_init(|| {
        let folder = binaries::target().join("prompts");
        for script in ["fetch-speech.sh", "make-prompts.sh"] {
            let script = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../scripts")
                .join(script);
            let output = Command::new(script)
                .env("CARGO_TARGET_DIR", binaries::target())
                .stdin(Stdio::null())
                .output()
                .expect("a script runs");
            assert!(
                output.status.success(),
                "the prompts are made: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        folder
    })
}

fn phones_and_carrier(sip: SocketAddr, carrier: SocketAddr) -> String {
    let phone = |name: &str| {
        format!("[{name}]\ntype = endpoint\ncontext = phones\ndisallow = all\nallow = alaw\n")
    };
    format!(
        "[udp]\ntype = transport\nprotocol = udp\nbind = {sip}\n{}{}\
         [carrier]\ntype = endpoint\naors = carrier\nidentify_by = ip\ndisallow = all\nallow = alaw\ndirect_media = no\n\
         [carrier]\ntype = aor\ncontact = sip:{carrier}\n",
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
