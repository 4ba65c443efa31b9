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

/// A script of the dialplan's AGI.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ScriptLabel {
    pub(crate) script: &'static str,
}

/// A verification: what for, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct VerificationLabel {
    pub(crate) purpose: &'static str,
    pub(crate) result: &'static str,
}

/// A sentence in a language.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PromptLabel {
    pub(crate) language: String,
    pub(crate) prompt: &'static str,
}

/// What happened to a call, and what became of the report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabel {
    event: &'static str,
    result: &'static str,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabel {
    server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
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
    /// Calls served, by script.
    pub(crate) calls: Family<ScriptLabel, Counter>,
    /// Calls that are served now.
    pub(crate) in_progress: Gauge,
    /// Connections that were not served, by why.
    pub(crate) refused: Family<CauseLabel, Counter>,
    /// Scripts that were broken off, by why.
    pub(crate) broken: Family<CauseLabel, Counter>,
    /// Verifications, by purpose and result.
    pub(crate) verifications: Family<VerificationLabel, Counter>,
    /// Prompts that Asterisk did not have.
    pub(crate) prompts_missing: Family<PromptLabel, Counter>,
    /// Calls that were to end, by what came of it.
    pub(crate) hang_ups: Family<CauseLabel, Counter>,
    /// Whether Asterisk's manager interface is there.
    pub(crate) ami_up: Gauge,
    reported: Family<CallLabel, Counter>,
    waiting: Gauge,
    server_up: Family<ServerLabel, Gauge>,
    server_lost: Family<ServerLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tfps_asterisk");
        let answers = Family::<VerdictLabel, Counter>::default();
        let of = |verdict| answers.get_or_create(&VerdictLabel { verdict }).clone();
        let (allowed, denied, challenged) = (of("allow"), of("deny"), of("challenge"));
        registry.register("answers", "Checks answered, by verdict", answers);
        let latency = Histogram::new([
            1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.3, 0.5, 1.0,
        ]);
        registry.register(
            "check_seconds",
            "How long a server takes to decide, as the bridge sees it",
            latency.clone(),
        );
        let unavailable = Family::default();
        registry.register(
            "unavailable",
            "Checks that no server decided, by cause",
            unavailable.clone(),
        );
        let calls = Family::default();
        registry.register("calls", "Calls served, by script", calls.clone());
        let in_progress = Gauge::default();
        registry.register(
            "calls_in_progress",
            "Calls that are served now",
            in_progress.clone(),
        );
        let refused = Family::default();
        registry.register(
            "refused",
            "Connections that were not served, by cause",
            refused.clone(),
        );
        let broken = Family::default();
        registry.register(
            "broken",
            "Scripts that were broken off, by cause",
            broken.clone(),
        );
        let verifications = Family::default();
        registry.register(
            "verifications",
            "Verifications, by purpose and result",
            verifications.clone(),
        );
        let prompts_missing = Family::default();
        registry.register(
            "prompts_missing",
            "Prompts that Asterisk did not have, by language and name",
            prompts_missing.clone(),
        );
        let hang_ups = Family::default();
        registry.register(
            "hang_ups",
            "Calls that were to end, by what came of it: ended or unknown",
            hang_ups.clone(),
        );
        let ami_up = Gauge::default();
        registry.register(
            "ami_up",
            "Whether Asterisk's manager interface is followed",
            ami_up.clone(),
        );
        let reported = Family::default();
        registry.register(
            "call_events",
            "Calls' ends, by event and result",
            reported.clone(),
        );
        let waiting = Gauge::default();
        registry.register(
            "call_events_waiting",
            "Calls' ends that wait for a server",
            waiting.clone(),
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
            calls,
            in_progress,
            refused,
            broken,
            verifications,
            prompts_missing,
            hang_ups,
            ami_up,
            reported,
            waiting,
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
        self.reported
            .get_or_create(&CallLabel { event, result })
            .inc();
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
        assert!(has("tfps_asterisk_server_up@ 0"));
        assert!(has("tfps_asterisk_server_lost_total@ 0"));
        metrics.lost(server);
        metrics.answers(server, true);
        assert!(has("tfps_asterisk_server_up@ 1"));
        assert!(has("tfps_asterisk_server_lost_total@ 1"));
    }
}
