//! A SIP front of a test's own: a real Kamailio with the configuration under deploy/kamailio, and SIPp as the switch and as the
//! media server.

mod scenario;
mod switch;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

pub(crate) use self::scenario::invite;
use self::scenario::{
    REDIRECTING_MEDIA_SERVER, given_up_call, media_server, refused_call, relayed_call,
    ringing_media_server,
};
pub use self::switch::{Invite, Request, Switch};
use crate::{Bridge, binaries, peers::Peers};

/// What needs no bridge to be answered.
const REGISTER: Request<'_> = Request {
    method: "REGISTER",
    user: "",
    max_forwards: 9,
};
const PATIENCE: Duration = Duration::from_secs(30);
const DEPLOYED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kamailio");

/// The SIP front.
#[derive(Debug)]
pub struct Front {
    folder: TempDir,
    kamailio: Child,
    sip: SocketAddr,
    media_server: SocketAddr,
}

/// A call as a switch sends it, and what SIPp saw of its answer.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The user of the request URI.
    pub dialed: String,
    /// The user of From.
    pub from: String,
    /// Whole header lines, without their ends.
    pub headers: Vec<String>,
    /// The User-Agent.
    pub user_agent: String,
}

/// The final answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// The Contact header.
    pub contact: String,
    /// The X-TFPS-Code header.
    pub code: String,
}

impl Front {
    /// Kamailio in front of a bridge; `local` are lines of tfps-local.cfg.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(bridge: &Bridge, local: &str) -> Self {
        let local = format!("#!define SIP_WORKERS 2\n#!define ASKING_WORKERS 4\n{local}\n");
        Self::of(peers(), bridge.address(), 64, &local).await
    }

    /// Kamailio in front of a bridge, with so many megabytes of shared memory.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn of(peers: &Peers, bridge: SocketAddr, megabytes: u32, local: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in ["kamailio.cfg", "tfps-switches.list"] {
            fs::copy(Path::new(DEPLOYED).join(file), folder.path().join(file))
                .expect("the configuration is there");
        }
        let (sip, media_server) = (free_udp(), free_udp());
        let settings = format!(
            "#!define FRONT_LISTEN udp:{sip}\n#!substdef \"!TFPS_BRIDGE!http://{bridge}!g\"\n\
             #!substdef \"!TFPS_MEDIA_SERVER!{media_server}!g\"\n{local}\n"
        );
        fs::write(folder.path().join("tfps-local.cfg"), settings).expect("settings");
        let log = fs::File::create(folder.path().join("kamailio.log")).expect("a log");
        let mut kamailio = peers
            .program("kamailio")
            .arg("-f")
            .arg(folder.path().join("kamailio.cfg"))
            .arg("-L")
            .arg(peers.kamailio_modules())
            .args(["-DD", "-E", "-M", "8", "-m", &megabytes.to_string(), "-w"])
            .arg(folder.path())
            .arg("-Y")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log)
            .spawn()
            .expect("Kamailio starts");
        let started = Instant::now();
        loop {
            let ended = kamailio.try_wait().expect("a child can be waited for");
            let said = fs::read_to_string(folder.path().join("kamailio.log")).unwrap_or_default();
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
                "Kamailio does not serve: {said}"
            );
            // Once it answers what needs no bridge, it serves.
            let switch = Switch::at(Ipv4Addr::LOCALHOST, sip).within(Duration::from_millis(50));
            if switch.ask(&REGISTER) == Some(405) {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        Self {
            folder,
            kamailio,
            sip,
            media_server,
        }
    }

    /// Where it takes SIP.
    pub fn address(&self) -> SocketAddr {
        self.sip
    }

    /// Where it relays challenged calls to.
    pub fn media_server_address(&self) -> SocketAddr {
        self.media_server
    }

    /// Kamailio's first process, which has started the others.
    pub fn process(&self) -> u32 {
        self.kamailio.id()
    }

    /// Sends a call and claims its final status; what came with it.
    ///
    /// # Panics
    /// When SIPp sees anything else.
    pub async fn answered(&self, call: &Call, status: u16) -> Final {
        let name = "answered";
        self.sipp(name, &refused_call(call, status)).await;
        let log = self.read(&format!("{name}.log"));
        let value = |key: &str| {
            let line = log.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_default().trim().to_owned()
        };
        Final {
            contact: value("contact="),
            code: value("code="),
        }
    }

    /// Begins a call that is to be relayed: it is answered by the media server and hung up by the caller after a while. Ends
    /// with the call.
    ///
    /// # Panics
    /// When SIPp sees anything else.
    pub async fn talked(&self, call: &Call, for_ms: u64) {
        self.sipp("talked", &relayed_call(call, for_ms)).await;
    }

    /// Begins a call that is to be relayed, and gives it up while it rings. Ends when that is acknowledged.
    ///
    /// # Panics
    /// When SIPp sees anything else.
    pub async fn given_up(&self, call: &Call) {
        self.sipp("given-up", &given_up_call(call)).await;
    }

    /// Starts a media server that answers one call.
    ///
    /// # Panics
    /// When SIPp does not start.
    pub fn media_server(&self) -> MediaServer {
        self.media_server_that(&media_server())
    }

    /// Starts a media server where one call rings until it is given up.
    ///
    /// # Panics
    /// When SIPp does not start.
    pub fn ringing_media_server(&self) -> MediaServer {
        self.media_server_that(&ringing_media_server())
    }

    /// Starts a media server that sends one call on elsewhere.
    ///
    /// # Panics
    /// When SIPp does not start.
    pub fn redirecting_media_server(&self) -> MediaServer {
        self.media_server_that(REDIRECTING_MEDIA_SERVER)
    }

    fn media_server_that(&self, scenario: &str) -> MediaServer {
        let path = self.folder.path().join("media.xml");
        fs::write(&path, scenario).expect("a scenario");
        let log = self.folder.path().join("media.log");
        let child = peers()
            .program("sipp")
            .args(["-sf".as_ref(), path.as_os_str()])
            .args([
                "-i",
                "127.0.0.1",
                "-p",
                &self.media_server.port().to_string(),
            ])
            .args(["-m", "1", "-nostdin", "-trace_logs", "-log_file"])
            .arg(&log)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("SIPp starts");
        let started = Instant::now();
        while !is_taken(self.media_server) {
            assert!(started.elapsed() < PATIENCE, "SIPp does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        MediaServer { child, log }
    }

    async fn sipp(&self, name: &str, scenario: &str) {
        let path = self.folder.path().join(format!("{name}.xml"));
        fs::write(&path, scenario).expect("a scenario");
        let log = self.folder.path().join(format!("{name}.log"));
        let errors = self.folder.path().join(format!("{name}.err"));
        let _ = fs::remove_file(&log);
        let mut command = tokio::process::Command::from(peers().program("sipp"));
        let output = command
            .arg(self.sip.to_string())
            .arg("-sf")
            .arg(&path)
            .args([
                "-i",
                "127.0.0.1",
                "-m",
                "1",
                "-nostdin",
                "-timeout",
                "20s",
                "-timeout_error",
            ])
            .args(["-trace_logs", "-log_file"])
            .arg(&log)
            .args(["-trace_err", "-error_file"])
            .arg(&errors)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .await
            .expect("SIPp runs");
        assert!(
            output.status.success(),
            "SIPp saw something else: {}\nKamailio: {}",
            fs::read_to_string(&errors).unwrap_or_default(),
            self.read("kamailio.log")
        );
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // TERM, so that it ends its children too.
        let _ = Command::new("kill")
            .arg(self.kamailio.id().to_string())
            .status();
        let _ = self.kamailio.wait();
    }
}

/// A SIPp that answers one call.
#[derive(Debug)]
pub struct MediaServer {
    child: Child,
    log: PathBuf,
}

impl MediaServer {
    /// The number it was called with, and the X-TFPS-Challenge header, once the call has come.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn called(&self) -> (String, String) {
        let started = Instant::now();
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let value = |key: &str| log.lines().find_map(|line| line.strip_prefix(key));
            if let (Some(user), Some(challenge)) = (value("user="), value("challenge=")) {
                return (user.trim().to_owned(), challenge.trim().to_owned());
            }
            assert!(started.elapsed() < PATIENCE, "no call came");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for MediaServer {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether somebody has a UDP port of this machine, as Linux tells: to try to bind it would take it away for a moment.
fn is_taken(address: SocketAddr) -> bool {
    let port = format!(":{:04X} ", address.port());
    let sockets = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    sockets.lines().any(|line| {
        let local = line.split_once(": ").map_or("", |(_, rest)| rest);
        local.get(8..).is_some_and(|rest| rest.starts_with(&port))
    })
}

/// A UDP port that nobody listens on at this moment.
pub(crate) fn free_udp() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
}

/// The programs, once a test process.
pub(crate) fn peers() -> &'static Peers {
    static PEERS: OnceLock<Peers> = OnceLock::new();
    PEERS.get_or_init(|| {
        Peers::fetch(&binaries::target()).expect("Kamailio and SIPp are there, or are fetched")
    })
}
