//! The metrics.

use std::{ops::Deref, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tfps_engine::decision::Code;

use crate::reputation;

/// The code of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

/// What failed verifications lock: `account`, `source`, `trunk` or `pin`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LockedLabel {
    /// Which.
    pub kind: &'static str,
}

/// Where connections are listened for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: &'static str,
}

/// What is counted. Its clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Instruments>);

impl Deref for Metrics {
    type Target = Instruments;

    fn deref(&self) -> &Instruments {
        &self.0
    }
}

/// The counters, gauges and histograms.
#[derive(Debug)]
pub struct Instruments {
    registry: Registry,
    /// By code, in the order of [`Code::ALL`].
    decisions: Box<[Counter]>,
    latency: Histogram,
    /// Requests being answered.
    pub in_flight: Gauge,
    /// Requests refused since too many were being answered.
    pub shed: Counter,
    /// Requests that were not answered within their deadline.
    pub late: Counter,
    /// Requests without a token that is known.
    pub unauthenticated: Counter,
    /// Requests for health or reflection that were refused since too many were open.
    pub open_refused: Counter,
    connections: Family<ListenerLabel, Gauge>,
    connections_unauthenticated: Family<ListenerLabel, Gauge>,
    /// Connections that found no place.
    pub connections_refused: Counter,
    /// Connections without a token that were cut to make room for others.
    pub connections_cut: Counter,
    /// Connections that did not get as far as HTTP/2 in time.
    pub handshakes_failed: Counter,
    /// Look-ups of sources that did not answer in time.
    pub look_ups_late: Counter,
    /// Calls that were asked for again within calls.repeat_seconds, and got the same answer.
    pub repeated: Counter,
    /// Emergency calls, which all pass.
    pub emergency_calls: Counter,
    /// Alarms since an account or a source made too many of them.
    pub emergency_alarms: Counter,
    /// Decisions that are not yet in the database.
    pub journal_pending: Gauge,
    /// Bytes of the journal on disk.
    pub journal_bytes: Gauge,
    /// Decisions that could not be recorded.
    pub journal_lost: Gauge,
    /// Accounts in memory.
    pub accounts: Gauge,
    /// Verifications that failed.
    pub verifications_failed: Counter,
    /// Locks that failed verifications brought, of accounts, sources, trunks and PINs.
    pub verification_locks: Counter,
    /// What is locked now.
    pub locked: Family<LockedLabel, Gauge>,
    /// Accounts that their callers onboarded.
    pub onboardings: Counter,
    /// Sources, trunks and domains of which no more accounts may be onboarded now.
    pub onboardings_full: Gauge,
    /// Calls in progress that were ordered to end, by code.
    hang_ups: Family<CodeLabel, Counter>,
    /// Calls in progress that are to end and have not ended.
    pub hang_ups_outstanding: Gauge,
    /// Who listens for calls that are to end.
    pub hang_up_listeners: Gauge,
    /// Reputations and their sources.
    pub reputation: reputation::metrics::Instruments,
}

impl Default for Instruments {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tfps");
        let family = Family::<CodeLabel, Counter>::default();
        let decisions = Code::ALL
            .iter()
            .map(|code| {
                family
                    .get_or_create(&CodeLabel {
                        code: code.as_str(),
                    })
                    .clone()
            })
            .collect();
        registry.register("decisions", "Decisions by code", family);
        let latency = Histogram::new([
            5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0,
        ]);
        registry.register(
            "decision_seconds",
            "How long deciding takes",
            latency.clone(),
        );
        let hang_ups = Family::<CodeLabel, Counter>::default();
        registry.register(
            "hang_ups",
            "Calls in progress that were ordered to end, by code",
            hang_ups.clone(),
        );
        let locked = Family::<LockedLabel, Gauge>::default();
        registry.register(
            "locked",
            "Accounts, sources, trunks and policies' PINs that failed verifications lock now (R17)",
            locked.clone(),
        );
        let connections = Family::<ListenerLabel, Gauge>::default();
        registry.register("connections", "Connections", connections.clone());
        let connections_unauthenticated = Family::<ListenerLabel, Gauge>::default();
        registry.register(
            "connections_unauthenticated",
            "Connections on which no valid token has come",
            connections_unauthenticated.clone(),
        );
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let in_flight = gauge("requests_in_flight", "Requests being answered");
        let journal_pending = gauge(
            "journal_pending",
            "Decisions that are not yet in the database",
        );
        let journal_bytes = gauge("journal_bytes", "Bytes of the journal on disk");
        let journal_lost = gauge(
            "journal_lost",
            "Decisions that could not be recorded since the start",
        );
        let hang_ups_outstanding = gauge(
            "hang_ups_outstanding",
            "Calls in progress that are to end and have not ended",
        );
        let hang_up_listeners = gauge(
            "hang_up_listeners",
            "Bridges and others that listen for calls that are to end",
        );
        let accounts = gauge("accounts", "Accounts in memory");
        let onboardings_full = gauge(
            "onboardings_full",
            "Sources, trunks and domains of which no more accounts may be onboarded now (R20)",
        );
        let mut counter = |name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            shed: counter(
                "requests_shed",
                "Requests refused since too many were being answered",
            ),
            late: counter(
                "requests_late",
                "Requests that were not answered within their deadline",
            ),
            unauthenticated: counter(
                "requests_unauthenticated",
                "Requests without a token that is known",
            ),
            open_refused: counter(
                "open_requests_refused",
                "Requests for health or reflection refused since too many were open",
            ),
            connections_refused: counter("connections_refused", "Connections that found no place"),
            connections_cut: counter(
                "connections_cut",
                "Connections without a token cut to make room for others",
            ),
            handshakes_failed: counter(
                "handshakes_failed",
                "Connections that did not get as far as HTTP/2 in time",
            ),
            connections,
            connections_unauthenticated,
            look_ups_late: counter(
                "look_ups_late",
                "Look-ups of sources that did not answer in time",
            ),
            repeated: counter(
                "checks_repeated",
                "Calls asked for again within calls.repeat_seconds, which got the same answer",
            ),
            verifications_failed: counter("verifications_failed", "Verifications that failed"),
            verification_locks: counter(
                "verification_locks",
                "Locks of accounts, sources, trunks and policies' PINs by failed verifications",
            ),
            onboardings: counter("onboardings", "Accounts that their callers onboarded"),
            locked,
            onboardings_full,
            emergency_calls: counter("emergency_calls", "Emergency calls, which all pass"),
            emergency_alarms: counter(
                "emergency_alarms",
                "Alarms since an account or a source made too many emergency calls",
            ),
            reputation: reputation::metrics::Instruments::register(&mut registry),
            hang_ups,
            hang_ups_outstanding,
            hang_up_listeners,
            registry,
            decisions,
            latency,
            in_flight,
            journal_pending,
            journal_bytes,
            journal_lost,
            accounts,
        }
    }
}

impl Instruments {
    /// Counts a decision.
    pub fn decided(&self, code: Code, took: Duration) {
        if let Some(counter) = self.decisions.get(code as usize) {
            counter.inc();
        }
        self.latency.observe(took.as_secs_f64());
    }

    /// Counts an order to end a call.
    pub fn ordered_to_end(&self, code: Code) {
        let code = code.as_str();
        self.hang_ups.get_or_create(&CodeLabel { code }).inc();
    }

    /// Tells how many connections a listener has.
    pub fn connections(&self, listener: &'static str, all: i64, unauthenticated: i64) {
        let label = ListenerLabel { listener };
        self.connections.get_or_create(&label).set(all);
        self.connections_unauthenticated
            .get_or_create(&label)
            .set(unauthenticated);
    }

    /// How many decisions were made since the start.
    pub fn decisions(&self) -> u64 {
        self.decisions.iter().map(Counter::get).sum()
    }

    /// The metrics in OpenMetrics' text form.
    pub fn render(&self) -> String {
        let mut out = String::new();
        match text::encode(&mut out, &self.registry) {
            Ok(()) => out,
            Err(_) => String::new(),
        }
    }
}
