//! Tokens.

use jiff::Timestamp;
use tfps_engine::call::{domain_name, printable};

use super::{Admin, AdminError, cursor, page_size};
use crate::{
    auth::{Permission, Principal, Role, Secret},
    check::random_id,
    store::TokenRecord,
};

/// The longest name, in bytes.
const MAX_NAME: usize = 64;

/// A token that was made, with its secret.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The token.
    pub record: TokenRecord,
    /// Its secret.
    pub secret: Secret,
}

impl Admin {
    /// A page of tokens and the token of the next.
    ///
    /// # Errors
    /// When the role does not allow it or the database fails.
    pub async fn list_tokens(
        &self,
        caller: &Principal,
        (size, token): (u32, &str),
    ) -> Result<(Vec<TokenRecord>, String), AdminError> {
        caller.require(Permission::Operate)?;
        let after = cursor::read::<1>(token)?;
        let size = page_size(size);
        let mut records: Vec<TokenRecord> = self
            .store
            .tokens()
            .await?
            .into_iter()
            .filter(|record| after.as_ref().is_none_or(|[id]| record.id > *id))
            .take(size + 1)
            .collect();
        let more = records.len() > size;
        records.truncate(size);
        let next = records
            .last()
            .filter(|_| more)
            .map(|record| cursor::write(&[&record.id]));
        Ok((records, next.unwrap_or_default()))
    }

    /// Makes a token.
    ///
    /// # Errors
    /// When a field is wrong, the role does not allow it, or the database fails.
    pub async fn create_token(
        &self,
        caller: &Principal,
        name: &str,
        role: Role,
        domain: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<NewToken, AdminError> {
        caller.require(Permission::Operate)?;
        let token = self.new_token(name, role, domain, expires_at)?;
        self.keep_token(&token).await?;
        tracing::info!(
            id = token.record.id,
            name,
            role = role.as_str(),
            domain,
            by = caller.name,
            "a token was created"
        );
        Ok(token)
    }

    /// Deletes a token: whoever bears it is refused from now on.
    ///
    /// # Errors
    /// When there is none, it is the bearer's own, the role does not allow it, or the database fails.
    pub async fn revoke_token(&self, caller: &Principal, id: &str) -> Result<(), AdminError> {
        caller.require(Permission::Operate)?;
        if id == caller.id {
            return Err(AdminError::Precondition(
                "this is the token that asks; revoke it with another admin token".to_owned(),
            ));
        }
        let _turn = self.turns.lock().await;
        self.store
            .delete_token(id)
            .await
            .map_err(|error| AdminError::about(error.into(), || format!("token {id}")))?;
        self.tokens.replace(&self.store.tokens().await?);
        tracing::info!(id, by = caller.name, "a token was revoked");
        Ok(())
    }

    /// A token that is not kept yet.
    ///
    /// # Errors
    /// When a field is wrong or the machine has no randomness.
    pub fn new_token(
        &self,
        name: &str,
        role: Role,
        domain: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<NewToken, AdminError> {
        if name.trim().is_empty() || name.len() > MAX_NAME {
            return Err(AdminError::field(
                "token.name",
                format!("must be 1 to {MAX_NAME} bytes that say what it is for"),
            ));
        }
        let domain = match (role, domain) {
            (Role::DomainAdmin, "") => {
                return Err(AdminError::field(
                    "token.domain",
                    "must be given for the role domain-admin",
                ));
            }
            (Role::Admin, domain) if !domain.is_empty() => {
                return Err(AdminError::field(
                    "token.domain",
                    "must not be given for the role admin; domain-admin is the role that is bound to a domain",
                ));
            }
            (_, "") => String::new(),
            (_, domain) => domain_name(domain)
                .map_err(|error| AdminError::field("token.domain", error.problem))?
                .into(),
        };
        let created_at = self.clock.now();
        if expires_at.is_some_and(|at| at <= created_at) {
            return Err(AdminError::field(
                "token.expires_at",
                "must be in the future",
            ));
        }
        let secret = Secret::generate().map_err(|error| {
            AdminError::Precondition(format!("the machine has no randomness: {error}"))
        })?;
        let mut id = random_id();
        id.truncate(12);
        let record = TokenRecord {
            id,
            name: printable(name.trim()).into_owned(),
            role: role.as_str().to_owned(),
            domain,
            hash: secret.hash(),
            created_at,
            expires_at,
        };
        Ok(NewToken { record, secret })
    }

    /// Keeps a token.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_token(&self, token: &NewToken) -> Result<(), AdminError> {
        let _turn = self.turns.lock().await;
        self.store.create_token(&token.record).await?;
        self.tokens.replace(&self.store.tokens().await?);
        Ok(())
    }
}
