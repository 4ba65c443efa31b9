//! Which entries are asked for.

use tfps_engine::{
    lists::{EntryKind, EntryValue},
    number::E164,
};
use tokio::task::spawn_blocking;

use crate::{
    admin::{Admin, AdminError},
    auth::Principal,
    store::{EntryFilter, StoreError},
};

impl Admin {
    /// Narrows a filter to the caller's domain, and to the values that would match something.
    pub(super) async fn narrow(
        &self,
        caller: &Principal,
        mut filter: EntryFilter,
        matching: &str,
    ) -> Result<EntryFilter, AdminError> {
        if let Some(domain) = &filter.domain {
            caller.require_domain(domain)?;
            filter.domain = Some(domain.to_ascii_lowercase());
        } else {
            filter.domain = caller.domain.as_deref().map(str::to_owned);
        }
        if let (Some(kind), Some([value])) = (filter.kind, filter.values.as_deref())
            && let Ok(parsed) = EntryValue::kept(kind, value.trim())
        {
            filter.values = Some(vec![parsed.to_string()]);
        }
        if matching.is_empty() {
            return Ok(filter);
        }
        let kind = filter
            .kind
            .ok_or_else(|| AdminError::field("filter.kind", "must be given with `matching`"))?;
        filter.values = Some(match kind {
            EntryKind::UserAgent => {
                let snapshot = self.state.snapshot.load_full();
                let (domain, agent) = (filter.domain.clone(), matching.to_owned());
                // Patterns that no call has asked yet are made now.
                let matching = spawn_blocking(move || {
                    let patterns = snapshot.lists.patterns_matching(domain.as_deref(), &agent);
                    patterns.map(str::to_owned).collect()
                });
                matching
                    .await
                    .map_err(|error| StoreError::Unavailable(error.to_string()))?
            }
            EntryKind::Number => values_matching_number(matching)?,
            EntryKind::Ip => values_matching_address(matching)?,
        });
        Ok(filter)
    }
}

/// The prefixes that a number would match, as they are kept.
fn values_matching_number(text: &str) -> Result<Vec<String>, AdminError> {
    let number = E164::from_digits(text.trim().trim_start_matches('+'))
        .map_err(|error| AdminError::field("filter.matching", error))?;
    Ok((1..=number.digits().len())
        .map(|length| number.as_str()[..length].to_owned())
        .collect())
}

/// The networks that an address would match, as they are kept.
fn values_matching_address(text: &str) -> Result<Vec<String>, AdminError> {
    let ip: std::net::IpAddr = text
        .trim()
        .parse()
        .map_err(|_| AdminError::field("filter.matching", "must be an address"))?;
    let host = ipnet::IpNet::from(ip.to_canonical());
    let networks = std::iter::successors(Some(host), ipnet::IpNet::supernet);
    Ok(networks
        .map(|network| EntryValue::Ip(network).to_string())
        .collect())
}
