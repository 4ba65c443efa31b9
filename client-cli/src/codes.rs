//! The codes, for a summary: one meaning each, for good.

/// What a code means; empty for one that this build does not know.
pub fn meaning(code: &str) -> &'static str {
    match code {
        "A00" => "authorized",
        "R01" => "user agent on the block list",
        "R02" => "the caller's IP has a bad reputation",
        "R03" => "dialed number on the block list",
        "R04" => "source country not allowed",
        "R05" => "source country unknown",
        "R06" => "destination country not allowed",
        "R07" => "no such international prefix",
        "R08" => "too many concurrent calls, off hours",
        "R09" => "daily quota exceeded, off hours",
        "R10" => "too many concurrent calls, business hours",
        "R11" => "daily quota exceeded, business hours",
        "R12" => "malformed or injected input",
        "R13" => "same caller and destination too often",
        "R14" => "the caller's IP is on the operator's block list",
        "R15" => "the caller's IP is listed by APIBAN",
        "R16" => "account blocked by the operator",
        "R17" => "too many failed verifications",
        "R18" => "predicted fraud",
        "R19" => "too many requests from this source",
        "R20" => "account unknown",
        "V01" => "unknown account: onboarding",
        "V02" => "new source country",
        "V03" => "new destination country",
        "V04" => "daily quota reached, business hours",
        "V05" => "daily quota reached, off hours",
        "V06" => "the risk score asks for a human",
        _ => "",
    }
}
