//! Policies.

use std::sync::Arc;

use tfps_engine::{
    call::domain_name,
    exposure::Money,
    policy::{DEFAULT, Policy, PolicyDocument},
};

use super::{Admin, AdminError, accounts::hash_new_pin, accounts::version_of, cursor, page_size};
use crate::{
    auth::{Permission, Principal},
    state::Snapshot,
    store::PolicyRecord,
};

/// A policy as it is kept and compiled.
#[derive(Clone, Debug)]
pub struct PolicyView {
    /// As it is kept.
    pub record: PolicyRecord,
    /// Compiled.
    pub policy: Arc<Policy>,
    /// What an operator should know about it.
    pub notices: Vec<String>,
}

impl PolicyView {
    fn new(record: PolicyRecord, policy: Arc<Policy>, snapshot: &Snapshot) -> Self {
        let mut notices = policy.notices();
        let exposure = &policy.document.exposure;
        if exposure.daily_cost > Money::NONE && snapshot.rates.is_empty() {
            let notice = if exposure.estimate {
                "exposure.daily_cost is reckoned by a rough estimate in US dollars: the server has no rates (exposure.rates_file)"
            } else {
                "exposure.daily_cost caps nothing: the server has no rates (exposure.rates_file)"
            };
            notices.push(notice.to_owned());
        }
        Self {
            record,
            policy,
            notices,
        }
    }
}

impl Admin {
    /// A page of policies and the token of the next. A domain-admin sees its domain's and the general ones, which its
    /// accounts may be under.
    ///
    /// # Errors
    /// When the role or domain does not allow it, or the database fails.
    pub async fn list_policies(
        &self,
        caller: &Principal,
        domain: Option<&str>,
        (size, token): (u32, &str),
    ) -> Result<(Vec<PolicyView>, String), AdminError> {
        caller.require(Permission::See)?;
        if let Some(domain) = domain.filter(|domain| !domain.is_empty()) {
            caller.require_domain(domain)?;
        }
        let after = cursor::read::<2>(token)?;
        let size = page_size(size);
        let mut views: Vec<PolicyView> = self
            .policy_views(caller)
            .await?
            .into_iter()
            .filter(|view| visible(caller, &view.record.domain))
            .filter(|view| {
                domain.is_none_or(|domain| view.record.domain.eq_ignore_ascii_case(domain))
            })
            .filter(|view| {
                after.as_ref().is_none_or(|[domain, name]| {
                    (&view.record.domain, &view.record.name) > (domain, name)
                })
            })
            .take(size + 1)
            .collect();
        let more = views.len() > size;
        views.truncate(size);
        let next = views
            .last()
            .filter(|_| more)
            .map(|view| cursor::write(&[&view.record.domain, &view.record.name]));
        Ok((views, next.unwrap_or_default()))
    }

    /// One policy.
    ///
    /// # Errors
    /// When there is none, the role or domain does not allow it, or the database fails.
    pub async fn policy(
        &self,
        caller: &Principal,
        domain: &str,
        name: &str,
    ) -> Result<PolicyView, AdminError> {
        caller.require(Permission::See)?;
        if !domain.is_empty() {
            caller.require_domain(domain)?;
        }
        let domain = domain.to_ascii_lowercase();
        let views = self.policy_views(caller).await?;
        let view = views
            .into_iter()
            .find(|view| view.record.domain == domain && view.record.name == name);
        view.ok_or_else(|| AdminError::NotFound(named(&domain, name)))
    }

    /// Makes or replaces a policy; with an etag, only that version. A PIN that is not told stays.
    ///
    /// # Errors
    /// When it does not compile, was changed meanwhile, the role or domain does not allow it, or the database fails.
    pub async fn put_policy(
        &self,
        caller: &Principal,
        mut document: PolicyDocument,
        etag: &str,
        pin: &str,
    ) -> Result<PolicyView, AdminError> {
        caller.require(Permission::Change)?;
        caller.require_domain(&document.domain)?;
        if !document.domain.is_empty() {
            document.domain = domain_name(&document.domain)
                .map_err(|error| AdminError::field("policy.domain", error.problem))?
                .into();
        }
        let version = version_of(etag)?;
        let _place = self.changes.place(caller).await;
        let new_pin = if pin.is_empty() {
            None
        } else {
            let least = document.verification.min_pin_digits;
            Some(hash_new_pin(pin, least, "", "policy.verification.pin").await?)
        };
        let _turn = self.turns.lock().await;
        let at = self.clock.now();
        let what = named(&document.domain, &document.name);
        let before = self
            .store
            .policies()
            .await?
            .into_iter()
            .find(|record| record.domain == document.domain && record.name == document.name);
        match (&before, version) {
            (None, Some(_)) => return Err(AdminError::NotFound(what)),
            (Some(before), Some(version)) if before.version != version => {
                return Err(AdminError::Changed(what));
            }
            _ => {}
        }
        document.verification.pin_hash = match (new_pin, &before) {
            (Some(hash), _) => Some(hash),
            (None, Some(before)) => read(before)?.verification.pin_hash,
            (None, None) => None,
        };
        let policy = Policy::compile(document)
            .map_err(|error| AdminError::field(format!("policy.{}", error.field), error.problem))?;
        {
            let snapshot = self.state.snapshot.load();
            let document = &policy.document;
            let before = snapshot.policies.get(&document.domain, &document.name);
            self.may_put(caller, &policy, before.map(|before| &**before))?;
            if before.is_none() && caller.domain.is_some() {
                self.has_room(&document.domain, &snapshot)?;
            }
        }
        let record = PolicyRecord {
            domain: policy.document.domain.clone(),
            name: policy.document.name.clone(),
            document: write(&policy.document)?,
            version: before.as_ref().map_or(1, |before| before.version + 1),
            created_at: before.as_ref().map_or(at, |before| before.created_at),
            updated_at: at,
        };
        self.store
            .put_policy(&record)
            .await
            .map_err(|error| AdminError::about(error.into(), || what.clone()))?;
        for notice in policy.notices() {
            tracing::warn!(policy = record.name, domain = record.domain, "{notice}");
        }
        let policy = Arc::new(policy);
        self.swap(|snapshot| snapshot.policies.put_compiled(Arc::clone(&policy)));
        tracing::info!(
            policy = what,
            version = record.version,
            by = caller.name,
            "a policy was put"
        );
        Ok(PolicyView::new(record, policy, &self.state.snapshot.load()))
    }

    /// Deletes a policy that no account names; with an etag, only that version.
    ///
    /// # Errors
    /// When there is none, accounts name it, it is the general default, it was changed meanwhile, the role or domain
    /// does not allow it, or the database fails.
    pub async fn delete_policy(
        &self,
        caller: &Principal,
        domain: &str,
        name: &str,
        etag: &str,
    ) -> Result<(), AdminError> {
        caller.require(Permission::Change)?;
        caller.require_domain(domain)?;
        let domain = domain.to_ascii_lowercase();
        let what = named(&domain, name);
        if domain.is_empty() && name == DEFAULT {
            return Err(AdminError::Precondition(
                "the general policy `default` stays: it is what accounts are under that have no other".to_owned(),
            ));
        }
        let version = version_of(etag)?;
        let _place = self.changes.place(caller).await;
        let _turn = self.turns.lock().await;
        let accounts = self.store.accounts_under(&domain, name).await?;
        if accounts > 0 {
            return Err(AdminError::Precondition(format!(
                "{accounts} accounts name {what}; give them another with `tfpsctl set … --policy NAME` first"
            )));
        }
        if let Some(from) = self.state.snapshot.load().policies.get(&domain, name) {
            // Its accounts are under the general policy of its name then; those of a `default` that name none, too.
            let policies = &self.state.snapshot.load().policies;
            let to = policies.of_account("", Some(name));
            self.may_fall_back(caller, to, from, "")?;
        }
        self.store
            .delete_policy(&domain, name, version)
            .await
            .map_err(|error| AdminError::about(error.into(), || what.clone()))?;
        self.swap(|snapshot| snapshot.policies.remove(&domain, name));
        tracing::info!(policy = what, by = caller.name, "a policy was deleted");
        Ok(())
    }

    /// Whether a domain may have one policy more.
    fn has_room(&self, domain: &str, snapshot: &Snapshot) -> Result<(), AdminError> {
        let policies = snapshot.policies.iter();
        let own = policies.filter(|policy| policy.document.domain == domain);
        let most = self.domains.max_policies;
        if own.count() < most {
            return Ok(());
        }
        Err(AdminError::Full(format!(
            "the domain {domain} has {most} policies, which is the most that it may have (domains.max_policies): delete one, or \
             ask the operator"
        )))
    }

    fn swap(&self, change: impl Fn(&mut Snapshot)) {
        self.state.snapshot.rcu(|snapshot| {
            let mut changed = Snapshot::clone(snapshot);
            change(&mut changed);
            changed
        });
    }

    async fn policy_views(&self, caller: &Principal) -> Result<Vec<PolicyView>, AdminError> {
        let _place = self.queries.place(caller).await;
        let records = self.store.policies().await?;
        let snapshot = self.state.snapshot.load_full();
        Ok(records
            .into_iter()
            .filter_map(|record| {
                let policy = Arc::clone(snapshot.policies.get(&record.domain, &record.name)?);
                Some(PolicyView::new(record, policy, &snapshot))
            })
            .collect())
    }
}

/// A document as it is kept.
///
/// # Errors
/// Never for a document that compiled.
pub fn write(document: &PolicyDocument) -> Result<String, AdminError> {
    serde_json::to_string(document).map_err(|error| AdminError::field("policy", error))
}

/// Reads a document as it is kept.
///
/// # Errors
/// When somebody changed it by other means.
pub fn read(record: &PolicyRecord) -> Result<PolicyDocument, AdminError> {
    serde_json::from_str(&record.document).map_err(|error| {
        AdminError::Precondition(format!(
            "{} in the database does not read: {error}",
            named(&record.domain, &record.name)
        ))
    })
}

fn visible(caller: &Principal, domain: &str) -> bool {
    domain.is_empty() || caller.require_domain(domain).is_ok()
}

fn named(domain: &str, name: &str) -> String {
    if domain.is_empty() {
        format!("general policy {name}")
    } else {
        format!("policy {name} of {domain}")
    }
}
