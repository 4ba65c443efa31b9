//! What is counted of reputations and their sources.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::sources::{Fault, SourceState, SourceStatus};

/// The counters and gauges. Its clones count together.
#[derive(Clone, Debug)]
pub struct Instruments {
    asked: Family<Asked, Counter>,
    reports: Family<ByResult, Counter>,
    /// Calls whose source's reputation was known in memory.
    pub(super) known: Counter,
    /// Calls whose source had to be looked up.
    pub(super) unknown: Counter,
    /// Calls whose source was unknown while nobody could be asked.
    pub(super) unavailable: Counter,
    /// Look-ups that found too many waiting.
    pub(super) overflowed: Counter,
    /// Look-ups that were not made since they are to last for the day: of known accounts, and of unknown ones.
    pub(super) held_back: [Counter; 2],
    /// Look-ups of the day that are left.
    pub(super) look_ups_left: Gauge,
    /// Look-ups that wait.
    pub(super) waiting: Gauge,
    entries: Family<BySource, Gauge>,
    up: Family<BySource, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    source: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySource {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAccounts {
    accounts: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

impl Instruments {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let asked = Family::default();
        registry.register(
            "look_ups",
            "Requests to sources of reputation by source and result",
            asked.clone(),
        );
        let reports = Family::default();
        registry.register(
            "abuse_reports",
            "Denied attacks reported to AbuseIPDB by result",
            reports.clone(),
        );
        let recalls = Family::<ByResult, Counter>::default();
        registry.register(
            "reputation_recalls",
            "What was in memory of the sources of calls: known, unknown, or unknown while nobody could be asked",
            recalls.clone(),
        );
        let recalled = |result| recalls.get_or_create(&ByResult { result }).clone();
        let overflowed = Counter::default();
        registry.register(
            "look_ups_overflowed",
            "Look-ups of sources that found too many waiting",
            overflowed.clone(),
        );
        let held_back = Family::<ByAccounts, Counter>::default();
        registry.register(
            "look_ups_held_back",
            "Look-ups of sources that were not made, so that the day's last: by the accounts whose calls they were for",
            held_back.clone(),
        );
        let held_back = ["known", "unknown"]
            .map(|accounts| held_back.get_or_create(&ByAccounts { accounts }).clone());
        let look_ups_left = Gauge::default();
        registry.register(
            "look_ups_left",
            "Look-ups of sources that are left of the day's",
            look_ups_left.clone(),
        );
        let waiting = Gauge::default();
        registry.register(
            "look_ups_waiting",
            "Look-ups of sources that wait or are under way",
            waiting.clone(),
        );
        let entries = Family::default();
        registry.register(
            "source_entries",
            "What is known from a source: addresses, entries, networks",
            entries.clone(),
        );
        let up = Family::default();
        registry.register(
            "source_up",
            "Whether a source that is configured answers: 1 or 0",
            up.clone(),
        );
        Self {
            asked,
            reports,
            known: recalled("known"),
            unknown: recalled("unknown"),
            unavailable: recalled("unavailable"),
            overflowed,
            held_back,
            look_ups_left,
            waiting,
            entries,
            up,
        }
    }

    /// Counts a request to a source.
    pub(super) fn asked(&self, source: &'static str, result: &'static str) {
        self.asked.get_or_create(&Asked { source, result }).inc();
    }

    /// Counts a report.
    pub(super) fn reported(&self, result: &'static str) {
        self.reports.get_or_create(&ByResult { result }).inc();
    }

    /// Takes where sources stand.
    pub fn standing(&self, statuses: &[SourceStatus]) {
        // One that is configured no more is told no more.
        self.entries.clear();
        self.up.clear();
        for status in statuses {
            if status.state == SourceState::Off {
                continue;
            }
            let source = BySource {
                source: status.name.to_string(),
            };
            let entries = i64::try_from(status.entries).unwrap_or(i64::MAX);
            self.entries.get_or_create(&source).set(entries);
            let up = i64::from(status.state == SourceState::Ok);
            self.up.get_or_create(&source).set(up);
        }
    }
}

/// What came of asking, in a word.
pub(super) fn result<T>(told: &Result<T, Fault>) -> &'static str {
    match told {
        Ok(_) => "answered",
        Err(Fault::NoAnswer(_)) => "no-answer",
        Err(Fault::Limited { .. }) => "limited",
        Err(Fault::Refused(_)) => "refused",
        Err(Fault::Failed(_)) => "failed",
    }
}
