//! Floods of emergency calls. Each of these calls passes and is recorded; that there are too many is an alarm.

use std::{borrow::Cow, collections::VecDeque, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tfps_engine::{
    network::SourceNetwork,
    usage::{EmergencyCaller, EmergencyThreshold, Watch},
};

use crate::telemetry::Metrics;

/// How long an alarm is told in the status.
const TOLD: SignedDuration = SignedDuration::from_hours(1);
/// How many alarms are told at the most, the last ones.
const MOST: usize = 20;
/// How many are logged within a second at the most.
const LOGGED: u32 = 5;

/// The alarms of late.
#[derive(Debug, Default)]
pub struct EmergencyAlarms(Mutex<Raised>);

#[derive(Debug, Default)]
struct Raised {
    last: VecDeque<EmergencyAlarm>,
    /// In which second alarms were last logged, and how many of that second.
    second: i64,
    logged: u32,
    not_logged: u64,
}

/// An emergency call. Whatever else its caller wrote, it passes, and counts.
pub(super) struct EmergencyCall<'a> {
    /// `username@domain`; what stands in its place, where that is no account.
    pub(super) account: Cow<'a, str>,
    pub(super) domain: &'a str,
    pub(super) source_ip: Option<IpAddr>,
}

/// Somebody calls for help more often than people do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyAlarm {
    /// When.
    pub at: Timestamp,
    /// Who has called too often: an account, or a source.
    pub who: String,
    /// The domain of the account; `None` where it is a source.
    domain: Option<String>,
    /// The account that called last, and the address it called from, where that was told.
    last_call: (String, Option<IpAddr>),
    /// How many calls there were of late, within how many seconds.
    calls: u32,
    seconds: u32,
}

impl EmergencyAlarm {
    /// The domain of the account that has called too often; `None`: a source has.
    pub fn account_domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// In words.
    pub fn warning(&self) -> String {
        let (account, source) = &self.last_call;
        let source = source.map_or_else(|| "an unknown source".to_owned(), |ip| ip.to_string());
        format!(
            "emergency calls: {} has made {} within {} s, the last at {} by {account} from {source}; they were let pass",
            self.who,
            self.calls,
            self.seconds,
            self.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
    }
}

impl EmergencyAlarms {
    /// Counts an emergency call, and raises an alarm where its account, its source or the IPv6 /48 around that makes too many.
    pub(super) fn count(
        &self,
        (watch, threshold): (&Watch, EmergencyThreshold),
        call: &EmergencyCall<'_>,
        at: Timestamp,
        metrics: &Metrics,
    ) {
        metrics.emergency_calls.inc();
        let count = |caller| watch.emergency_calls.count(caller, threshold, at);
        let network = call.source_ip.map(SourceNetwork::from);
        let site = network.and_then(SourceNetwork::site);
        let who = [
            count(EmergencyCaller::Account(watch.mark(&call.account))).map(|calls| {
                let domain = call.domain.to_owned();
                (format!("account {}", call.account), Some(domain), calls)
            }),
            network
                .and_then(|network| Some((network, count(EmergencyCaller::Source(network))?)))
                .map(|(network, calls)| (format!("source {network}"), None, calls)),
            site.and_then(|site| Some((site, count(EmergencyCaller::Site(site))?)))
                .map(|(site, calls)| (format!("source {site}"), None, calls)),
        ];
        for (who, domain, calls) in who.into_iter().flatten() {
            metrics.emergency_alarms.inc();
            self.raise(EmergencyAlarm {
                at,
                who,
                domain,
                last_call: (call.account.to_string(), call.source_ip),
                calls,
                seconds: threshold.seconds,
            });
        }
    }

    fn raise(&self, alarm: EmergencyAlarm) {
        let mut raised = self.0.lock();
        let second = alarm.at.as_second();
        if raised.second != second {
            (raised.second, raised.logged) = (second, 0);
        }
        if raised.logged < LOGGED {
            raised.logged += 1;
            tracing::error!(
                who = alarm.who,
                account = alarm.last_call.0,
                source = alarm.last_call.1.map(tracing::field::display),
                calls = alarm.calls,
                seconds = alarm.seconds,
                alarms_not_logged = raised.not_logged,
                "too many emergency calls: they pass; look whether somebody is in need or misuses the account"
            );
            raised.not_logged = 0;
        } else {
            raised.not_logged += 1;
        }
        raised.last.retain(|other| other.who != alarm.who);
        if raised.last.len() >= MOST {
            raised.last.pop_front();
        }
        raised.last.push_back(alarm);
    }

    /// The alarms of the last hour, the newest last.
    pub fn of_late(&self, at: Timestamp) -> Vec<EmergencyAlarm> {
        let raised = self.0.lock();
        let of_late = raised
            .last
            .iter()
            .filter(|alarm| at.duration_since(alarm.at) < TOLD);
        of_late.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLD: EmergencyThreshold = EmergencyThreshold {
        calls: 5,
        seconds: 60,
    };

    fn call(account: &str, ip: &str) -> EmergencyCall<'static> {
        EmergencyCall {
            account: account.to_owned().into(),
            domain: "a.b",
            source_ip: ip.parse().ok(),
        }
    }

    #[test]
    fn an_alarm_names_the_account_or_the_source_that_invents_accounts() {
        let (alarms, watch) = (EmergencyAlarms::default(), Watch::with_capacity(80_000));
        let metrics = Metrics::default();
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let count =
            |call: EmergencyCall<'_>| alarms.count((&watch, THRESHOLD), &call, at, &metrics);
        for number in 0..1_000 {
            count(call("alice@a.b", &format!("2001:db8:{number:x}::1")));
        }
        for number in 0..1_000 {
            count(call(
                &format!("{number}@a.b"),
                &format!("2001:db8::{number:x}"),
            ));
        }
        let told: Vec<String> = alarms
            .of_late(at)
            .iter()
            .map(EmergencyAlarm::warning)
            .collect();
        assert_eq!(
            told,
            [
                "emergency calls: account alice@a.b has made 5 within 60 s, the last at 2026-06-08T12:00:00Z by alice@a.b from 2001:db8:4::1; they were let pass",
                "emergency calls: source 2001:db8::/64 has made 5 within 60 s, the last at 2026-06-08T12:00:00Z by 3@a.b from 2001:db8::3; they were let pass",
                "emergency calls: source 2001:db8::/48 has made 80 within 60 s, the last at 2026-06-08T12:00:00Z by 78@a.b from 2001:db8::4e; they were let pass",
            ]
        );
        assert_eq!(
            (
                metrics.emergency_calls.get(),
                metrics.emergency_alarms.get()
            ),
            (2_000, 3)
        );
        assert!(
            alarms
                .of_late(at + SignedDuration::from_hours(1))
                .is_empty()
        );
        // Whoever steals many accounts does not fill memory or the log.
        for number in 0..10_000 {
            for _ in 0..5 {
                count(call(&format!("{number}@c.d"), ""));
            }
        }
        assert_eq!(alarms.of_late(at).len(), MOST);
    }
}
