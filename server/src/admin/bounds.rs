//! What an operator lets domain-admins set: nothing that protects less than the operator's bounding policy does, or than what the
//! operator has set for the domain already.

use std::sync::Arc;

use ipnet::IpNet;
use tfps_engine::{
    account::Limits,
    lists::{Action, EntryValue},
    policy::{DEFAULT, Policy, Weaker},
};

use super::{Admin, AdminError};
use crate::{auth::Principal, state::Policies};

/// The least digits of a number that a domain-admin may allow: shorter ones are ranges and countries.
const LEAST_DIGITS: usize = 7;
/// The least prefix lengths of networks that a domain-admin may allow, IPv4 and IPv6.
const LEAST_PREFIX: (u8, u8) = (24, 48);

impl Admin {
    /// The policy that bounds what a caller may set; `None`: he may set anything.
    fn bounding(&self, caller: &Principal) -> Option<Arc<Policy>> {
        let bounded = caller.domain.is_some() && !self.bounding_policy.is_empty();
        bounded.then(|| self.bounding_policy(&self.state.snapshot.load().policies))
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
        self.refuse(weaker, than_before, "policy.")
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
        self.refuse(above, than_before, "account.")
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

    /// Whether a caller may list a value.
    pub(super) fn may_list(
        &self,
        caller: &Principal,
        action: Action,
        value: &EntryValue,
    ) -> Result<(), String> {
        if action == Action::Block || caller.domain.is_none() || self.bounding_policy.is_empty() {
            return Ok(());
        }
        may_allow(value)
    }

    fn refuse(
        &self,
        weaker: Vec<Weaker>,
        than_before: Option<Vec<Weaker>>,
        prefix: &str,
    ) -> Result<(), AdminError> {
        let worsens = |key: &Weaker| {
            let before = than_before.as_ref();
            before.is_none_or(|before| before.iter().any(|other| other.field == key.field))
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

/// Whether a domain-admin may allow a value.
fn may_allow(value: &EntryValue) -> Result<(), String> {
    let wide = match value {
        EntryValue::Number(number) if number.digits().len() < LEAST_DIGITS => {
            format!("a number of at least {LEAST_DIGITS} digits")
        }
        EntryValue::Ip(IpNet::V4(network)) if network.prefix_len() < LEAST_PREFIX.0 => {
            format!("a network of /{} or longer", LEAST_PREFIX.0)
        }
        EntryValue::Ip(IpNet::V6(network)) if network.prefix_len() < LEAST_PREFIX.1 => {
            format!("a network of /{} or longer", LEAST_PREFIX.1)
        }
        _ => return Ok(()),
    };
    Err(format!(
        "a domain-admin may allow {wide}; what is wider is the operator's to allow (domain_admins.bounding_policy)"
    ))
}
