//! The columns of a CSV file of call attempts.

/// What a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Time,
    Username,
    Domain,
    Caller,
    Dialed,
    SourceIp,
    UserAgent,
    ConcurrentCalls,
    CallId,
    ForwardedFrom,
    Duration,
    SourceCountry,
    Fraud,
}

impl Column {
    /// Every one, as they are told.
    pub(super) const ALL: [Self; 13] = [
        Self::Time,
        Self::Username,
        Self::Domain,
        Self::Caller,
        Self::Dialed,
        Self::SourceIp,
        Self::UserAgent,
        Self::ConcurrentCalls,
        Self::CallId,
        Self::ForwardedFrom,
        Self::Duration,
        Self::SourceCountry,
        Self::Fraud,
    ];

    /// Its name in a header.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Username => "username",
            Self::Domain => "domain",
            Self::Caller => "caller",
            Self::Dialed => "dialed",
            Self::SourceIp => "source_ip",
            Self::UserAgent => "user_agent",
            Self::ConcurrentCalls => "concurrent_calls",
            Self::CallId => "call_id",
            Self::ForwardedFrom => "forwarded_from",
            Self::Duration => "duration",
            Self::SourceCountry => "source_country",
            Self::Fraud => "fraud",
        }
    }

    /// The one of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|column| name.eq_ignore_ascii_case(column.name()))
    }

    /// All names, for a message.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Whether a file must have it, and every line of it.
    pub(super) fn required(self) -> bool {
        matches!(self, Self::Username | Self::Domain | Self::Dialed)
    }
}
