//! What an operator lets domain-admins set: nothing that protects less than the operator's bounding policy does, or than what the
//! operator has set for the domain already.

use std::sync::Arc;

use ipnet::IpNet;
use tfps_engine::{
    account::Limits,
    lists::{Action, EntryValue},
    number::{E164, plan},
    policy::{DEFAULT, Policy, Weaker},
};

use super::{Admin, AdminError};
use crate::{auth::Principal, state::Policies};

/// The least prefix lengths of networks that a domain-admin may allow, IPv4 and IPv6.
const LEAST_PREFIX: (u8, u8) = (24, 48);

impl Admin {
    /// Whether the operator bounds what a caller may set.
    pub(super) fn is_bounded(&self, caller: &Principal) -> bool {
        caller.domain.is_some() && !self.bounding_policy.is_empty()
    }

    /// The policy that bounds what a caller may set; `None`: he may set anything.
    fn bounding(&self, caller: &Principal) -> Option<Arc<Policy>> {
        self.is_bounded(caller)
            .then(|| self.bounding_policy(&self.state.snapshot.load().policies))
    }

    fn bounding_policy(&self, policies: &Policies) -> Arc<Policy> {
        let named = policies.get("", &self.bounding_policy);
        Arc::clone(named.unwrap_or_else(|| policies.of_account("", None)))
    }

    /// What an operator should know: the bounding policy is not there.
    pub(super) fn bounding_warning(&self, policies: &Policies) -> Option<String> {
        let name = &self.bounding_policy;
        let missing = !name.is_empty() && policies.get("", name).is_none();
        missing.then(|| {
            format!("domain_admins.bounding_policy: there is no general policy {name}; `{DEFAULT}` counts in its place")
        })
    }

    /// Whether a caller may put a policy in the place of one.
    pub(super) fn may_put(
        &self,
        caller: &Principal,
        policy: &Policy,
        before: Option<&Policy>,
    ) -> Result<(), AdminError> {
        let Some(bound) = self.bounding(caller) else {
            return Ok(());
        };
        let weaker = policy.weaker_than(&bound);
        let than_before = before.map(|before| policy.weaker_than(before));
        self.refuse(weaker, than_before.as_deref(), "policy.")
    }

    /// Whether a caller may give an account limits in the place of others.
    pub(super) fn may_give(
        &self,
        caller: &Principal,
        limits: &Limits,
        before: Option<&Limits>,
    ) -> Result<(), AdminError> {
        let Some(bound) = self.bounding(caller) else {
            return Ok(());
        };
        let above = limits.above(&bound.maximum_limits(), "limits");
        let than_before = before.map(|before| limits.above(before, "limits"));
        self.refuse(above, than_before.as_deref(), "account.")
    }

    /// Whether a caller may put an account under a policy, which it is not under.
    pub(super) fn may_name(&self, caller: &Principal, policy: &Policy) -> Result<(), AdminError> {
        let Some(bound) = self.bounding(caller) else {
            return Ok(());
        };
        // What the operator has made for the domain is the operator's word.
        if !policy.document.domain.is_empty() {
            return Ok(());
        }
        let mut weaker = policy.weaker_than(&bound);
        for key in &mut weaker {
            key.problem = format!("in `{}`, {}", policy.document.name, key.problem);
            key.field = format!("policy ({})", key.field);
        }
        self.refuse(weaker, None, "account.")
    }

    /// Whether a caller may let accounts be under one policy instead of another, which it unnames or deletes.
    pub(super) fn may_fall_back(
        &self,
        caller: &Principal,
        to: &Policy,
        from: &Policy,
        field: &str,
    ) -> Result<(), AdminError> {
        let Some(bound) = self.bounding(caller) else {
            return Ok(());
        };
        let mut weaker = to.weaker_than(&bound);
        for key in &mut weaker {
            key.problem = format!(
                "in `{}`, which counts then, {}",
                to.document.name, key.problem
            );
        }
        self.refuse(weaker, Some(&to.weaker_than(from)), field)
    }

    /// What a caller may allow.
    pub(super) fn allowable(&self, caller: &Principal) -> Allowable {
        Allowable(self.bounding(caller))
    }

    fn refuse(
        &self,
        weaker: Vec<Weaker>,
        than_before: Option<&[Weaker]>,
        prefix: &str,
    ) -> Result<(), AdminError> {
        let worsens = |key: &Weaker| {
            than_before.is_none_or(|before| before.iter().any(|other| other.field == key.field))
        };
        let Some(key) = weaker.into_iter().find(worsens) else {
            return Ok(());
        };
        Err(AdminError::Bounded {
            field: format!("{prefix}{}", key.field),
            problem: format!(
                "{} for a domain-admin: the operator bounds it by the general policy `{}` (domain_admins.bounding_policy)",
                key.problem, self.bounding_policy
            ),
        })
    }
}

/// What somebody may allow: anything, or what a policy of the operator's leaves to them.
#[derive(Clone)]
pub(super) struct Allowable(Option<Arc<Policy>>);

impl Allowable {
    /// Whether they may list a value.
    ///
    /// # Errors
    /// Says what they may.
    pub(super) fn check(&self, action: Action, value: &EntryValue) -> Result<(), String> {
        let Some(bound) = self.0.as_deref().filter(|_| action == Action::Allow) else {
            return Ok(());
        };
        let narrow = match value {
            EntryValue::Number(number) => return may_allow(bound, number),
            EntryValue::Ip(IpNet::V4(network)) => (network.prefix_len(), LEAST_PREFIX.0),
            EntryValue::Ip(IpNet::V6(network)) => (network.prefix_len(), LEAST_PREFIX.1),
            EntryValue::UserAgent(_) => return Ok(()),
        };
        match narrow {
            (length, least) if length < least => {
                Err(only(&format!("a network of /{least} or longer")))
            }
            _ => Ok(()),
        }
    }
}

/// Whole numbers alone: ten thousand prefixes are a country.
fn may_allow(bound: &Policy, number: &E164) -> Result<(), String> {
    let facts = plan::look_up_from(number, bound.dial_plan.home_country());
    match facts.country {
        Some(country) if bound.blocked_countries.contains(country) => {
            let name = &bound.document.name;
            Err(only(&format!(
                "no number in {}, which `{name}` blocks",
                country.code()
            )))
        }
        _ if !facts.validity.is_valid() => Err(only("whole numbers that a numbering plan has")),
        _ => Ok(()),
    }
}

fn only(what: &str) -> String {
    format!(
        "a domain-admin may allow {what}; more is the operator's to allow (domain_admins.bounding_policy)"
    )
}

#[cfg(test)]
mod tests {
    use tfps_engine::{lists::EntryKind, policy::PolicyDocument};

    use super::*;

    #[test]
    fn only_whole_numbers_outside_blocked_countries_are_allowed() {
        let policy = Policy::compile(PolicyDocument::default()).unwrap();
        let bounded = Allowable(Some(Arc::new(policy)));
        let check = |action, kind, value: &str| {
            bounded.check(action, &EntryValue::parse(kind, value).unwrap())
        };
        for (number, may) in [
            ("442079460123", true),
            ("252615123456", true),
            ("12125550123", true),
            ("252", false),
            ("2526151", false),
            ("44207946", false),
            // Cuba.
            ("5372345678", false),
        ] {
            let allowed = check(Action::Allow, EntryKind::Number, number);
            assert_eq!(allowed.is_ok(), may, "{number} {allowed:?}");
            assert!(check(Action::Block, EntryKind::Number, number).is_ok());
        }
        for (network, may) in [
            ("198.51.100.0/24", true),
            ("198.51.0.0/16", false),
            ("2001:db8:1::/48", true),
            ("2001:db8::/32", false),
        ] {
            let allowed = check(Action::Allow, EntryKind::Ip, network);
            assert_eq!(allowed.is_ok(), may, "{network} {allowed:?}");
        }
        let anything = Allowable(None);
        let country = EntryValue::parse(EntryKind::Number, "53").unwrap();
        assert!(anything.check(Action::Allow, &country).is_ok());
    }
}
