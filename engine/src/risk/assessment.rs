//! How likely a call is fraud, and why.

/// How likely a call is fraud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// From 0 (ordinary) to 100 (fraud).
    pub score: u8,
    /// What it is made of.
    pub signals: Vec<Signal>,
}

/// One reason for a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: &'static str,
    /// What it adds to the score; below 0 where it speaks for the call.
    pub weight: i32,
    /// The evidence, in words.
    pub evidence: String,
}
