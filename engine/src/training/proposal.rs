//! What an account's limits should be.

use crate::{
    account::{Account, Limits},
    number::{Country, CountryGroup, CountrySet},
    policy::{Policy, RuleMode},
    rules::Rule,
};

use super::{DayUsed, History, Reported};

/// How many days a history must have.
pub const SHORTEST_HISTORY: usize = 14;
/// How many days it must have for a country to be closed since nobody calls it.
const LONG_HISTORY: usize = 60;
/// How many standard deviations a limit is above the average.
const DEVIATIONS: f64 = 2.0;
/// The part of a limit by which it must change, or it stays.
const WORTHWHILE: f64 = 0.1;
/// The most that one training raises a limit by, as a multiple of what it is.
const GROWTH: u32 = 3;
/// The part of a country's calls that the prediction may object to, as one in so many, and it is opened.
const OBJECTED: u32 = 4;
/// On how many days a country must have been called, or called from, to be opened.
const OPENING_DAYS: u32 = 2;

/// Whether something may be taken from an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lowering {
    /// It may.
    Allowed,
    /// Somebody changed the account not long ago: what he gave stays until its calls can show what it is for.
    NotYet,
}

/// Other limits for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// How many calls it may make.
    pub limits: Limits,
    /// Where its calls may come from.
    pub source_countries: CountrySet,
    /// Where its calls may go.
    pub destination_countries: CountrySet,
    /// Every change and why, in words.
    pub reasons: Vec<String>,
    /// Every country that was called, or called from, and is not opened, and why, in words.
    pub left_out: Vec<String>,
}

/// Why nothing is proposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingLearned {
    /// Too little is known.
    #[error("its calls of {days} days are known; {SHORTEST_HISTORY} are needed")]
    TooYoung {
        /// How many days are known.
        days: usize,
    },
    /// Its limits are what they should be.
    #[error("its limits fit what it does")]
    Fits {
        /// As in a [`Proposal`].
        left_out: Vec<String>,
    },
}

/// Proposes limits for an account: the average of its days and twice their standard deviation, at least 1 and at most the policy's
/// maxima. No limit is raised above what the account has used on one day, so that no account can be walked up within its limits, nor to more than
/// three times what it is. Limits of calls at once stay where the switch does not tell enough to know them.
///
/// Countries that the policy only reported are opened, but none that it blocks, none of high risk, and none of which the prediction objects to a
/// quarter of the calls; those that nobody calls are closed where a caller can open them again.
///
/// # Errors
/// When its history is too short, or its limits fit.
pub fn propose(
    history: &History,
    account: &Account,
    policy: &Policy,
    lowering: Lowering,
) -> Result<Proposal, NothingLearned> {
    let days = history.days.len();
    if days < SHORTEST_HISTORY {
        return Err(NothingLearned::TooYoung { days });
    }
    let (mut reasons, mut left_out) = (Vec::new(), Vec::new());
    let limits = limits(history, account.limits, policy, lowering, &mut reasons);
    let may_close = |rule| {
        days >= LONG_HISTORY
            && lowering == Lowering::Allowed
            && policy.verifies()
            && policy.mode(rule) == RuleMode::Challenge
    };
    let openings = Openings::under(policy);
    let sources = Way {
        what: SOURCE,
        now: account.source_countries,
        seen: history.sources,
        reported: &history.new_sources,
        blocked: CountrySet::default(),
        may_close: may_close(Rule::SourceCountry),
    };
    let source_countries = sources.countries(&openings, days, &mut reasons, &mut left_out);
    let destinations = Way {
        what: DESTINATION,
        now: account.destination_countries,
        seen: history.destinations,
        reported: &history.new_destinations,
        blocked: policy.blocked_countries,
        may_close: may_close(Rule::DestinationCountry),
    };
    let destination_countries =
        destinations.countries(&openings, days, &mut reasons, &mut left_out);
    if reasons.is_empty() {
        return Err(NothingLearned::Fits { left_out });
    }
    Ok(Proposal {
        limits,
        source_countries,
        destination_countries,
        reasons,
        left_out,
    })
}

fn limits(
    history: &History,
    now: Limits,
    policy: &Policy,
    lowering: Lowering,
    reasons: &mut Vec<String>,
) -> Limits {
    let maximum = policy.maximum_limits();
    let days = history.days.len();
    let mut limit = |what: &str, of_limits: fn(&Limits) -> u32, of_day: fn(&DayUsed) -> u32| {
        let (now, maximum) = (of_limits(&now), of_limits(&maximum));
        let usual = Usual::of(history.days.iter().map(of_day));
        let most = history.days.iter().map(of_day).max().unwrap_or_default();
        // What is lower than now is no growth.
        let growth = most.min(now.saturating_mul(GROWTH)).max(now).max(1);
        let wanted = usual.limit().min(maximum).min(growth);
        let apart = f64::from(wanted.abs_diff(now));
        let is_lower = wanted < now && lowering == Lowering::NotYet;
        // A maximum of 0 would lock the account out, which no training does; a limit of 0 is somebody's will.
        if wanted == 0
            || now == 0
            || is_lower
            || wanted == now
            || apart < f64::from(now) * WORTHWHILE
        {
            return now;
        }
        let bound = match usual.limit() {
            limit if wanted == limit => String::new(),
            limit if wanted == maximum => format!("; {limit} is over the policy's maximum"),
            limit if wanted == most => {
                format!("; {limit} is more than there were on any day")
            }
            limit => format!("; {limit} is more than {GROWTH} times what it is"),
        };
        reasons.push(format!(
            "{what} {now} to {wanted}: {:.1} a day on average, standard deviation {:.1}, over {days} days{bound}",
            usual.average, usual.deviation
        ));
        wanted
    };
    let mut learned = now;
    if history.knows_peaks() {
        learned.concurrent_calls = limit(
            "concurrent calls",
            |limits| limits.concurrent_calls,
            |day| day.peak,
        );
        learned.concurrent_calls_off_hours = limit(
            "concurrent calls off hours",
            |limits| limits.concurrent_calls_off_hours,
            |day| day.peak_off_hours,
        );
    }
    learned.daily_quota = limit("daily quota", |limits| limits.daily_quota, |day| day.calls);
    learned.daily_quota_off_hours = limit(
        "daily quota off hours",
        |limits| limits.daily_quota_off_hours,
        |day| day.calls_off_hours,
    );
    learned
}

/// What is left of the countries that a proposal of before opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Openable {
    /// Where calls may come from.
    pub sources: CountrySet,
    /// Where calls may go.
    pub destinations: CountrySet,
    /// Every country that is not opened any more, and why, in words.
    pub left_out: Vec<String>,
}

/// Which of the countries that a proposal of before opens, as sources and as destinations, would be opened now: policies change, and so does what
/// is known of fraud.
pub fn still_opened(
    history: &History,
    policy: &Policy,
    sources: CountrySet,
    destinations: CountrySet,
) -> Openable {
    let openings = Openings::under(policy);
    let mut left_out = Vec::new();
    let mut still = |opened: CountrySet, way: &Way<'_>| {
        opened
            .iter()
            .filter(|country| {
                let reported = way.reported.iter().find(|(other, _)| other == country);
                // Calls that were seen then may have been forgotten since.
                let reported = reported.map_or(Reported::FORGOTTEN, |(_, reported)| *reported);
                let objection = way.objection(&openings, *country, &reported);
                left_out.extend(objection.iter().map(|why| {
                    format!(
                        "{} {} is not opened any more: {why}",
                        way.what,
                        country.code()
                    )
                }));
                objection.is_none()
            })
            .collect()
    };
    let way = |what, reported, blocked| Way {
        what,
        now: CountrySet::default(),
        seen: CountrySet::default(),
        reported,
        blocked,
        may_close: false,
    };
    let of_sources = way(SOURCE, &history.new_sources, CountrySet::default());
    let of_destinations = way(
        DESTINATION,
        &history.new_destinations,
        policy.blocked_countries,
    );
    Openable {
        sources: still(sources, &of_sources),
        destinations: still(destinations, &of_destinations),
        left_out,
    }
}

const SOURCE: &str = "source country";
const DESTINATION: &str = "destination country";

/// What no country is opened without.
struct Openings {
    home: Country,
    high_risk: CountrySet,
}

impl Openings {
    fn under(policy: &Policy) -> Self {
        Self {
            home: policy.dial_plan.home_country(),
            high_risk: CountryGroup::HighRisk.countries(),
        }
    }
}

/// The countries that calls go to, or come from.
struct Way<'a> {
    what: &'static str,
    now: CountrySet,
    seen: CountrySet,
    /// Seen, though they were not open: the policy only reported that.
    reported: &'a [(Country, Reported)],
    /// What the policy opens to nobody.
    blocked: CountrySet,
    may_close: bool,
}

impl Way<'_> {
    fn countries(
        &self,
        openings: &Openings,
        days: usize,
        reasons: &mut Vec<String>,
        left_out: &mut Vec<String>,
    ) -> CountrySet {
        let what = self.what;
        let mut then = self.now;
        for (country, reported) in self.reported {
            if then.contains(*country) {
                continue;
            }
            let code = country.code();
            let calls = told(reported);
            match self.objection(openings, *country, reported) {
                Some(why) => {
                    left_out.push(format!("{what} {code} is not opened ({calls}): {why}"));
                }
                None => {
                    then.insert(*country);
                    reasons.push(format!("{what} {code} is opened: there were {calls}"));
                }
            }
        }
        let is_unused =
            |country: &Country| *country != openings.home && !self.seen.contains(*country);
        for country in self.now.iter().filter(is_unused) {
            if self.may_close && then.remove(country) {
                let code = country.code();
                reasons.push(format!("{what} {code} is closed: no call in {days} days"));
            }
        }
        then
    }

    /// Why a country is not opened.
    fn objection(
        &self,
        openings: &Openings,
        country: Country,
        reported: &Reported,
    ) -> Option<String> {
        if self.blocked.contains(country) {
            return Some("the policy blocks it".to_owned());
        }
        if country == openings.home {
            return None;
        }
        if openings.high_risk.contains(country) {
            return Some(
                "it is of high risk, which only a verification or an operator opens".to_owned(),
            );
        }
        if reported.objected > 0 && reported.objected.saturating_mul(OBJECTED) >= reported.calls {
            return Some(format!(
                "the prediction objects to {} of them",
                reported.objected
            ));
        }
        (reported.days < OPENING_DAYS).then(|| format!("calls on {OPENING_DAYS} days are needed"))
    }
}

fn told(reported: &Reported) -> String {
    let things = |count: u32, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    format!(
        "{} on {}",
        things(reported.calls, "call"),
        things(reported.days, "day")
    )
}

/// What days usually come to.
struct Usual {
    average: f64,
    deviation: f64,
}

impl Usual {
    fn of(days: impl ExactSizeIterator<Item = u32> + Clone) -> Self {
        let number = days.len().max(1) as f64;
        let average = days.clone().map(f64::from).sum::<f64>() / number;
        let variance = days
            .map(|day| (f64::from(day) - average).powi(2))
            .sum::<f64>()
            / number;
        Self {
            average,
            deviation: variance.sqrt(),
        }
    }

    /// At least 1: nobody is locked out.
    fn limit(&self) -> u32 {
        (self.average + DEVIATIONS * self.deviation).ceil().max(1.0) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::PolicyDocument;

    fn policy(document: PolicyDocument) -> Policy {
        Policy::compile(document).unwrap()
    }

    fn account(policy: &Policy) -> Account {
        Account::new("alice@example.com".parse().unwrap(), policy)
    }

    fn countries(codes: &[&str]) -> CountrySet {
        codes
            .iter()
            .map(|code| Country::from_code(code).unwrap())
            .collect()
    }

    /// A call centre, weekends included, which calls now and then in the evening.
    fn busy(days: usize) -> History {
        let day = |place: usize| DayUsed {
            calls: if place % 7 < 5 {
                40 + (place % 3) as u32
            } else {
                0
            },
            calls_off_hours: u32::from(place.is_multiple_of(10)),
            peak: if place % 7 < 5 { 4 } else { 0 },
            peak_off_hours: u32::from(place.is_multiple_of(10)),
        };
        History {
            days: (0..days).map(day).collect(),
            calls: 30 * days as u32,
            measured: 30 * days as u32,
            destinations: countries(&["US", "GB"]),
            sources: countries(&["US"]),
            ..History::default()
        }
    }

    #[test]
    fn limits_follow_what_an_account_does_and_the_reasons_say_so() {
        let policy = policy(PolicyDocument::default());
        let account = account(&policy);
        let proposal = propose(&busy(28), &account, &policy, Lowering::Allowed).unwrap();
        assert_eq!(
            proposal.limits,
            Limits {
                concurrent_calls: 4,
                concurrent_calls_off_hours: 1,
                daily_quota: 30,
                daily_quota_off_hours: 1,
            }
        );
        assert_eq!(
            proposal.reasons,
            [
                "concurrent calls 2 to 4: 2.9 a day on average, standard deviation 1.8, over 28 days; 7 is more than there were on any day",
                "daily quota 10 to 30: 29.2 a day on average, standard deviation 18.5, over 28 days; 67 is more than 3 times what it is",
                "daily quota off hours 2 to 1: 0.1 a day on average, standard deviation 0.3, over 28 days",
            ]
        );
        assert_eq!(
            proposal.destination_countries,
            account.destination_countries
        );
        let mut fitting = account;
        for quota in [30, 42, 42] {
            fitting.limits = propose(&busy(28), &fitting, &policy, Lowering::Allowed)
                .map_or(fitting.limits, |proposal| proposal.limits);
            assert_eq!(fitting.limits.daily_quota, quota);
        }
        let again = propose(&busy(28), &fitting, &policy, Lowering::Allowed);
        assert_eq!(
            again,
            Err(NothingLearned::Fits {
                left_out: Vec::new()
            })
        );
    }

    #[test]
    fn how_many_calls_there_are_at_once_must_have_been_told() {
        let policy = policy(PolicyDocument::default());
        let mut history = busy(28);
        history.measured = history.calls / 3;
        let account = account(&policy);
        let proposal = propose(&history, &account, &policy, Lowering::Allowed).unwrap();
        let limits = proposal.limits;
        assert_eq!((limits.concurrent_calls, limits.daily_quota), (2, 30));
    }

    #[test]
    fn two_weeks_must_be_known() {
        let policy = policy(PolicyDocument::default());
        let result = propose(&busy(13), &account(&policy), &policy, Lowering::Allowed);
        assert_eq!(result, Err(NothingLearned::TooYoung { days: 13 }));
    }

    #[test]
    fn what_somebody_has_just_given_is_not_taken_away() {
        let policy = policy(PolicyDocument::default());
        let mut account = account(&policy);
        account.limits.daily_quota = 90;
        account.destination_countries = countries(&["US", "GB", "FR"]);
        let proposal = propose(&busy(80), &account, &policy, Lowering::NotYet).unwrap();
        assert_eq!(proposal.limits.daily_quota, 90);
        assert_eq!(proposal.limits.concurrent_calls, 4);
        assert_eq!(
            proposal.destination_countries,
            account.destination_countries
        );
    }

    #[test]
    fn countries_that_nobody_calls_are_closed_where_callers_can_open_them() {
        let mut open = account(&policy(PolicyDocument::default()));
        open.destination_countries = countries(&["US", "GB", "FR"]);
        let mut document = PolicyDocument::default();
        let closed = |document: &PolicyDocument, days| {
            let policy = policy(document.clone());
            propose(&busy(days), &open, &policy, Lowering::Allowed)
                .unwrap()
                .destination_countries
        };
        assert_eq!(closed(&document, 80), countries(&["US", "GB"]));
        assert_eq!(closed(&document, 30), open.destination_countries);
        document.verification.method = crate::policy::VerificationMethod::None;
        assert_eq!(closed(&document, 80), open.destination_countries);
    }

    #[test]
    fn what_a_monitoring_policy_let_pass_is_opened_unless_it_is_blocked() {
        let policy = policy(PolicyDocument::default());
        let mut history = busy(20);
        let often = Reported::on_days(9, 0);
        let of = |code: &str, reported| (Country::from_code(code).unwrap(), reported);
        history.new_destinations = vec![of("GB", often), of("CU", often)];
        history.new_sources = vec![of("CA", often)];
        let proposal = propose(&history, &account(&policy), &policy, Lowering::NotYet).unwrap();
        assert_eq!(proposal.destination_countries, countries(&["US", "GB"]));
        assert_eq!(proposal.source_countries, countries(&["US", "CA"]));
        assert_eq!(
            proposal.left_out,
            ["destination country CU is not opened (9 calls on 9 days): the policy blocks it"]
        );
    }

    #[test]
    fn no_country_is_opened_that_is_of_high_risk_or_that_the_prediction_objects_to() {
        let policy = policy(PolicyDocument::default());
        let history = |reported: &[(&str, Reported)]| {
            let of = |(code, reported): &(&str, Reported)| {
                (Country::from_code(code).unwrap(), *reported)
            };
            let reported: Vec<_> = reported.iter().map(of).collect();
            History {
                new_destinations: reported.clone(),
                new_sources: reported,
                ..busy(28)
            }
        };
        let high = Reported::on_days(17, 0);
        let history = history(&[
            ("SO", high),
            ("GM", high),
            ("881", high),
            ("NG", Reported::on_days(8, 2)),
            ("FR", Reported::on_days(9, 2)),
            ("DE", Reported::on_days(1, 0)),
        ]);
        let proposal = propose(&history, &account(&policy), &policy, Lowering::NotYet).unwrap();
        assert_eq!(proposal.destination_countries, countries(&["US", "FR"]));
        assert_eq!(proposal.source_countries, countries(&["US", "FR"]));
        let left_out = proposal.left_out.join("\n");
        for words in [
            "source country SO is not opened (17 calls on 17 days): it is of high risk",
            "destination country 881 is not opened (17 calls on 17 days): it is of high risk",
            "NG is not opened (8 calls on 8 days): the prediction objects to 2 of them",
            "DE is not opened (1 call on 1 day): calls on 2 days are needed",
        ] {
            assert!(left_out.contains(words), "{words}: {left_out}");
        }
    }

    #[test]
    fn what_was_proposed_is_not_opened_where_it_is_blocked_of_high_risk_or_objected_to_by_now() {
        let mut document = PolicyDocument::default();
        document.blocked_countries.push("FR".to_owned());
        let policy = policy(document);
        let of = |code: &str, reported| (Country::from_code(code).unwrap(), reported);
        let history = History {
            new_destinations: vec![
                of("DE", Reported::on_days(9, 9)),
                of("FR", Reported::on_days(9, 0)),
                of("GB", Reported::on_days(9, 1)),
            ],
            ..busy(28)
        };
        let opened = countries(&["DE", "FR", "GB", "SO", "CA"]);
        let still = still_opened(&history, &policy, countries(&["SO", "CA"]), opened);
        assert_eq!(still.destinations, countries(&["GB", "CA"]));
        assert_eq!(still.sources, countries(&["CA"]));
        let left_out = still.left_out.join("\n");
        for words in [
            "source country SO is not opened any more: it is of high risk",
            "destination country DE is not opened any more: the prediction objects to 9",
            "destination country FR is not opened any more: the policy blocks it",
        ] {
            assert!(left_out.contains(words), "{words}: {left_out}");
        }
    }

    #[test]
    fn within_its_limits_no_account_is_walked_up() {
        let policy = policy(PolicyDocument::default());
        let mut account = account(&policy);
        for training in 0..50 {
            // As many calls as pass, on the days that raise average and deviation most.
            let day = |place: usize| DayUsed {
                calls: if place % 7 < 5 {
                    account.limits.daily_quota
                } else {
                    0
                },
                peak: if place % 7 < 5 {
                    account.limits.concurrent_calls
                } else {
                    0
                },
                ..DayUsed::default()
            };
            let history = History {
                days: (0..60).map(day).collect(),
                calls: 100,
                measured: 100,
                ..History::default()
            };
            if let Ok(proposal) = propose(&history, &account, &policy, Lowering::Allowed) {
                account.limits = proposal.limits;
            }
            let limits = policy.new_limits();
            assert_eq!(
                account.limits.at_most(&limits),
                account.limits,
                "{training}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_limit_is_above_the_maximum_or_locks_out(
            used in prop::collection::vec((0_u32..500, 0_u32..500, 0_u32..90, 0_u32..90), 14..100),
            maximum in 0_u32..200,
            given in 0_u32..300,
        ) {
            let mut document = PolicyDocument::default();
            let limits = |limit| Limits {
                concurrent_calls: limit,
                concurrent_calls_off_hours: limit,
                daily_quota: limit,
                daily_quota_off_hours: limit,
            };
            document.new_accounts.limits = limits(0);
            document.new_accounts.maximum = limits(maximum);
            let policy = policy(document);
            let mut account = account(&policy);
            account.limits = limits(given);
            let days = used.into_iter().map(|(calls, calls_off_hours, peak, peak_off_hours)| DayUsed {
                calls, calls_off_hours, peak, peak_off_hours,
            });
            let history = History { days: days.collect(), ..History::default() };
            if let Ok(proposal) = propose(&history, &account, &policy, Lowering::Allowed) {
                let Limits { concurrent_calls, concurrent_calls_off_hours, daily_quota, daily_quota_off_hours } = proposal.limits;
                for limit in [concurrent_calls, concurrent_calls_off_hours, daily_quota, daily_quota_off_hours] {
                    prop_assert_eq!(limit == 0, given == 0);
                    prop_assert!(limit <= maximum || limit == given);
                }
            }
        }
    }
}
