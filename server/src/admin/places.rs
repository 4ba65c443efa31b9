//! Who asks the database and who changes it: so few at once of one domain or token that others get their turn.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::Principal;

/// From this many on, those are forgotten who have no place and wait for none.
const MANY: usize = 1_000;

/// Places for requests that others may have to wait for.
#[derive(Debug)]
pub struct Places {
    /// Of one domain, or of one token that is bound to none.
    most: usize,
    domains: Arc<Semaphore>,
    each: Mutex<HashMap<Box<str>, Arc<Semaphore>>>,
}

/// A place among those who ask, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _own: Option<OwnedSemaphorePermit>,
    _among_domains: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// For queries: two of each, and of all domains together fewer than the database answers, so that an operator is always
    /// answered.
    pub fn for_queries() -> Self {
        Self::new(2, 3)
    }

    /// For changes, which are made one after another: one of each, so that nobody waits for all that another has asked for.
    pub fn for_changes() -> Self {
        Self::new(1, Semaphore::MAX_PERMITS)
    }

    fn new(most: usize, of_domains: usize) -> Self {
        Self {
            most,
            domains: Arc::new(Semaphore::new(of_domains)),
            each: Mutex::default(),
        }
    }

    /// A place; it is waited for as long as the client waits.
    pub async fn place(&self, caller: &Principal) -> Place {
        let own = self.of(caller.domain.as_deref().unwrap_or(&caller.id));
        // They are never closed.
        let own = own.acquire_owned().await.ok();
        let among_domains = match &caller.domain {
            Some(_) => Arc::clone(&self.domains).acquire_owned().await.ok(),
            None => None,
        };
        Place {
            _own: own,
            _among_domains: among_domains,
        }
    }

    fn of(&self, key: &str) -> Arc<Semaphore> {
        let mut each = self.each.lock();
        if let Some(own) = each.get(key) {
            return Arc::clone(own);
        }
        if each.len() >= MANY {
            // Whoever has a place, or waits for one, holds the semaphore.
            each.retain(|_, own| Arc::strong_count(own) > 1);
        }
        let own = Arc::new(Semaphore::new(self.most));
        each.insert(key.into(), Arc::clone(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::auth::Role;

    fn reader(id: &str, domain: Option<&str>) -> Principal {
        Principal {
            id: id.to_owned(),
            name: id.to_owned(),
            role: Role::ReadOnly,
            domain: domain.map(Into::into),
            expires_at: None,
            load: Arc::default(),
        }
    }

    #[test]
    fn nobody_takes_the_places_of_all() {
        let queries = Places::for_queries();
        let place = |id, domain| queries.place(&reader(id, domain)).now_or_never();
        let (first, second) = (place("1", Some("a")), place("2", Some("a")));
        assert!(first.is_some() && second.is_some());
        assert!(
            place("3", Some("a")).is_none(),
            "another token of the domain"
        );
        let other = place("4", Some("b"));
        assert!(other.is_some());
        assert!(place("5", Some("c")).is_none(), "all domains together");
        assert!(place("6", None).is_some(), "an operator");
        drop(first);
        assert!(place("5", Some("c")).is_some());
    }
}
