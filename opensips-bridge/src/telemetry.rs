//! The metrics.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tfps_client::{instances::Observer, v1::Verdict};

/// The cause why something was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CauseLabel {
    pub(crate) cause: &'static str,
}

/// What happened to a call, and what became of the report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CallLabel {
    pub(crate) event: &'static str,
    pub(crate) result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ServerLabel {
    pub(crate) server: String,
}

/// What is counted.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    allowed: Counter,
    denied: Counter,
    challenged: Counter,
    latency: Histogram,
    /// Checks that no server decided, by why.
    pub(crate) unavailable: Family<CauseLabel, Counter>,
    /// Requests refused, by why.
    pub(crate) refused: Family<CauseLabel, Counter>,
    /// Calls' progress, by event and result.
    pub(crate) calls: Family<CallLabel, Counter>,
    /// Calls that were to end, by what came of it.
    pub(crate) hang_ups: Family<CauseLabel, Counter>,
    /// Call events that wait for a server.
    pub(crate) waiting: Gauge,
    /// Connections of switches.
    pub(crate) connections: Gauge,
    /// Whether a server answers: 1 or 0.
    pub(crate) server_up: Family<ServerLabel, Gauge>,
    /// How often a connection to a server broke.
    pub(crate) server_lost: Family<ServerLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tfps_bridge");
        let answers = Family::<VerdictLabel, Counter>::default();
        let of = |verdict| answers.get_or_create(&VerdictLabel { verdict }).clone();
        let (allowed, denied, challenged) = (of("allow"), of("deny"), of("challenge"));
        registry.register("answers", "Checks answered, by verdict", answers);
        let latency = Histogram::new([
            1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.3, 0.5, 1.0,
        ]);
        registry.register(
            "check_seconds",
            "How long a check takes, until its answer is ready",
            latency.clone(),
        );
        let unavailable = Family::default();
        registry.register(
            "unavailable",
            "Checks answered by on_unavailable, by cause",
            unavailable.clone(),
        );
        let refused = Family::default();
        registry.register("refused", "Requests refused, by cause", refused.clone());
        let calls = Family::default();
        registry.register(
            "calls",
            "Calls' starts and ends, by event and result",
            calls.clone(),
        );
        let hang_ups = Family::default();
        registry.register(
            "hang_ups",
            "Calls that were to end, by what came of it: ended, unknown or failed",
            hang_ups.clone(),
        );
        let waiting = Gauge::default();
        registry.register(
            "call_events_waiting",
            "Calls' starts and ends that wait for a server",
            waiting.clone(),
        );
        let connections = Gauge::default();
        registry.register(
            "connections",
            "Connections of switches",
            connections.clone(),
        );
        let server_up = Family::default();
        registry.register("server_up", "Whether a server answers", server_up.clone());
        let server_lost = Family::default();
        registry.register(
            "server_lost",
            "How often a connection to a server broke",
            server_lost.clone(),
        );
        Self {
            registry: Arc::new(registry),
            allowed,
            denied,
            challenged,
            latency,
            unavailable,
            refused,
            calls,
            hang_ups,
            waiting,
            connections,
            server_up,
            server_lost,
        }
    }
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, verdict: Verdict, took: Duration) {
        let counter = match verdict {
            Verdict::Allow => &self.allowed,
            Verdict::Challenge => &self.challenged,
            Verdict::Deny | Verdict::Unspecified => &self.denied,
        };
        counter.inc();
        self.latency.observe(took.as_secs_f64());
    }

    /// The metrics in OpenMetrics' text form.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        match text::encode(&mut out, &self.registry) {
            Ok(()) => out,
            Err(_) => String::new(),
        }
    }
}

impl Observer for Metrics {
    fn answers(&self, instance: &str, answers: bool) {
        let label = ServerLabel::of(instance);
        self.server_up.get_or_create(&label).set(answers.into());
        // There from the start, at 0: a counter that begins at 1 hides its first loss from a rate.
        drop(self.server_lost.get_or_create(&label));
    }

    fn lost(&self, instance: &str) {
        self.server_lost
            .get_or_create(&ServerLabel::of(instance))
            .inc();
    }

    fn waiting(&self, events: usize) {
        self.waiting.set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    fn reported(&self, event: &'static str, result: &'static str) {
        self.calls.get_or_create(&CallLabel { event, result }).inc();
    }
}

impl ServerLabel {
    fn of(server: &str) -> Self {
        Self {
            server: server.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_all_its_series_before_it_is_ever_lost() {
        let metrics = Metrics::default();
        let server = "http://10.0.0.1:50051";
        let has = |line: &str| {
            let line = line.replace('@', &format!("{{server=\"{server}\"}}"));
            metrics.render().lines().any(|told| told == line)
        };
        metrics.answers(server, false);
        assert!(has("tfps_bridge_server_up@ 0"));
        assert!(has("tfps_bridge_server_lost_total@ 0"));
        metrics.answers(server, true);
        metrics.lost(server);
        metrics.answers(server, false);
        metrics.answers(server, true);
        assert!(has("tfps_bridge_server_up@ 1"));
        assert!(has("tfps_bridge_server_lost_total@ 1"));
    }
}
