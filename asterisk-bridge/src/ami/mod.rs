//! The Asterisk Manager Interface: by it the bridge hears when calls are answered and over, and ends those that are to end.
//!
//! AGI is the way of a call; this is beside it. Where Asterisk is away, calls are checked as before, and what the bridge has
//! missed it finds out when Asterisk is back.

mod calls;
mod packet;

pub(crate) use calls::{Calls, Followed};

use std::{io, sync::Arc, time::Duration};

use tfps_client::{
    instances::{Backlog, HangUps, Instances},
    v1::{AccountKey, CallEvent, CallProgress, HangUp},
};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{
    config,
    telemetry::{CauseLabel, Metrics},
};
use packet::{Packet, action, read_line};

/// How long Asterisk may take to let the bridge in.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long Asterisk may say nothing before it is asked whether it is still there; of three times, it is not.
const PING_EVERY: Duration = Duration::from_secs(10);
/// Packets that may wait to be taken.
const AHEAD: usize = 1_024;
/// The Q.850 cause with which a call is ended: call rejected.
const REJECTED: &str = "21";
/// The variables by which a channel tells its call.
const VARIABLES: [&str; 5] = [
    "TFPS_VERDICT",
    "TFPS_USERNAME",
    "TFPS_DOMAIN",
    "TFPS_CALL_ID",
    "TFPS_DECISION",
];

/// Why there is no word from Asterisk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AmiError {
    /// The connection fails.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It was closed.
    #[error("Asterisk closed the connection")]
    Closed,
    /// It does not let the bridge in.
    #[error(
        "Asterisk refuses the login: {0}; is the user in manager.conf, with this secret, and permitted from here?"
    )]
    Refused(String),
    /// It says nothing.
    #[error("no answer in time")]
    Silent,
    /// What comes is too long to be Asterisk's.
    #[error("what answers is no manager interface")]
    TooLong,
}

/// Follows an Asterisk's calls.
#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) settings: config::Ami,
    pub(crate) secret: String,
    pub(crate) calls: Arc<Calls>,
    pub(crate) servers: Arc<Instances>,
    pub(crate) backlog: Backlog,
    pub(crate) metrics: Metrics,
}

impl Manager {
    /// Follows the calls for ever.
    pub(crate) async fn run(self, mut orders: HangUps) {
        let mut trouble = String::new();
        let mut last_heard = Instant::now();
        loop {
            let error = match self
                .follow(&mut orders, &mut last_heard, &mut trouble)
                .await
            {
                Ok(()) => return,
                Err(error) => error.to_string(),
            };
            self.metrics.ami_up.set(0);
            if error != trouble {
                warn!(address = self.settings.address, %error, "Asterisk's manager interface: calls can't be ended, and their answers are not heard");
                trouble = error;
            }
            sleep(PAUSE).await;
        }
    }

    async fn follow(
        &self,
        orders: &mut HangUps,
        last_heard: &mut Instant,
        trouble: &mut String,
    ) -> Result<(), AmiError> {
        let (mut packets, mut writer) = timeout(PATIENCE, self.enter())
            .await
            .map_err(|_| AmiError::Silent)??;
        self.reconcile(&mut packets, &mut writer, *last_heard)
            .await?;
        info!(
            address = self.settings.address,
            "following Asterisk's calls by its manager interface"
        );
        trouble.clear();
        self.metrics.ami_up.set(1);
        *last_heard = Instant::now();
        loop {
            tokio::select! {
                packet = packets.recv() => {
                    let packet = packet.ok_or(AmiError::Closed)??;
                    *last_heard = Instant::now();
                    if packet.get("Response") == "Error" {
                        debug!(message = packet.get("Message"), "an action failed");
                        // A channel that was renamed, or has gone unheard.
                        self.reconcile(&mut packets, &mut writer, *last_heard).await?;
                    }
                    self.take(&packet).await;
                }
                order = orders.next() => {
                    let Some(order) = order else { return Ok(()) };
                    self.end(&order, &mut writer).await?;
                }
                () = sleep(PING_EVERY) => {
                    if last_heard.elapsed() > PING_EVERY * 2 {
                        return Err(AmiError::Silent);
                    }
                    writer.write_all(action("Ping", &[]).as_bytes()).await?;
                }
            }
        }
    }

    /// Connects and logs in.
    async fn enter(
        &self,
    ) -> Result<(mpsc::Receiver<Result<Packet, AmiError>>, OwnedWriteHalf), AmiError> {
        let stream = TcpStream::connect(&self.settings.address).await?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let banner = read_line(&mut reader).await?;
        if !banner.starts_with("Asterisk Call Manager") {
            return Err(AmiError::TooLong);
        }
        let login = action(
            "Login",
            &[
                ("Username", &self.settings.username),
                ("Secret", &self.secret),
                ("Events", "call"),
            ],
        );
        writer.write_all(login.as_bytes()).await?;
        loop {
            let packet = Packet::read(&mut reader).await?;
            match packet.get("Response") {
                "Success" => break,
                "" => {}
                _ => return Err(AmiError::Refused(packet.get("Message").to_owned())),
            }
        }
        let (sender, packets) = mpsc::channel(AHEAD);
        tokio::spawn(read_all(reader, sender));
        Ok((packets, writer))
    }

    /// Finds out which calls there are: what has ended meanwhile is told, and calls of before the bridge's start are followed
    /// by what their channels say.
    async fn reconcile(
        &self,
        packets: &mut mpsc::Receiver<Result<Packet, AmiError>>,
        writer: &mut OwnedWriteHalf,
        last_heard: Instant,
    ) -> Result<(), AmiError> {
        // A call that is allowed from here on may not be among those that Asterisk tells.
        let mut gone = self.calls.ids();
        let variables = VARIABLES.join(",");
        let status = action("Status", &[("Variables", &variables)]);
        writer.write_all(status.as_bytes()).await?;
        loop {
            let packet = timeout(PATIENCE, packets.recv())
                .await
                .map_err(|_| AmiError::Silent)?
                .ok_or(AmiError::Closed)??;
            match packet.get("Event") {
                "Status" => {
                    self.found(&packet).await;
                    gone.remove(packet.get("Uniqueid"));
                }
                "StatusComplete" => break,
                "" if packet.get("Response") == "Error" => {
                    return Err(AmiError::Refused(packet.get("Message").to_owned()));
                }
                _ => self.take(&packet).await,
            }
        }
        for call in gone
            .iter()
            .filter_map(|unique_id| self.calls.end(unique_id))
        {
            let lasted = call.lasted(last_heard);
            self.tell(&call, CallEvent::Ended, Some(lasted), 0).await;
        }
        Ok(())
    }

    /// A channel that is there.
    async fn found(&self, packet: &Packet) {
        let [verdict, username, domain, call_id, decision_id] =
            VARIABLES.map(|name| packet.variable(name));
        if verdict != "ALLOW" || call_id.is_empty() {
            return;
        }
        let unique_id = packet.get("Uniqueid");
        let call = Followed {
            channel: packet.get("Channel").to_owned(),
            account: AccountKey {
                username: username.to_owned(),
                domain: domain.to_owned(),
            },
            call_id: call_id.to_owned(),
            decision_id: decision_id.to_owned(),
            answered: None,
        };
        if self.calls.follow(unique_id, call.clone()) {
            self.tell(&call, CallEvent::Started, None, 0).await;
        }
        if !packet.get("BridgeID").is_empty() {
            self.answered(unique_id).await;
        }
    }

    async fn take(&self, packet: &Packet) {
        match packet.get("Event") {
            "DialEnd" if packet.get("DialStatus") == "ANSWER" => {
                for id in ["Uniqueid", "Linkedid"] {
                    self.answered(packet.get(id)).await;
                }
            }
            "Hangup" => {
                if let Some(call) = self.calls.end(packet.get("Uniqueid")) {
                    let cause = packet.get("Cause").parse().unwrap_or(0);
                    let lasted = call.lasted(Instant::now());
                    self.tell(&call, CallEvent::Ended, Some(lasted), cause)
                        .await;
                }
            }
            _ => {}
        }
    }

    async fn answered(&self, unique_id: &str) {
        if let Some(call) = self.calls.answer(unique_id, Instant::now()) {
            self.tell(&call, CallEvent::Answered, None, 0).await;
        }
    }

    /// Ends a call.
    async fn end(&self, order: &HangUp, writer: &mut OwnedWriteHalf) -> Result<(), AmiError> {
        let Some(channel) = self.calls.channel(order) else {
            debug!(
                call_id = order.call_id,
                "a call that is to end is another switch's"
            );
            self.count("unknown");
            return Ok(());
        };
        // Whether it worked is heard by its Hangup event; until then it is told again.
        let hang_up = action("Hangup", &[("Channel", &channel), ("Cause", REJECTED)]);
        writer.write_all(hang_up.as_bytes()).await?;
        info!(
            call_id = order.call_id,
            channel,
            reason = order.reason,
            "a call is ended"
        );
        self.count("ended");
        Ok(())
    }

    fn count(&self, cause: &'static str) {
        let label = CauseLabel { cause };
        self.metrics.hang_ups.get_or_create(&label).inc();
    }

    async fn tell(&self, call: &Followed, event: CallEvent, lasted: Option<Duration>, cause: u32) {
        let progress = progress(call, event, lasted, cause);
        if let Err(error) = self.backlog.report(&self.servers, progress).await {
            warn!(%error, call_id = call.call_id, "a call's progress is refused");
        }
    }
}

/// A call's progress as it is told.
pub(crate) fn progress(
    call: &Followed,
    event: CallEvent,
    lasted: Option<Duration>,
    cause: u32,
) -> CallProgress {
    CallProgress {
        account: Some(call.account.clone()),
        call_id: call.call_id.clone(),
        event: event.into(),
        at: None,
        duration: lasted.and_then(|lasted| lasted.try_into().ok()),
        cause: if cause <= 127 { cause } else { 0 },
        decision_id: call.decision_id.clone(),
        ..CallProgress::default()
    }
}

/// Reads packets until there are no more.
async fn read_all(
    mut reader: BufReader<OwnedReadHalf>,
    packets: mpsc::Sender<Result<Packet, AmiError>>,
) {
    loop {
        let packet = Packet::read(&mut reader).await;
        let is_last = packet.is_err();
        if packets.send(packet).await.is_err() || is_last {
            return;
        }
    }
}
