//! The policies and lists: never changed, swapped whole.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use tfps_engine::{
    exposure::Rates,
    lists::Lists,
    policy::{DEFAULT, Policy},
    risk::{Cleared, KnownNumbers, Predictor, RiskModel, faded},
};

/// What every call is judged by.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The policies.
    pub policies: Policies,
    /// The lists.
    pub lists: Lists,
    /// What is known of fraud: it knows the blocked numbers of the lists.
    pub predictor: Predictor,
    /// What calls cost.
    pub rates: Arc<Rates>,
}

impl Snapshot {
    /// From its parts, as of a moment: what is known of fraud fades with time.
    pub fn new(policies: Policies, lists: Lists, model: Arc<RiskModel>, at: Timestamp) -> Self {
        let known = Arc::new(known_numbers(&lists, at));
        Self {
            policies,
            lists,
            predictor: Predictor {
                model,
                known,
                cleared: Arc::default(),
            },
            rates: Arc::default(),
        }
    }

    /// This one with other rates.
    #[must_use]
    pub fn with_rates(&self, rates: Arc<Rates>) -> Self {
        Self {
            rates,
            ..self.clone()
        }
    }

    /// This one with other lists.
    #[must_use]
    pub fn with_lists(&self, lists: Lists, at: Timestamp) -> Self {
        let known = if lists.has_numbers_of(&self.lists) {
            Arc::clone(&self.predictor.known)
        } else {
            Arc::new(known_numbers(&lists, at))
        };
        Self {
            policies: self.policies.clone(),
            lists,
            predictor: Predictor {
                known,
                ..self.predictor.clone()
            },
            rates: Arc::clone(&self.rates),
        }
    }

    /// This one with the lists that another has for some domains; the empty one stands for what holds for all, and what is known
    /// of fraud by it.
    #[must_use]
    pub fn with_domains_of<'a>(
        &self,
        other: &Self,
        domains: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let general = domains.clone().any(str::is_empty);
        Self {
            policies: self.policies.clone(),
            lists: self.lists.with_domains_of(&other.lists, domains),
            predictor: if general {
                &other.predictor
            } else {
                &self.predictor
            }
            .clone(),
            rates: Arc::clone(&self.rates),
        }
    }

    /// This one as of a later moment.
    #[must_use]
    pub fn faded(&self, at: Timestamp) -> Self {
        Self {
            predictor: Predictor {
                known: Arc::new(known_numbers(&self.lists, at)),
                ..self.predictor.clone()
            },
            ..self.clone()
        }
    }

    /// This one with what was taken for fraud and was not.
    #[must_use]
    pub fn with_cleared(&self, cleared: Cleared) -> Self {
        Self {
            predictor: Predictor {
                cleared: Arc::new(cleared),
                ..self.predictor.clone()
            },
            ..self.clone()
        }
    }
}

fn known_numbers(lists: &Lists, at: Timestamp) -> KnownNumbers {
    let numbers = lists.blocked_numbers(at.as_second());
    KnownNumbers::new(numbers.map(|(number, days)| (number, faded(days))))
}

type ByName = BTreeMap<Box<str>, Arc<Policy>>;

/// The policies. There is always the general `default`.
#[derive(Clone, Debug)]
pub struct Policies {
    default: Arc<Policy>,
    general: ByName,
    domains: BTreeMap<Box<str>, ByName>,
}

impl Policies {
    /// With the general `default`.
    pub fn new(default: Policy) -> Self {
        Self {
            default: Arc::new(default),
            general: BTreeMap::new(),
            domains: BTreeMap::new(),
        }
    }

    /// The policy that an account of a domain is under: the one it names, of its domain or a general one; otherwise
    /// its domain's `default`, otherwise the general one. A name that no longer is one counts as none.
    pub fn of_account(&self, domain: &str, named: Option<&str>) -> &Arc<Policy> {
        let own = if self.domains.is_empty() {
            None
        } else {
            self.domains.get(domain)
        };
        named
            .and_then(|name| {
                own.and_then(|own| own.get(name)).or_else(|| {
                    if name == DEFAULT {
                        Some(&self.default)
                    } else {
                        self.general.get(name)
                    }
                })
            })
            .or_else(|| own.and_then(|own| own.get(DEFAULT)))
            .unwrap_or(&self.default)
    }

    /// One policy by its name.
    pub fn get(&self, domain: &str, name: &str) -> Option<&Arc<Policy>> {
        match domain {
            "" if name == DEFAULT => Some(&self.default),
            "" => self.general.get(name),
            _ => self.domains.get(domain)?.get(name),
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Policy>> {
        let domains = self.domains.values().flat_map(BTreeMap::values);
        let others = self.general.values().chain(domains);
        std::iter::once(&self.default)
            .chain(others)
            .map(Arc::clone)
            .collect()
    }

    /// Puts a policy, or replaces it.
    pub fn put(&mut self, policy: Policy) {
        self.put_compiled(Arc::new(policy));
    }

    /// Puts a policy that others hold too.
    pub fn put_compiled(&mut self, policy: Arc<Policy>) {
        let (domain, name) = (policy.document.domain.clone(), policy.document.name.clone());
        match domain.as_str() {
            "" if name == DEFAULT => self.default = policy,
            "" => drop(self.general.insert(name.into(), policy)),
            _ => drop(
                self.domains
                    .entry(domain.into())
                    .or_default()
                    .insert(name.into(), policy),
            ),
        }
    }

    /// Removes a policy. The general `default` stays.
    pub fn remove(&mut self, domain: &str, name: &str) {
        if domain.is_empty() {
            self.general.remove(name);
        } else if let Some(own) = self.domains.get_mut(domain) {
            own.remove(name);
            if own.is_empty() {
                self.domains.remove(domain);
            }
        }
    }

    /// Every policy, the general ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        std::iter::once(&self.default)
            .chain(self.general.values())
            .chain(self.domains.values().flat_map(BTreeMap::values))
    }
}

#[cfg(test)]
mod tests {
    use tfps_engine::policy::PolicyDocument;

    use super::*;

    fn policy(domain: &str, name: &str) -> Policy {
        Policy::compile(PolicyDocument::named(name, domain)).unwrap()
    }

    #[test]
    fn an_account_is_under_the_nearest_policy() {
        let mut policies = Policies::new(policy("", "default"));
        policies.put(policy("", "night"));
        policies.put(policy("a.example", "default"));
        policies.put(policy("a.example", "night"));
        let of = |domain, named| {
            let document = &policies.of_account(domain, named).document;
            (document.domain.clone(), document.name.clone())
        };
        let pair = |domain: &str, name: &str| (domain.to_owned(), name.to_owned());
        assert_eq!(of("b.example", None), pair("", "default"));
        assert_eq!(of("b.example", Some("night")), pair("", "night"));
        assert_eq!(of("a.example", None), pair("a.example", "default"));
        assert_eq!(of("a.example", Some("night")), pair("a.example", "night"));
        assert_eq!(of("a.example", Some("gone")), pair("a.example", "default"));
        policies.remove("a.example", "night");
        policies.remove("a.example", "default");
        assert_eq!(
            policies
                .of_account("a.example", Some("night"))
                .document
                .domain,
            ""
        );
        assert_eq!(policies.iter().count(), 2);
    }
}
