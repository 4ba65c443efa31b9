//! R15: the caller's IP is listed by APIBAN.

use super::{Asked, Finding, Objection, Rule, r02_reputation::cannot_be_judged};
use crate::{decision::Code, facts::Facts};

pub(super) const RULE: Asked = Asked {
    rule: Rule::Apiban,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    if let Some(why) = cannot_be_judged(facts) {
        return Finding::Skips(why);
    }
    match (facts.source.apiban, facts.call.source_ip) {
        (Some(true), Some(ip)) => {
            Objection::denial(Rule::Apiban, Code::R15, format!("{ip} is listed by APIBAN"))
        }
        (Some(false), _) => Finding::Passes,
        _ => Finding::Skips("APIBAN has no answer"),
    }
}

fn seen(_: &Facts<'_>) -> String {
    "the source is not listed by APIBAN".to_owned()
}
