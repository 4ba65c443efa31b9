//! R12: malformed or injected input.
//!
//! A field that the caller controls has what no number and no SIP user holds. Tampered accounts never get as far as
//! the other rules ([`injection`]); a dialed number is read by the policy's dial plan, and what it can't read as digits
//! is caught here. A number that reads well and leads nowhere is R07's.

use super::{Asked, Finding, Objection, Rule};
use crate::{call::Injection, decision::Code, facts::Facts, number::NotANumber};

pub(super) const RULE: Asked = Asked {
    rule: Rule::MalformedInput,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    match &facts.destination {
        Err(error @ (NotANumber::NotDialable { .. } | NotANumber::TooManyDigits { .. })) => {
            Objection::denial(
                Rule::MalformedInput,
                Code::R12,
                format!("dialed number: {error}"),
            )
        }
        _ => Finding::Passes,
    }
}

fn seen(facts: &Facts<'_>) -> String {
    match &facts.destination {
        Ok(to) => format!("{} is read as {}", facts.call.dialed, to.number),
        Err(error) => format!("the dialed number: {error}"),
    }
}

/// The objection to a call that was tampered with.
pub fn injection(injection: &Injection) -> Objection {
    Objection {
        rule: Rule::MalformedInput,
        code: Code::R12,
        reason: injection.to_string().into(),
        challenge: None,
    }
}
