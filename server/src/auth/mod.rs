//! Who asks, and what he may do.

mod load;
mod tokens;

pub use load::{Counted, Load, Taken};
pub use tokens::{End, Secret, Tokens};

use std::sync::Arc;

use jiff::Timestamp;
use tfps_engine::call::AccountId;

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything about one domain.
    DomainAdmin,
    /// Check, Learn a call's progress and limits, Verify.
    Switch,
    /// See everything, change nothing.
    ReadOnly,
}

impl Role {
    /// As it is kept and written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::DomainAdmin => "domain-admin",
            Self::Switch => "switch",
            Self::ReadOnly => "read-only",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::DomainAdmin, Self::Switch, Self::ReadOnly]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    /// Whether the role has a permission.
    pub fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::Decide => matches!(self, Self::Admin | Self::DomainAdmin | Self::Switch),
            Permission::See => matches!(self, Self::Admin | Self::DomainAdmin | Self::ReadOnly),
            Permission::Change => matches!(self, Self::Admin | Self::DomainAdmin),
            Permission::Operate => self == Self::Admin,
        }
    }
}

/// What an RPC needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Check calls, teach their progress, verify callers.
    Decide,
    /// See accounts, policies, lists, decisions; dry runs.
    See,
    /// Change them; teach outcomes.
    Change,
    /// Tokens, reload.
    Operate,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The id of the token.
    pub id: String,
    /// What the token is for.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// The domain he is bound to.
    pub domain: Option<Box<str>>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// What the token has going on.
    pub load: Arc<Load>,
}

/// He may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The role does not allow it.
    #[error("the token `{name}` has the role {role}, which may not do this; it takes {needed}", role = .role.as_str())]
    Role {
        /// The token's name.
        name: String,
        /// Its role.
        role: Role,
        /// The roles that may.
        needed: &'static str,
    },
    /// The domain is another.
    #[error("the token `{name}` is bound to the domain {bound}")]
    Domain {
        /// The token's name.
        name: String,
        /// Its domain.
        bound: Box<str>,
    },
}

impl Principal {
    /// Whether the token holds: it was not revoked and has not expired.
    pub fn holds(&self, at: Timestamp) -> bool {
        !self.load.is_revoked() && self.expires_at.is_none_or(|until| until > at)
    }

    /// Whether he may do something at all.
    ///
    /// # Errors
    /// Says which roles may.
    pub fn require(&self, permission: Permission) -> Result<(), Refusal> {
        if self.role.may(permission) {
            return Ok(());
        }
        let needed = match permission {
            Permission::Decide => "admin, domain-admin or switch",
            Permission::See => "admin, domain-admin or read-only",
            Permission::Change => "admin or domain-admin",
            Permission::Operate => "admin",
        };
        Err(Refusal::Role {
            name: self.name.clone(),
            role: self.role,
            needed,
        })
    }

    /// Whether a domain is his; the empty one is what belongs to all.
    ///
    /// # Errors
    /// Says which domain he is bound to.
    pub fn require_domain(&self, domain: &str) -> Result<(), Refusal> {
        match &self.domain {
            Some(bound) if !bound.eq_ignore_ascii_case(domain) => Err(Refusal::Domain {
                name: self.name.clone(),
                bound: bound.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether an account is his.
    ///
    /// # Errors
    /// Says which domain he is bound to.
    pub fn require_account(&self, account: &AccountId) -> Result<(), Refusal> {
        self.require_domain(account.domain())
    }

    /// The domain that what he sees is narrowed to: the one he asks for, or the one he is bound to.
    ///
    /// # Errors
    /// When he asks for another than he is bound to.
    pub fn narrow(&self, asked: &str) -> Result<Option<String>, Refusal> {
        if asked.is_empty() {
            return Ok(self.domain.as_deref().map(str::to_owned));
        }
        self.require_domain(asked)?;
        Ok(Some(asked.to_ascii_lowercase()))
    }
}

/// Who asks, as requests carry it.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Principal>);

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(role: Role) -> Principal {
        Principal {
            id: "1".into(),
            name: "test".into(),
            role,
            domain: Some("a.example".into()),
            expires_at: None,
            load: Arc::default(),
        }
    }

    #[test]
    fn a_domain_admin_sees_and_changes_only_its_domain() {
        let admin = bound(Role::DomainAdmin);
        assert!(admin.require(Permission::Change).is_ok());
        assert!(admin.require(Permission::Operate).is_err());
        assert!(admin.require_domain("A.example").is_ok());
        assert!(admin.require_domain("b.example").is_err());
        assert!(admin.require_domain("").is_err());
        assert_eq!(admin.narrow(""), Ok(Some("a.example".into())));
        assert!(admin.narrow("b.example").is_err());
    }

    #[test]
    fn a_switch_decides_and_sees_nothing() {
        let switch = bound(Role::Switch);
        assert!(switch.require(Permission::Decide).is_ok());
        assert!(switch.require(Permission::See).is_err());
        assert!(bound(Role::ReadOnly).require(Permission::Decide).is_err());
    }
}
