//! A switch that sends single datagrams: what SIPp would not send, and what nobody must answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// How long an answer may take, unless it is told otherwise; one that has not come by then does not come.
const PATIENCE: Duration = Duration::from_millis(500);

/// A switch.
#[derive(Debug)]
pub struct Switch {
    socket: UdpSocket,
    front: SocketAddr,
    sent: AtomicU32,
    patience: Duration,
}

/// A request that is out of the ordinary.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The user of the request URI; empty: it has none.
    pub user: &'a str,
    /// Max-Forwards.
    pub max_forwards: u8,
}

/// An INVITE whose every name is the test's own.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The user of the request URI.
    pub dialed: String,
    /// The user and host of From.
    pub from: String,
    /// The Call-ID.
    pub call_id: String,
    /// The tag of From.
    pub tag: String,
    /// The sent-by of Via; `None`: where the switch is.
    pub via: Option<String>,
    /// The branch of Via, without its cookie.
    pub branch: String,
    /// The number of CSeq.
    pub cseq: u32,
    /// Whole header lines, without their ends.
    pub headers: Vec<String>,
}

impl Switch {
    /// Sends an INVITE.
    ///
    /// # Panics
    /// When the network is not there.
    pub fn invite(&self, invite: &Invite) {
        let own = self.socket.local_addr().expect("an address");
        let front = self.front;
        let Invite {
            dialed,
            from,
            call_id,
            tag,
            via,
            branch,
            cseq,
            headers,
        } = invite;
        let sent_by = via.clone().unwrap_or_else(|| own.to_string());
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let datagram = format!(
            "INVITE sip:{dialed}@{front} SIP/2.0\r\nVia: SIP/2.0/UDP {sent_by};rport;branch=z9hG4bK{branch}\r\n\
             From: <sip:{from}>;tag={tag}\r\nTo: <sip:{dialed}@{front}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} INVITE\r\nContact: <sip:{own}>\r\nMax-Forwards: 70\r\nUser-Agent: Switch\r\n{headers}\
             Content-Length: 0\r\n\r\n"
        );
        self.socket
            .send_to(datagram.as_bytes(), front)
            .expect("loopback takes it");
    }

    /// Sends INVITEs; their final statuses by the sent-by and branch of their Via, once all have come or no more do.
    pub fn invited<'a>(
        &self,
        invites: impl IntoIterator<Item = &'a Invite>,
    ) -> BTreeMap<String, u16> {
        let mut sent = BTreeSet::new();
        for invite in invites {
            self.invite(invite);
            sent.insert((&invite.via, &invite.branch));
        }
        self.finals_by(transaction, |finals| finals.len() >= sent.len())
    }

    /// One at an address of this machine.
    ///
    /// # Panics
    /// When it has no free port.
    pub fn at(ip: impl Into<IpAddr>, front: SocketAddr) -> Self {
        let socket = UdpSocket::bind((ip.into(), 0)).expect("a free port");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a time-out");
        Self {
            socket,
            front,
            sent: AtomicU32::new(0),
            patience: PATIENCE,
        }
    }

    /// One that waits no longer than this.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends a request; its Call-ID.
    ///
    /// # Panics
    /// When the network is not there.
    pub fn send(&self, request: &Request<'_>) -> String {
        self.send_with(request, b"Switch")
    }

    fn send_with(&self, request: &Request<'_>, user_agent: &[u8]) -> String {
        let own = self.socket.local_addr().expect("an address");
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", own.port());
        let Request {
            method,
            user,
            max_forwards,
        } = request;
        let at = if user.is_empty() { "" } else { "@" };
        let front = self.front;
        let head = format!(
            "{method} sip:{user}{at}{front} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{id}\r\n\
             From: <sip:alice@example.com>;tag={id}\r\nTo: <sip:{user}{at}{front}>\r\nCall-ID: {id}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:{own}>\r\nMax-Forwards: {max_forwards}\r\nUser-Agent: "
        );
        let datagram = [
            head.as_bytes(),
            user_agent,
            b"\r\nContent-Length: 0\r\n\r\n",
        ]
        .concat();
        self.socket
            .send_to(&datagram, front)
            .expect("loopback takes it");
        id
    }

    /// Sends a request; its final status, or none when none comes.
    pub fn ask(&self, request: &Request<'_>) -> Option<u16> {
        self.ask_with(request, b"Switch")
    }

    /// The same with a User-Agent of any bytes.
    pub fn ask_with(&self, request: &Request<'_>, user_agent: &[u8]) -> Option<u16> {
        let id = self.send_with(request, user_agent);
        self.finals(|finals| finals.contains_key(&id)).remove(&id)
    }

    /// The final statuses that come, by Call-ID, until there are enough or no more come.
    pub fn finals(&self, enough: impl Fn(&BTreeMap<String, u16>) -> bool) -> BTreeMap<String, u16> {
        self.finals_by(call_id, enough)
    }

    fn finals_by(
        &self,
        name: fn(&str) -> Option<String>,
        enough: impl Fn(&BTreeMap<String, u16>) -> bool,
    ) -> BTreeMap<String, u16> {
        let mut finals = BTreeMap::new();
        let mut heard = Instant::now();
        let mut datagram = [0; 4_096];
        while !enough(&finals) && heard.elapsed() < self.patience {
            let Ok(length) = self.socket.recv(&mut datagram) else {
                continue;
            };
            let text = String::from_utf8_lossy(&datagram[..length]);
            if let Some((id, status)) = name(&text).zip(status(&text))
                && status >= 200
                && finals.insert(id, status).is_none()
            {
                heard = Instant::now();
            }
        }
        finals
    }
}

/// The status of a response.
fn status(text: &str) -> Option<u16> {
    let rest = text.strip_prefix("SIP/2.0 ")?;
    rest.split(' ').next()?.parse().ok()
}

/// The Call-ID of a response.
fn call_id(text: &str) -> Option<String> {
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("Call-ID:"))?;
    Some(id.trim().to_owned())
}

/// The sent-by and branch of a response's Via, without its cookie.
fn transaction(text: &str) -> Option<String> {
    let via = text.lines().find_map(|line| line.strip_prefix("Via:"))?;
    let sent_by = via.trim().split([' ', ';']).nth(1)?;
    let (_, branch) = via.split_once(";branch=z9hG4bK")?;
    let branch = branch.split([';', ',']).next()?.trim();
    Some(format!("{sent_by} {branch}"))
}
