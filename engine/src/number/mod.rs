//! How numbers are written, planned and normalized.
//!
//! What a switch was asked to dial becomes an [`E164`] through the [`DialPlan`] of the place where it was dialed;
//! [`plan::look_up`] tells whose number that is, and of what kind; a [`Country`] is the answer, a [`CountrySet`] what
//! policies and accounts allow.

mod country;
mod country_group;
mod country_set;
mod dial_plan;
mod e164;
mod emergency;
mod iso3166;
#[cfg(test)]
mod metadata_oracle;
mod normalization;
pub mod plan;

pub use self::{
    country::{Country, UnknownCountry},
    country_group::{CountryGroup, NeitherCountryNorGroup, group_in},
    country_set::CountrySet,
    dial_plan::{BareNumbers, DialPlan, DialPlanError},
    e164::{E164, E164Error},
    normalization::NotANumber,
    plan::{NumberFacts, NumberKind, Validity},
};
