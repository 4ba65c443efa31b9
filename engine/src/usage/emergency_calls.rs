//! How often somebody calls for help. Such calls are never refused; a flood of them is an alarm.

use jiff::Timestamp;

use super::{AccountMark, aging::Aging, seconds};
use crate::network::{Site, SourceNetwork};

/// How long whoever has raised an alarm raises no other, in seconds.
const QUIET: u32 = 60;

/// Emergency calls an account and a source.
#[derive(Debug)]
pub struct EmergencyCalls(Aging<EmergencyCaller, Counted>);

/// Who calls for help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmergencyCaller {
    /// An account, known or not.
    Account(AccountMark),
    /// All accounts that call from a network: accounts can be invented.
    Source(SourceNetwork),
    /// All that call from an IPv6 /48: whoever has one can vary the network. [`Site::SHARE`] times as many calls are an alarm.
    Site(Site),
}

/// From how many calls on, within how long, there is an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmergencyThreshold {
    /// So many calls; 0: never.
    pub calls: u32,
    /// So many seconds.
    pub seconds: u32,
}

/// Calls by windows of the threshold's length: those of the window before count as far as it reaches into the last such time, as if they had
/// been spread over it evenly.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    /// Which window this is.
    window: u32,
    calls: u32,
    calls_before: u32,
    /// When it last raised an alarm, in seconds since 1970.
    alarmed_at: u32,
}

impl EmergencyCalls {
    /// Nobody has called; about so many accounts and networks are watched at the most.
    pub fn with_capacity(callers: usize) -> Self {
        Self(Aging::with_capacity(callers))
    }

    /// Counts a call; how many there were of late, where that is an alarm. Whoever goes on raises another after a minute.
    pub fn count(
        &self,
        caller: EmergencyCaller,
        threshold: EmergencyThreshold,
        at: Timestamp,
    ) -> Option<u32> {
        if threshold.calls == 0 {
            return None;
        }
        let threshold = match caller {
            EmergencyCaller::Account(_) | EmergencyCaller::Source(_) => threshold,
            EmergencyCaller::Site(_) => EmergencyThreshold {
                calls: threshold.calls.saturating_mul(Site::SHARE),
                ..threshold
            },
        };
        let now = seconds(at);
        self.0
            .update(caller, |counted| counted.count(threshold, now))
    }
}

impl Counted {
    fn count(&mut self, threshold: EmergencyThreshold, now: u32) -> Option<u32> {
        let length = threshold.seconds.max(1);
        let window = now / length;
        if window != self.window {
            let is_next = window == self.window.wrapping_add(1);
            self.calls_before = if is_next { self.calls } else { 0 };
            (self.window, self.calls) = (window, 0);
        }
        self.calls = self.calls.saturating_add(1);
        // This second is one of those that count.
        let left = u64::from(length - 1 - now % length);
        let before = u64::from(self.calls_before) * left / u64::from(length);
        let of_late = u32::try_from(u64::from(self.calls) + before).unwrap_or(u32::MAX);
        let is_quiet = self.alarmed_at > 0 && now < self.alarmed_at.saturating_add(QUIET);
        if of_late < threshold.calls || is_quiet {
            return None;
        }
        self.alarmed_at = now;
        Some(of_late)
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    const THRESHOLD: EmergencyThreshold = EmergencyThreshold {
        calls: 5,
        seconds: 60,
    };

    fn start() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    fn alice() -> EmergencyCaller {
        EmergencyCaller::Account(AccountMark(7))
    }

    #[test]
    fn whoever_calls_for_help_again_and_again_raises_an_alarm_a_minute() {
        let calls = EmergencyCalls::with_capacity(1_000);
        let alarms: Vec<(i64, u32)> = (0..5_000)
            .filter_map(|call| {
                let after = call / 40;
                let of_late = calls.count(alice(), THRESHOLD, start() + after.seconds());
                of_late.map(|of_late| (after, of_late))
            })
            .collect();
        let when: Vec<i64> = alarms.iter().map(|(after, _)| *after).collect();
        assert_eq!(when, [0, 60, 120]);
        assert_eq!(alarms[0].1, 5);
        assert!(alarms[1].1 > 2_000, "{alarms:?}");
    }

    #[test]
    fn calls_that_straddle_two_windows_are_one_flood() {
        let calls = EmergencyCalls::with_capacity(1_000);
        let alarms = (0..8).filter(|call| {
            let at = start() + (56 + call).seconds();
            calls.count(alice(), THRESHOLD, at).is_some()
        });
        assert_eq!(alarms.count(), 1);
    }

    #[test]
    fn a_site_may_call_sixteen_times_as_often_as_a_network() {
        let calls = EmergencyCalls::with_capacity(10_000);
        let alarms: Vec<_> = (0..100_u32)
            .filter_map(|network| {
                let ip: std::net::IpAddr = format!("2001:db8:1:{network:x}::1").parse().unwrap();
                let network = SourceNetwork::from(ip);
                let of_network = calls.count(EmergencyCaller::Source(network), THRESHOLD, start());
                assert_eq!(of_network, None);
                calls.count(EmergencyCaller::Site(network.site()?), THRESHOLD, start())
            })
            .collect();
        assert_eq!(alarms, [80]);
    }

    #[test]
    fn who_calls_now_and_then_raises_none() {
        let calls = EmergencyCalls::with_capacity(1_000);
        for call in 0..100 {
            let at = start() + (20 * call).seconds();
            assert_eq!(calls.count(alice(), THRESHOLD, at), None, "{call}");
        }
        let off = EmergencyThreshold {
            calls: 0,
            ..THRESHOLD
        };
        assert!((0..100).all(|_| calls.count(alice(), off, start()).is_none()));
    }
}
