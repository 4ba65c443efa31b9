//! A phone in the hand of a caller: it calls a PBX, hears what is said, types digits (RFC 4733), and hangs up when it likes.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::UdpSocket,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::sipp::PHONE;

const PATIENCE: Duration = Duration::from_secs(20);
/// The payload type of telephone events in our SDP.
const EVENTS: u8 = 101;
/// How long a key is pressed, and how long it is not until the next.
const KEY: Duration = Duration::from_millis(80);
/// What it calls itself.
pub const AGENT: &str = "Yealink SIP-T46S 66.86.0.15";
/// A-law's silence, and the smallest noises beside it.
const QUIET: [u8; 4] = [0xd5, 0x55, 0xd4, 0x54];

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was refused with a final status.
    Refused(u16),
    /// The PBX hung up, with a Q.850 cause where it told one.
    HungUp(Option<u8>),
}

/// A call of the phone.
#[derive(Debug)]
pub struct Handset {
    line: Arc<Line>,
    ended: watch::Receiver<Option<Ended>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What a caller who writes his own INVITE writes into it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written<'a> {
    /// What stands behind an ordinary Call-ID.
    pub call_id: &'a str,
    /// What stands behind an ordinary User-Agent.
    pub agent: &'a str,
    /// Header lines, each with its end.
    pub headers: &'a str,
}

/// What the call's tasks share.
#[derive(Debug)]
struct Line {
    sip: UdpSocket,
    rtp: UdpSocket,
    pbx: SocketAddr,
    id: String,
    call_id: String,
    agent: String,
    from: String,
    dialed: String,
    /// Whole header lines of the INVITE.
    headers: String,
    answered: watch::Sender<Option<Dialog>>,
    heard: AtomicUsize,
    sequence: AtomicU16,
    timestamp: AtomicU32,
}

/// What the answer to a call tells.
#[derive(Clone, Debug)]
struct Dialog {
    /// Where the PBX wants the call's media.
    media: SocketAddr,
    /// What the To header is by now.
    to: String,
    /// Where requests go, and by which way.
    target: String,
    routes: Vec<String>,
}

impl Handset {
    /// Calls, and waits for the answer.
    ///
    /// # Errors
    /// The final status that refuses the call.
    ///
    /// # Panics
    /// When there is no answer at all.
    pub async fn call(pbx: SocketAddr, from: &str, dialed: &str) -> Result<Self, u16> {
        Self::call_writing(pbx, from, dialed, Written::default()).await
    }

    /// Calls with an INVITE of the caller's own, and waits for the answer.
    ///
    /// # Errors
    /// The final status that refuses the call.
    ///
    /// # Panics
    /// When there is no answer at all.
    pub async fn call_writing(
        pbx: SocketAddr,
        from: &str,
        dialed: &str,
        written: Written<'_>,
    ) -> Result<Self, u16> {
        let mut line = Line::new(PHONE, pbx, from, dialed, written.headers.to_owned()).await;
        line.call_id.push_str(written.call_id);
        line.agent.push_str(written.agent);
        Self::ring(line).await
    }

    /// A call that a switch of this machine relays, with more header lines.
    ///
    /// # Errors
    /// The final status that refuses the call.
    ///
    /// # Panics
    /// When there is no answer at all.
    pub async fn relayed(
        pbx: SocketAddr,
        from: &str,
        dialed: &str,
        headers: &[&str],
    ) -> Result<Self, u16> {
        let headers = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let line = Line::new("127.0.0.1", pbx, from, dialed, headers).await;
        Self::ring(line).await
    }

    async fn ring(line: Line) -> Result<Self, u16> {
        let line = Arc::new(line);
        line.invite().await;
        let (ends, ended) = watch::channel(None);
        let tasks = vec![
            tokio::spawn(signalling(Arc::clone(&line), ends)),
            tokio::spawn(hearing(Arc::clone(&line))),
        ];
        let mut handset = Self { line, ended, tasks };
        let mut answered = handset.line.answered.subscribe();
        let mut ended = handset.ended.clone();
        tokio::select! {
            answered = timeout(PATIENCE, answered.wait_for(Option::is_some)) => {
                answered.expect("the call is answered or refused").expect("the line is there");
            }
            ended = ended.wait_for(Option::is_some) => {
                if let Some(Ended::Refused(status)) = *ended.expect("the line is there") {
                    return Err(status);
                }
            }
        }
        handset.ended.mark_unchanged();
        Ok(handset)
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> &str {
        &self.line.call_id
    }

    /// Types digits, `*` and `#`, as fast as a hurried person.
    ///
    /// # Panics
    /// When the call is not answered.
    pub async fn types(&self, digits: &str) {
        for digit in digits.bytes() {
            self.line.press(digit).await;
            sleep(KEY).await;
        }
    }

    /// How much of what came was not silence.
    pub fn heard(&self) -> Duration {
        let samples = self.line.heard.load(Ordering::Relaxed);
        Duration::from_millis(samples as u64 / 8)
    }

    /// Hangs up.
    ///
    /// # Panics
    /// When the call is not answered.
    pub async fn hang_up(self) {
        self.line.bye().await;
        // The PBX answers, or has hung up itself at the same time.
        sleep(Duration::from_millis(50)).await;
    }

    /// Waits until the PBX hangs up: the Q.850 cause.
    ///
    /// # Panics
    /// When it does not.
    pub async fn hung_up_on(mut self) -> Option<u8> {
        let ended = timeout(
            Duration::from_secs(60),
            self.ended.wait_for(Option::is_some),
        )
        .await;
        match *ended.expect("the PBX hangs up").expect("the line is there") {
            Some(Ended::HungUp(cause)) => cause,
            Some(Ended::Refused(_)) | None => None,
        }
    }

    /// Whether the call still is.
    pub fn is_up(&self) -> bool {
        self.ended.borrow().is_none()
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Line {
    async fn new(ip: &str, pbx: SocketAddr, from: &str, dialed: &str, headers: String) -> Self {
        let ip: IpAddr = ip.parse().expect("an address");
        let bind = || async { UdpSocket::bind((ip, 0)).await.expect("a free port") };
        let port = |socket: &UdpSocket| socket.local_addr().expect("an address").port();
        let (sip, rtp) = (bind().await, bind().await);
        let id = format!("handset-{}-{}", port(&sip), port(&rtp));
        Self {
            call_id: id.clone(),
            id,
            agent: AGENT.to_owned(),
            sip,
            rtp,
            pbx,
            from: from.to_owned(),
            dialed: dialed.to_owned(),
            headers,
            answered: watch::Sender::new(None),
            heard: AtomicUsize::new(0),
            sequence: AtomicU16::new(1),
            timestamp: AtomicU32::new(1_000),
        }
    }

    async fn send(&self, text: &str) {
        self.sip
            .send_to(text.as_bytes(), self.pbx)
            .await
            .expect("loopback takes it");
    }

    /// A request's line and headers; within a dialog where there is one.
    fn head(&self, method: &str, cseq: u8, branch: &str, dialog: Option<&Dialog>) -> String {
        let own = self.sip.local_addr().expect("an address");
        let Self {
            id,
            call_id,
            agent,
            from,
            dialed,
            pbx,
            ..
        } = self;
        let to = format!("<sip:{dialed}@{pbx}>");
        let target = format!("sip:{dialed}@{pbx}");
        let (to, target) = match dialog {
            Some(dialog) => (&dialog.to, &dialog.target),
            None => (&to, &target),
        };
        let routes: String = dialog
            .into_iter()
            .flat_map(|dialog| &dialog.routes)
            .map(|route| format!("Route: {route}\r\n"))
            .collect();
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK{id}-{branch}\r\n{routes}\
             From: <sip:{from}@example.com>;tag={id}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{from}@{own}>\r\nMax-Forwards: 70\r\nUser-Agent: {agent}\r\n"
        )
    }

    async fn invite(&self) {
        let media = self.rtp.local_addr().expect("an address");
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 {EVENTS}\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:{EVENTS} telephone-event/8000\r\na=fmtp:{EVENTS} 0-15\r\na=ptime:20\r\n",
            ip = media.ip(),
            port = media.port()
        );
        let head = self.head("INVITE", 1, "invite", None);
        let (headers, length) = (&self.headers, sdp.len());
        self.send(&format!(
            "{head}{headers}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
        ))
        .await;
    }

    async fn empty(&self, method: &str, cseq: u8, branch: &str, dialog: &Dialog) {
        let head = self.head(method, cseq, branch, Some(dialog));
        self.send(&format!("{head}Content-Length: 0\r\n\r\n")).await;
    }

    fn dialog(&self) -> Dialog {
        let answered = self.answered.borrow();
        answered.clone().expect("the call is answered")
    }

    async fn bye(&self) {
        self.empty("BYE", 2, "bye", &self.dialog()).await;
    }

    /// An event of RFC 4733: begun, under way, and ended three times over.
    async fn press(&self, digit: u8) {
        let event = match digit {
            b'*' => 10,
            b'#' => 11,
            digit => digit - b'0',
        };
        let media = self.dialog().media;
        let timestamp = self.timestamp.fetch_add(1_600, Ordering::Relaxed);
        for (packet, (duration, over)) in [
            (160_u16, false),
            (320, false),
            (640, true),
            (640, true),
            (640, true),
        ]
        .into_iter()
        .enumerate()
        {
            let mark = if packet == 0 { 0x80 } else { 0 };
            let mut datagram = vec![0x80, mark | EVENTS];
            datagram.extend(self.sequence.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            datagram.extend(timestamp.to_be_bytes());
            datagram.extend(7_u32.to_be_bytes());
            datagram.extend([event, if over { 0x8a } else { 0x0a }]);
            datagram.extend(duration.to_be_bytes());
            self.rtp
                .send_to(&datagram, media)
                .await
                .expect("loopback takes it");
            if packet == 1 {
                sleep(KEY).await;
            }
        }
    }
}

/// Answers what the PBX sends until the call is over.
async fn signalling(line: Arc<Line>, ends: watch::Sender<Option<Ended>>) {
    let mut datagram = vec![0; 65_536];
    let started = Instant::now();
    loop {
        let Ok(length) = line.sip.recv(&mut datagram).await else {
            continue;
        };
        let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
        let header = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .unwrap_or_default()
        };
        let status: Option<u16> = text
            .strip_prefix("SIP/2.0 ")
            .and_then(|rest| rest.split(' ').next()?.parse().ok());
        match status {
            Some(status @ 200..) if header("CSeq").ends_with("INVITE") => {
                let port = text.lines().find_map(|line| {
                    let port = line.strip_prefix("m=audio ")?.split(' ').next()?;
                    port.parse().ok()
                });
                let routes = text
                    .lines()
                    .filter_map(|line| line.strip_prefix("Record-Route: "));
                let contact = header("Contact").trim_matches(['<', '>']);
                let contact = contact.split('>').next().unwrap_or_default();
                let mut dialog = Dialog {
                    media: SocketAddr::new(line.pbx.ip(), port.unwrap_or_default()),
                    to: header("To").to_owned(),
                    target: contact.to_owned(),
                    routes: routes.map(str::to_owned).rev().collect(),
                };
                if status < 300 {
                    line.empty("ACK", 1, "ack", &dialog).await;
                    line.answered.send_replace(Some(dialog));
                } else {
                    // The ACK of a refusal is part of the INVITE's transaction.
                    dialog.target = format!("sip:{}@{}", line.dialed, line.pbx);
                    dialog.routes.clear();
                    line.empty("ACK", 1, "invite", &dialog).await;
                    ends.send_replace(Some(Ended::Refused(status)));
                }
            }
            Some(_) => {}
            None => {
                let ok: String = text
                    .lines()
                    .filter(|line| {
                        ["Via:", "From:", "To:", "Call-ID:", "CSeq:"]
                            .iter()
                            .any(|name| line.starts_with(name))
                    })
                    .map(|line| format!("{line}\r\n"))
                    .collect();
                line.send(&format!("SIP/2.0 200 OK\r\n{ok}Content-Length: 0\r\n\r\n"))
                    .await;
                if text.starts_with("BYE ") {
                    let cause = header("Reason")
                        .split("cause=")
                        .nth(1)
                        .and_then(|rest| rest.split(';').next()?.trim().parse().ok());
                    ends.send_replace(Some(Ended::HungUp(cause)));
                }
            }
        }
        assert!(
            started.elapsed() < Duration::from_secs(600),
            "no call lasts so long"
        );
    }
}

/// Counts what is no silence.
async fn hearing(line: Arc<Line>) {
    let mut datagram = vec![0; 2_048];
    loop {
        if let Ok(length) = line.rtp.recv(&mut datagram).await
            && length > 12
            && datagram[1] & 0x7f == 8
        {
            let noise = datagram[12..length]
                .iter()
                .filter(|byte| !QUIET.contains(byte))
                .count();
            line.heard.fetch_add(noise, Ordering::Relaxed);
        }
    }
}
