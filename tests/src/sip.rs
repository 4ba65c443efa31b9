//! A SIP front of a test's own: a real Kamailio with the configuration under deploy/kamailio, and SIPp as the switch and as the
//! media server. Both are fetched by scripts/fetch-sip-peers.sh.

use std::{
    env, fs,
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{Bridge, binaries};

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
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in ["kamailio.cfg", "tfps-switches.list"] {
            fs::copy(Path::new(DEPLOYED).join(file), folder.path().join(file))
                .expect("the configuration is there");
        }
        let (sip, media_server) = (free_udp(), free_udp());
        let settings = format!(
            "#!define FRONT_LISTEN udp:{sip}\n#!substdef \"!TFPS_BRIDGE!http://{}!g\"\n\
             #!substdef \"!TFPS_MEDIA_SERVER!{media_server}!g\"\n#!define SIP_WORKERS 2\n#!define ASKING_WORKERS 4\n{local}\n",
            bridge.address()
        );
        fs::write(folder.path().join("tfps-local.cfg"), settings).expect("settings");
        let log = fs::File::create(folder.path().join("kamailio.log")).expect("a log");
        let mut kamailio = peer("kamailio")
            .arg("-f")
            .arg(folder.path().join("kamailio.cfg"))
            .arg("-L")
            .arg(modules())
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-w"])
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
            if answers(sip) {
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

    /// Starts a media server that answers one call.
    ///
    /// # Panics
    /// When SIPp does not start.
    pub fn media_server(&self) -> MediaServer {
        let path = self.folder.path().join("media.xml");
        fs::write(&path, MEDIA_SERVER).expect("a scenario");
        let log = self.folder.path().join("media.log");
        let child = peer("sipp")
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
        MediaServer { child, log }
    }

    async fn sipp(&self, name: &str, scenario: &str) {
        let path = self.folder.path().join(format!("{name}.xml"));
        fs::write(&path, scenario).expect("a scenario");
        let log = self.folder.path().join(format!("{name}.log"));
        let errors = self.folder.path().join(format!("{name}.err"));
        let _ = fs::remove_file(&log);
        let mut command = tokio::process::Command::from(peer("sipp"));
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

/// A program of the fetched ones, with the libraries that came with it.
fn peer(name: &str) -> Command {
    let root = root();
    let fetched = ["usr/sbin", "usr/bin"].map(|folder| root.join(folder).join(name));
    let program = fetched.into_iter().find(|path| path.exists());
    let mut command = Command::new(program.unwrap_or_else(|| PathBuf::from(name)));
    let libraries = library_folder();
    command.env(
        "LD_LIBRARY_PATH",
        format!("{0}:{0}/kamailio", root.join(&libraries).display()),
    );
    command
}

fn modules() -> String {
    let folders = [
        root().join(library_folder()),
        Path::new("/").join(library_folder()),
    ];
    let paths = folders.map(|folder| folder.join("kamailio/modules").display().to_string());
    paths.join(":")
}

fn library_folder() -> String {
    format!("usr/lib/{}-linux-gnu", env::consts::ARCH)
}

/// Where the programs were fetched to, once a test process.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/fetch-sip-peers.sh");
        let fetched = Command::new(script)
            .env("CARGO_TARGET_DIR", binaries::target())
            .output()
            .expect("the script runs");
        assert!(
            fetched.status.success(),
            "{}",
            String::from_utf8_lossy(&fetched.stderr)
        );
        PathBuf::from(String::from_utf8_lossy(&fetched.stdout).trim()).join("root")
    })
}

/// Whether SIP is answered: a REGISTER gets a 405.
fn answers(sip: SocketAddr) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let own = socket.local_addr().expect("an address");
    let request = format!(
        "REGISTER sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{0}\r\nFrom: <sip:a@{own}>;tag=1\r\n\
         To: <sip:a@{sip}>\r\nCall-ID: {0}\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 9\r\nContent-Length: 0\r\n\r\n",
        own.port()
    );
    let asked = socket.send_to(request.as_bytes(), sip);
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a time-out");
    let mut answer = [0; 2_048];
    asked.is_ok()
        && socket
            .recv(&mut answer)
            .is_ok_and(|_| answer.starts_with(b"SIP/2.0 405"))
}

/// A UDP port that nobody listens on at this moment.
fn free_udp() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
}

fn invite(call: &Call) -> String {
    let mut headers = call.headers.join("\n");
    if !call.user_agent.is_empty() {
        headers.push_str(&format!("\nUser-Agent: {}", call.user_agent));
    }
    let headers = headers.trim();
    format!(
        r#"<send retrans="500"><![CDATA[
INVITE sip:{dialed}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{from}@example.com>;tag=[pid]SIPp[call_number]
To: <sip:{dialed}@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:{from}@[local_ip]:[local_port]>
Max-Forwards: 70
{headers}
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 6000 RTP/AVP 8
]]></send>
<recv response="100" optional="true"/>
"#,
        dialed = call.dialed,
        from = call.from,
    )
}

fn refused_call(call: &Call, status: u16) -> String {
    format!(
        r#"<?xml version="1.0"?><scenario name="a call that is answered by a final status">
{invite}<recv response="{status}"><action>
<ereg regexp=".*" search_in="hdr" header="Contact:" assign_to="contact"/>
<ereg regexp=".*" search_in="hdr" header="X-TFPS-Code:" assign_to="code"/>
<log message="contact=[$contact]"/><log message="code=[$code]"/>
</action></recv>
<send><![CDATA[
ACK sip:{dialed}@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>"#,
        invite = invite(call),
        dialed = call.dialed,
    )
}

fn relayed_call(call: &Call, for_ms: u64) -> String {
    let in_dialog = |method: &str, cseq: u8| {
        format!(
            r"
{method} [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:{from}@example.com>;tag=[pid]SIPp[call_number]
To: <sip:{dialed}@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: {cseq} {method}
Max-Forwards: 70
Content-Length: 0

",
            from = call.from,
            dialed = call.dialed,
        )
    };
    format!(
        r#"<?xml version="1.0"?><scenario name="a call that is relayed">
{invite}<recv response="180" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[{ack}]]></send>
<pause milliseconds="{for_ms}"/>
<send retrans="500"><![CDATA[{bye}]]></send>
<recv response="200"/>
</scenario>"#,
        invite = invite(call),
        ack = in_dialog("ACK", 1),
        bye = in_dialog("BYE", 2),
    )
}

const MEDIA_SERVER: &str = r#"<?xml version="1.0"?><scenario name="a media server">
<recv request="INVITE" rrs="true"><action>
<ereg regexp="INVITE sip:([^@]*)@" search_in="msg" assign_to="whole,user"/>
<ereg regexp=".*" search_in="hdr" header="X-TFPS-Challenge:" assign_to="challenge"/>
<log message="user=[$user]"/><log message="challenge=[$challenge]"/><log message="[$whole]"/>
</action></recv>
<send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0

]]></send>
<send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 6002 RTP/AVP 8
]]></send>
<recv request="ACK"/>
<recv request="BYE"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>"#;
