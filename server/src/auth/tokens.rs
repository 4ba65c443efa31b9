//! Bearer tokens: random, kept as hashes.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::{sync::watch, time::sleep};

use super::{Principal, Role};
use crate::{clock::Clock, store::TokenRecord};

const PREFIX: &str = "tfps_";
/// How often it is asked what time it is while a token that expires is in use.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The secret of a token. It is shown once and never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret: 256 random bits.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its hash.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Every token, by the hash of its secret.
#[derive(Debug, Default)]
pub struct Tokens {
    principals: ArcSwap<HashMap<[u8; 32], Arc<Principal>>>,
    /// Told when there are others.
    changed: watch::Sender<()>,
}

/// Why a token holds no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody revoked it.
    Revoked,
    /// Its time is over.
    Expired,
}

impl Tokens {
    /// Takes the tokens that are kept.
    pub fn replace(&self, records: &[TokenRecord]) {
        let before = self.principals.load();
        let principals: HashMap<_, _> = records
            .iter()
            .filter_map(|record| {
                let role = Role::parse(&record.role)?;
                let principal = Principal {
                    id: record.id.clone(),
                    name: record.name.clone(),
                    role,
                    domain: (!record.domain.is_empty()).then(|| record.domain.as_str().into()),
                    expires_at: record.expires_at,
                    load: before
                        .get(&record.hash)
                        .map(|known| Arc::clone(&known.load))
                        .unwrap_or_default(),
                };
                Some((record.hash, Arc::new(principal)))
            })
            .collect();
        for (_, gone) in before
            .iter()
            .filter(|(hash, _)| !principals.contains_key(*hash))
        {
            gone.load.revoke();
        }
        self.principals.store(Arc::new(principals));
        self.changed.send_replace(());
    }

    /// Waits until a token holds no longer.
    pub async fn end_of(&self, principal: &Principal, clock: &Clock) -> End {
        let mut changed = self.changed.subscribe();
        loop {
            let is_kept = |kept: &Arc<Principal>| kept.id == principal.id;
            if !self.principals.load().values().any(is_kept) {
                return End::Revoked;
            }
            let Some(until) = principal.expires_at else {
                if changed.changed().await.is_err() {
                    return End::Revoked;
                }
                continue;
            };
            let left = until.duration_since(clock.now());
            if !left.is_positive() {
                return End::Expired;
            }
            // The clock may be set meanwhile.
            let left = left.unsigned_abs().min(LOOK_EVERY);
            tokio::select! {
                _ = changed.changed() => {}
                () = sleep(left) => {}
            }
        }
    }

    /// Whose secret this is.
    pub fn principal(&self, secret: &str, at: Timestamp) -> Option<Arc<Principal>> {
        if secret.len() > 256 {
            return None;
        }
        let hash = hash(secret);
        let tokens = self.principals.load();
        let (known, principal) = tokens.get_key_value(&hash)?;
        let same = bool::from(known.ct_eq(&hash));
        let valid = principal.expires_at.is_none_or(|until| until > at);
        (same && valid).then(|| Arc::clone(principal))
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_secret_until_it_expires() {
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let secret = Secret::generate().unwrap();
        let record = TokenRecord {
            id: "1".into(),
            name: "pbx".into(),
            role: "switch".into(),
            domain: String::new(),
            hash: secret.hash(),
            created_at: at,
            expires_at: Some(at + 1.hour()),
        };
        let tokens = Tokens::default();
        tokens.replace(&[record]);
        assert_eq!(
            tokens.principal(secret.reveal(), at).unwrap().role,
            Role::Switch
        );
        assert!(tokens.principal(secret.reveal(), at + 1.hour()).is_none());
        assert!(tokens.principal("tfps_guess", at).is_none());
        assert!(!format!("{secret:?}").contains(secret.reveal()));
    }
}
