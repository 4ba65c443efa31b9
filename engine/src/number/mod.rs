//! How numbers are written, planned and normalized.
//!
//! What a switch was asked to dial becomes an [`E164`] through the [`DialPlan`] of the place where it was dialed;
//! [`plan::look_up`] tells whose number that is, and of what kind; a [`Country`] is the answer, a [`CountrySet`] what
//! policies and accounts allow.

mod caller_id;
mod country;
mod country_group;
mod country_set;
mod dial_plan;
mod dialing;
mod e164;
mod iso3166;
#[cfg(test)]
mod metadata_oracle;
mod not_a_number;
pub mod plan;
mod prefix;
mod reading;
#[cfg(test)]
mod reading_oracle;
mod told;
mod written;

pub use self::{
    country::{Country, UnknownCountry},
    country_group::{CountryGroup, NeitherCountryNorGroup, group_in},
    country_set::CountrySet,
    dial_plan::{BareNumbers, DialPlan, DialPlanError},
    dialing::ShortUse,
    e164::{E164, E164Error},
    not_a_number::NotANumber,
    plan::{NumberFacts, NumberKind, Validity},
    prefix::{Prefix, PrefixError},
    reading::{Called, Reading, Step},
};
