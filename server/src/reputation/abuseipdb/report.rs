//! Denied attacks are reported back to AbuseIPDB, where the operator wants it.

use std::{net::IpAddr, sync::Arc};

use hashbrown::HashMap;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tfps_engine::{decision::Code, facts::is_public, network::SourceNetwork};
use tokio::sync::mpsc;

use super::AbuseIpdb;
use crate::{
    clock::Clock,
    reputation::{Keeper, metrics::Instruments},
    sources::Fault,
};

/// An address is reported at most once in so long: the service refuses it more often.
const ONCE_IN: SignedDuration = SignedDuration::from_mins(15);
/// Reports that wait at the most; more are dropped.
const WAITING: usize = 256;
/// Addresses that are remembered to have been reported.
const REMEMBERED: usize = 20_000;

/// Reports addresses.
#[derive(Debug)]
pub(in crate::reputation) struct Reporter {
    service: Arc<AbuseIpdb>,
    keeper: Arc<Keeper>,
    clock: Clock,
    metrics: Instruments,
    /// By network: whoever has a /64 has no more reports made than others.
    reported: Mutex<HashMap<SourceNetwork, Timestamp>>,
    queue: mpsc::Sender<(IpAddr, Code)>,
}

impl Reporter {
    /// With the reports that wait, for [`run`](Self::run).
    pub(in crate::reputation) fn new(
        service: Arc<AbuseIpdb>,
        keeper: Arc<Keeper>,
        clock: Clock,
        metrics: Instruments,
    ) -> (Self, mpsc::Receiver<(IpAddr, Code)>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let reporter = Self {
            service,
            keeper,
            clock,
            metrics,
            reported: Mutex::default(),
            queue,
        };
        (reporter, waiting)
    }

    /// Puts a denied call's address in the queue, if it is to be reported. Nothing waits for it.
    pub(in crate::reputation) fn denied(&self, ip: IpAddr, code: Code, at: Timestamp) {
        if !is_public(ip) || !self.service.reports(code) || !self.service.reports.may_be_asked(at) {
            return;
        }
        let network = SourceNetwork::from(ip);
        let mut reported = self.reported.lock();
        if reported
            .get(&network)
            .is_some_and(|last| at.duration_since(*last) < ONCE_IN)
        {
            return;
        }
        if reported.len() >= REMEMBERED {
            reported.retain(|_, last| at.duration_since(*last) < ONCE_IN);
        }
        if reported.len() < REMEMBERED && self.queue.try_send((ip, code)).is_ok() {
            reported.insert(network, at);
        } else {
            self.metrics.reported("dropped");
        }
    }

    /// Reports what waits, one by one.
    pub(in crate::reputation) async fn run(&self, mut waiting: mpsc::Receiver<(IpAddr, Code)>) {
        while let Some((ip, code)) = waiting.recv().await {
            if !self.service.reports(code) || !self.service.reports.may_be_asked(self.clock.now()) {
                self.metrics.reported("dropped");
                continue;
            }
            let told = self.service.report(ip, &comment(code)).await;
            let at = self.clock.now();
            match &told {
                Ok(()) => self.service.reports.answered(at),
                // This very address was reported a moment ago, by an instance beside us perhaps.
                Err(Fault::Limited {
                    pause: Some(pause), ..
                }) if i64::try_from(pause.as_secs())
                    .is_ok_and(|seconds| seconds <= ONCE_IN.as_secs()) =>
                {
                    self.service.reports.answered(at);
                }
                Err(fault) => self.service.reports.failed(at, fault, false),
            }
            if matches!(&told, Err(Fault::Limited { .. }))
                && let Some(settings) = self.service.settings()
            {
                self.keeper
                    .mark(&self.service.reports, String::new(), &settings.key_mark);
            }
            self.metrics.reported(super::super::metrics::result(&told));
        }
    }
}

/// What is told of an attack: no account, no number.
fn comment(code: Code) -> String {
    format!(
        "SIP call attempt denied by TFPS: {} ({code})",
        code.meaning()
    )
}
