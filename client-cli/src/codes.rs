//! The codes, for a summary.

use tfps_engine::decision::Code;

/// What a code means; empty for one that this build does not know.
pub fn meaning(code: &str) -> &'static str {
    code.parse().map_or("", Code::meaning)
}
