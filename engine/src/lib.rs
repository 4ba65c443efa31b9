//! The decision about a call attempt.
//!
//! Everything here is a function of its arguments, time included: no I/O, no async, no clock, no global state.
//! Replaying a call gives the same decision.
//!
//! The way of a call: a [`call::CallAttempt`] and what is known about it become [`facts::Facts`]; the [`rules`] are
//! asked in their order by [`judge`], first those that need nothing but memory, then those that need to know where
//! the call comes from; last, a slot and a place in the quota are taken from the account's [`usage::Ledger`] in one
//! step. What comes out is a [`decision::Ruling`].

pub mod account;
pub mod call;
pub mod decision;
pub mod explain;
pub mod exposure;
pub mod facts;
pub mod fallback;
pub mod judge;
pub mod lists;
pub mod network;
pub mod number;
pub mod policy;
pub mod risk;
pub mod rules;
pub mod schedule;
pub mod simulation;
pub mod training;
pub mod usage;
