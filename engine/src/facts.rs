//! What is known about a call when the rules are asked.

use std::{cell::OnceCell, net::IpAddr};

use jiff::Timestamp;

use crate::{
    account::{Account, Limits},
    call::CallAttempt,
    exposure::{Rates, Tariff},
    lists::{Lists, NumberHit, SourceHit},
    network::SourceNetwork,
    number::{Called, Country, CountrySet, E164, NotANumber, NumberFacts, plan},
    policy::{Policy, RuleMode},
    risk::{Assessment, Circumstances, Predictor, Thresholds, pays},
    rules::{Rule, r17_failed_verifications},
    usage::{Day, Elsewhere, GrantKind, HabitDay, Ledger, Past, Traits, Verified, Watch, Withheld},
};

/// What stands still while calls are decided: borrowed from a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The policy that the account is under.
    pub policy: &'a Policy,
    /// The account, where it is known.
    pub account: Option<&'a Account>,
    /// The operator's lists.
    pub lists: &'a Lists,
    /// What has been counted about strangers: floods, repeats, failures.
    pub watch: &'a Watch,
    /// What is known of fraud.
    pub predictor: &'a Predictor,
    /// What calls cost.
    pub rates: &'a Rates,
}

/// Whether asking counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// A real call: repeats and floods are counted.
    Counts,
    /// A call that was counted, decided anew: it is the same call still.
    Again,
    /// A dry run: nothing is.
    Peeks,
}

/// The number that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// In E.164.
    pub number: E164,
    /// What the numbering plan says of it.
    pub plan: NumberFacts,
}

/// Where AbuseIPDB's confidence is known from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToldBy {
    /// The configuration says so.
    #[default]
    Configuration,
    /// AbuseIPDB was asked about the address.
    LookUp,
    /// AbuseIPDB's blacklist has the address.
    Blacklist,
}

impl ToldBy {
    /// As a reason tells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::LookUp => "look-up",
            Self::Blacklist => "blacklist",
        }
    }
}

/// What reputation says of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standpoint {
    /// The country of the source address, where it has one.
    pub country: Option<Country>,
    /// The autonomous system that announces it (RFC 6793), where it is known.
    pub asn: Option<u32>,
    /// AbuseIPDB's confidence that it is abusive, 0 to 100.
    pub abuse_confidence: Option<u8>,
    /// Where that is known from.
    pub told_by: ToldBy,
    /// Whether APIBAN lists it.
    pub apiban: Option<bool>,
}

/// What is known about a call.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The attempt.
    pub call: &'a CallAttempt,
    /// What stands still.
    pub standing: Standing<'a>,
    /// When.
    pub at: Timestamp,
    /// Whether asking counts.
    pub counting: Counting,
    /// The number that is called, or why it is none of E.164.
    pub destination: Result<Destination, NotANumber>,
    /// Whether an emergency number is dialed: no rule is asked then.
    pub emergency: bool,
    /// Whether the call falls outside business hours.
    pub off_hours: bool,
    /// The calendar day in the policy's time zone.
    pub day: Day,
    /// What the lists say of the number.
    pub number_hit: Option<NumberHit<'a>>,
    /// What the lists say of the source address.
    pub source_hit: Option<SourceHit<'a>>,
    /// Where the call comes from; nothing is known before [`Self::locate`].
    pub source: Standpoint,
    /// Whether who asks is bound to the account's domain.
    pub asked_by_domain: bool,
    /// Whether the account's caller has onboarded it within a day; not known before [`Self::remember`].
    pub is_new: bool,
    /// The countries that grants open to the account.
    pub granted: Vec<(GrantKind, Country)>,
    /// The verifications that the account passed today; none are known before [`Self::remember`].
    pub verified: Verified,
    /// What of the call may be a habit of the account's.
    pub traits: Traits,
    /// What the past says of the call; nothing is known before [`Self::remember`].
    pub past: Past,
    /// The risk score, once it was asked for.
    score: OnceCell<Option<u8>>,
}

impl<'a> Facts<'a> {
    /// Gathers what needs nothing but memory.
    pub fn gather(
        call: &'a CallAttempt,
        standing: Standing<'a>,
        at: Timestamp,
        counting: Counting,
    ) -> Self {
        let reading = standing.policy.dial_plan.read(&call.dialed);
        let emergency = reading.called == Ok(Called::Emergency);
        let destination = reading
            .number()
            .map(|(number, plan)| Destination { number, plan });
        let domain = call.account.domain();
        let now = at.as_second();
        let number_hit = destination
            .as_ref()
            .ok()
            .and_then(|to| standing.lists.number(domain, &to.number, now));
        let source_hit = call
            .source_ip
            .and_then(|ip| standing.lists.source(domain, ip, now));
        let mut facts = Self {
            call,
            standing,
            at,
            counting,
            destination,
            emergency,
            off_hours: !standing.policy.hours.is_open(at),
            day: Day::of(standing.policy.local(at).date()),
            number_hit,
            source_hit,
            source: Standpoint::default(),
            asked_by_domain: false,
            is_new: false,
            granted: Vec::new(),
            verified: Verified::default(),
            traits: Traits::default(),
            past: Past::default(),
            score: OnceCell::new(),
        };
        let called = facts.predicted().map(|to| (to.plan.country, to.number));
        facts.traits = Traits::of(
            called.as_ref().map(|(country, number)| (*country, number)),
            call.source_ip,
            &call.user_agent,
        );
        facts
    }

    /// Adds what the past says of the call, and notes the attempt; the ledger is the account's, where it is known.
    pub fn remember(&mut self, ledger: Option<&Ledger>) {
        self.granted = ledger
            .map(|ledger| ledger.granted(self.at))
            .unwrap_or_default();
        self.verified = ledger
            .map(|ledger| ledger.verified(self.day))
            .unwrap_or_default();
        self.is_new = ledger.is_some_and(|ledger| ledger.is_new(self.at));
        if self.traits.range().is_none() && self.destination.is_ok() {
            return;
        }
        let watch = self.standing.watch;
        // Strangers can be invented: none of them says anything of a range.
        let counting = match self.standing.account {
            Some(_) => self.counting,
            None => Counting::Peeks,
        };
        let account = watch.mark(self.call.account.as_str());
        let number = self.destination.as_ref().ok().map(|to| &to.number);
        self.past.dialing =
            watch
                .dialing
                .observe(account, &self.call.dialed, number, self.at, counting);
        let Some(range) = self.traits.range() else {
            return;
        };
        self.past.watched_days = watch.watched_days(self.at);
        let (today, habits) = (HabitDay::of(self.at), ledger.map(Ledger::habits));
        if let Some(habits) = habits {
            self.past.novelty = habits.novelty(&self.traits, today);
        }
        let usual = self.past.novelty.usual_range;
        let id = &self.call.account;
        let caller = watch.ranges.caller(id, &self.traits, habits, today);
        self.past.range = watch
            .ranges
            .observe(&caller, range, usual, self.at, counting);
    }

    /// Adds where the call comes from.
    pub fn locate(&mut self, source: Standpoint) {
        self.source = source;
    }

    /// Whether a grant opens a country.
    pub fn granted(&self, kind: GrantKind, country: Country) -> bool {
        self.granted.contains(&(kind, country))
    }

    /// The policy that judges.
    pub fn policy(&self) -> &'a Policy {
        self.standing.policy
    }

    /// Whether the account is known, and not just since its caller passed a captcha. Complete after [`Self::remember`].
    pub fn is_established(&self) -> bool {
        self.standing.account.is_some() && !self.is_new
    }

    /// The domain whose requests from one source count together (R19): the account's, where there is such a domain. Accounts that are not
    /// known can be in any; those of general policies are counted as one, under no name.
    pub fn flood_domain(&self) -> &str {
        if self.standing.account.is_some() || self.asked_by_domain {
            self.call.account.domain()
        } else {
            &self.policy().document.domain
        }
    }

    /// The source address whose country and reputation are worth asking for: a public one.
    pub fn source_to_look_up(&self) -> Option<IpAddr> {
        self.call.source_ip.filter(|ip| is_public(*ip))
    }

    /// Whether the number is on the allow list: this ends R03, R18 and the country rules for it.
    pub fn number_allowed(&self) -> bool {
        self.number_hit.is_some_and(|hit| hit.allows())
    }

    /// Whether the source is on the allow list: this ends R14, R15 and R02 for it.
    pub fn source_allowed(&self) -> bool {
        self.source_hit.is_some_and(|hit| hit.allows())
    }

    /// The country that is called.
    pub fn destination_country(&self) -> Option<Country> {
        self.destination
            .as_ref()
            .ok()
            .and_then(|to| to.plan.country)
    }

    /// Whether the call stays in the home country.
    pub fn stays_home(&self) -> bool {
        match &self.destination {
            Ok(to) => to.plan.country == Some(self.policy().dial_plan.home_country()),
            Err(error) => error.is_home(),
        }
    }

    /// What the call adds to the account's exposure; `None`: nothing that the policy caps.
    pub fn tariff(&self) -> Option<Tariff> {
        let to = self.destination.as_ref().ok()?;
        let rates = self.standing.rates;
        self.policy().tariff(&to.number, &to.plan, rates)
    }

    /// Where the account's calls may come from, grants aside.
    pub fn source_countries(&self) -> CountrySet {
        self.standing
            .account
            .map_or(self.policy().new_source_countries, |account| {
                account.source_countries
            })
    }

    /// Where the account's calls may go, grants aside.
    pub fn destination_countries(&self) -> CountrySet {
        self.standing
            .account
            .map_or(self.policy().new_destination_countries, |account| {
                account.destination_countries
            })
    }

    /// The risk score, 0 to 100; `None`: an ordinary call within the home country is not predicted. Complete once the source has been
    /// located.
    pub fn risk_score(&self) -> Option<u8> {
        *self.score.get_or_init(|| {
            self.predicted().map(|to| {
                let circumstances = self.circumstances();
                let predictor = self.standing.predictor;
                predictor.score(&to.number, &to.plan, circumstances, &self.thresholds())
            })
        })
    }

    /// The risk score, where a rule has asked for it.
    pub fn known_risk_score(&self) -> Option<u8> {
        self.score.get().copied().flatten()
    }

    /// The risk score, and what it is made of.
    pub fn assess_risk(&self) -> Option<Assessment> {
        self.predicted().map(|to| {
            let circumstances = self.circumstances();
            let predictor = self.standing.predictor;
            predictor.assess(&to.number, &to.plan, circumstances, &self.thresholds())
        })
    }

    /// From which scores on the policy objects. Where only a PIN of the account's own will do and it has none, the call is denied.
    fn thresholds(&self) -> Thresholds {
        let policy = self.policy();
        let risk = &policy.document.risk;
        let deny = if self.has_pin() {
            risk.deny_score
        } else {
            risk.deny_score.min(risk.pin_score)
        };
        Thresholds {
            challenge: risk.challenge_score,
            deny,
            challenges: policy.mode(Rule::Risk) == RuleMode::Challenge && self.can_verify(),
        }
    }

    /// Whether a challenge would be one, and no denial in its place. Of locks it is asked only where somebody else has a say in the score.
    fn can_verify(&self) -> bool {
        let policy = self.policy();
        policy.verifies_account(self.standing.account.is_some())
            && self.withheld().is_none()
            && (self.past.range.elsewhere == Elsewhere::default()
                || policy.mode(Rule::FailedVerifications) != RuleMode::Enforce
                || r17_failed_verifications::locked(self).is_none())
    }

    /// The number, where the call is one that fraudsters are paid for: abroad, or to a number of the home country that costs more.
    pub fn predicted(&self) -> Option<&Destination> {
        let to = self.destination.as_ref().ok()?;
        pays(&to.plan, self.policy().dial_plan.home_country()).then_some(to)
    }

    /// How the call came about. Complete once the source has been located.
    pub fn circumstances(&self) -> Circumstances {
        Circumstances {
            forwarded: !self.call.forwarded_from.is_empty(),
            abuse_confidence: self.source.abuse_confidence.unwrap_or_default(),
            off_hours: self.off_hours,
            past: self.past,
        }
    }

    /// The account's calls a day in hours of this kind, with what verifications raised it by for today.
    pub fn daily_quota(&self) -> u32 {
        let (_, quota) = self.limits().in_hours(self.off_hours);
        quota.saturating_add(self.verified.raised_in(self.off_hours))
    }

    /// Why the caller is offered no verification, if so.
    pub fn withheld(&self) -> Option<Withheld> {
        let limits = &self.policy().document.verification;
        self.verified.withheld(limits, self.at)
    }

    /// Whether the account has a PIN of its own.
    pub fn has_pin(&self) -> bool {
        self.standing.account.is_some_and(|account| account.has_pin)
    }

    /// The account's limits; for an unknown one, those it would start with.
    pub fn limits(&self) -> Limits {
        self.standing
            .account
            .map_or_else(|| self.policy().new_limits(), |account| account.limits)
    }
}

/// What of a call of before may be a habit of its account's: as for a call that is decided.
pub fn traits_of(
    number: Option<&E164>,
    home: Country,
    source_ip: Option<IpAddr>,
    user_agent: &str,
) -> Traits {
    let called = number
        .map(|number| (plan::look_up_from(number, home), number))
        .filter(|(plan, _)| pays(plan, home))
        .map(|(plan, number)| (plan.country, number));
    Traits::of(called, source_ip, user_agent)
}

/// Whether an address is one of the public internet's. Private (RFC 1918, RFC 4193), shared (CGNAT, RFC 6598), loopback,
/// link-local, multicast, unspecified and reserved addresses have no country and no reputation. One that carries an IPv4
/// address ([`SourceNetwork`]) is as that is. Addresses for documentation and benchmarks count as public: nobody calls from them but examples and tests.
pub fn is_public(ip: IpAddr) -> bool {
    match (SourceNetwork::from(ip), ip) {
        (SourceNetwork::V4(ip), _) | (_, IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let reserved = a == 0 || a >= 240;
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || shared
                || reserved)
        }
        (SourceNetwork::V6(_), IpAddr::V6(ip)) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for special in [
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for special in [
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fc00::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.1.1",
            "::ffff:100.64.0.1",
            "2002:a00:1::1",
            "64:ff9b::192.168.1.1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in [
            "8.8.8.8",
            "100.128.0.1",
            "172.32.0.1",
            "203.0.113.7",
            "2001:4860::8888",
            "2001:db8::7",
            "::ffff:8.8.8.8",
            "2002:808:808::1",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
