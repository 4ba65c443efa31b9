//! SIPp as a phone of a PBX, and as the far end that the PBX calls.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::sip::{Call, free_udp, invite, peers};

const PATIENCE: Duration = Duration::from_secs(30);
/// Where phones call from: an address of loopback that nobody else has.
pub const PHONE: &str = "127.0.0.2";

/// A phone that calls a PBX.
#[derive(Clone, Copy, Debug)]
pub struct Phone {
    pbx: SocketAddr,
}

/// Who ends a call that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// The side that called.
    Caller,
    /// The side that was called.
    Called,
}

/// Whom a PBX calls: a carrier, or a media server. It answers every call.
#[derive(Debug)]
pub struct FarEnd {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Phone {
    /// A phone of this PBX.
    pub fn of(pbx: SocketAddr) -> Self {
        Self { pbx }
    }

    /// Calls, and claims the final status that refuses the call.
    ///
    /// # Panics
    /// When SIPp sees anything else.
    pub async fn refused(&self, call: &Call, status: u16) {
        let rest =
            format!("<recv response=\"{status}\"/>\n<send><![CDATA[{REFUSED_ACK}]]></send>\n",);
        self.run(call, &rest).await;
    }

    /// Calls, claims that the call is answered, and talks until somebody hangs up: for so many milliseconds where that is the
    /// caller.
    ///
    /// # Panics
    /// When SIPp sees anything else.
    pub async fn talked(&self, call: &Call, ends: Ends, for_ms: u64) {
        let ended = match ends {
            Ends::Caller => format!(
                "<pause milliseconds=\"{for_ms}\"/>\n<send retrans=\"500\"><![CDATA[{}]]></send>\n<recv response=\"200\"/>\n",
                in_dialog("BYE", 2, call)
            ),
            Ends::Called => format!("<recv request=\"BYE\"/>\n<send><![CDATA[{OK}]]></send>\n"),
        };
        let rest = format!(
            "<recv response=\"200\" rrs=\"true\"/>\n<send><![CDATA[{}]]></send>\n{ended}",
            in_dialog("ACK", 1, call),
        );
        self.run(call, &rest).await;
    }

    async fn run(&self, call: &Call, rest: &str) {
        let call = Call {
            // Not one of SIPp's own keywords.
            user_agent: call.user_agent.replace('[', r"\x5b"),
            ..call.clone()
        };
        let invite = invite(&call);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scenario = format!(
            "<?xml version=\"1.0\"?><scenario name=\"a phone\">\n{invite}{PROVISIONAL}{rest}</scenario>"
        );
        fs::write(folder.path().join("phone.xml"), scenario).expect("a scenario");
        let output = tokio::process::Command::from(peers().program("sipp"))
            .arg(self.pbx.to_string())
            .args(["-sf", "phone.xml", "-i", PHONE, "-m", "1", "-nostdin"])
            .args(["-timeout", "20s", "-timeout_error"])
            .args(["-trace_err", "-error_file", "phone.err"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("SIPp runs");
        assert!(
            output.status.success(),
            "the phone saw something else: {}",
            fs::read_to_string(folder.path().join("phone.err")).unwrap_or_default()
        );
    }
}

impl FarEnd {
    /// On a free port.
    ///
    /// # Panics
    /// When SIPp does not start.
    pub fn start(ends: Ends) -> Self {
        Self::at(free_udp(), ends)
    }

    /// At this address.
    ///
    /// # Panics
    /// When SIPp does not start.
    pub fn at(address: SocketAddr, ends: Ends) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("far.xml"), far_end(ends)).expect("a scenario");
        let child = peers()
            .program("sipp")
            .args(["-sf", "far.xml", "-nostdin"])
            .args(["-i", &address.ip().to_string()])
            .args(["-p", &address.port().to_string()])
            .args(["-trace_logs", "-log_file", "far.log"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("SIPp starts");
        Self {
            folder,
            child,
            address,
        }
    }

    /// Where it is called.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was called with so far, a call a line: the number and the X-TFPS-Challenge header.
    pub fn calls(&self) -> Vec<(String, String)> {
        let log = fs::read_to_string(self.folder.path().join("far.log")).unwrap_or_default();
        log.lines()
            .filter_map(|line| line.strip_prefix("called=")?.split_once(" challenge="))
            .map(|(number, challenge)| (number.to_owned(), challenge.trim().to_owned()))
            .collect()
    }

    /// Waits until it was called so many times.
    ///
    /// # Panics
    /// When it is not.
    pub async fn called(&self, times: usize) {
        let started = Instant::now();
        while self.calls().len() < times {
            assert!(started.elapsed() < PATIENCE, "no call came");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PROVISIONAL: &str = r#"<recv response="180" optional="true"/>
<recv response="181" optional="true"/>
<recv response="183" optional="true"/>
"#;

const REFUSED_ACK: &str = r"
ACK sip:[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

";

fn in_dialog(method: &str, cseq: u8, call: &Call) -> String {
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
}

const OK: &str = r"
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

";

fn far_end(ends: Ends) -> String {
    let ended = match ends {
        Ends::Caller => format!("<recv request=\"BYE\"/>\n<send><![CDATA[{OK}]]></send>\n"),
        Ends::Called => format!(
            "<send retrans=\"500\"><![CDATA[{FAR_BYE}]]></send>\n<recv response=\"200\"/>\n"
        ),
    };
    format!("{FAR_END}{ended}</scenario>")
}

const FAR_BYE: &str = r"
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: [$to];tag=[pid]SIPpTag[call_number]
To: [$from]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0

";

const FAR_END: &str = r#"<?xml version="1.0"?><scenario name="a far end">
<recv request="INVITE" rrs="true"><action>
<ereg regexp="INVITE sip:([^@]*)@" search_in="msg" assign_to="whole,user"/>
<ereg regexp=".*" search_in="hdr" header="X-TFPS-Challenge:" assign_to="challenge"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>
<log message="called=[$user] challenge=[$challenge]"/>
<log message="[$whole] [$from] [$to]"/>
</action></recv>
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
"#;
