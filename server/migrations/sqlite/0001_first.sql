-- Times are milliseconds since 1970 unless a column says otherwise. Versions count changes and are the etags.

CREATE TABLE accounts (
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    concurrent_calls INTEGER NOT NULL,
    concurrent_calls_off_hours INTEGER NOT NULL,
    daily_quota INTEGER NOT NULL,
    daily_quota_off_hours INTEGER NOT NULL,
    source_countries TEXT NOT NULL,
    destination_countries TEXT NOT NULL,
    policy TEXT,
    email_address TEXT NOT NULL,
    block_reason TEXT,
    pin_hash TEXT,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (domain, username)
) WITHOUT ROWID;

CREATE TABLE policies (
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (domain, name)
) WITHOUT ROWID;

CREATE TABLE entries (
    kind TEXT NOT NULL,
    domain TEXT NOT NULL,
    value TEXT NOT NULL,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (kind, domain, value, source)
) WITHOUT ROWID;

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    domain TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) WITHOUT ROWID;

CREATE TABLE verification_failures (
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    failed_at INTEGER NOT NULL
);

CREATE INDEX verification_failures_by_account ON verification_failures (domain, username);

CREATE TABLE verifications (
    id TEXT NOT NULL PRIMARY KEY,
    challenge_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    purpose TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- The hash of the captcha's digits; a verification by PIN has none.
    digits_hash BLOB,
    -- opened, passed, failed, or used when the limits that a caller gave were learned from it.
    status TEXT NOT NULL,
    completed_at INTEGER
) WITHOUT ROWID;

CREATE INDEX verifications_by_challenge ON verifications (challenge_id);

CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    kind TEXT NOT NULL,
    country TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    calls INTEGER,
    used INTEGER NOT NULL
);

CREATE INDEX grants_by_account ON grants (domain, username);

CREATE TABLE decisions (
    -- Ids sort by time.
    id TEXT NOT NULL PRIMARY KEY,
    decided_at INTEGER NOT NULL,
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    dialed_number TEXT NOT NULL,
    e164 TEXT NOT NULL,
    caller_number TEXT NOT NULL,
    source_ip TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    concurrent_calls INTEGER,
    call_id TEXT NOT NULL,
    forwarded_from TEXT NOT NULL,
    trunk TEXT NOT NULL,
    -- 1 allow, 2 deny, 3 challenge.
    verdict INTEGER NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- As in the API: 1 onboarding, 2 source country, 3 destination country, 4 quota, 5 quota off hours, 6 risk.
    purpose INTEGER NOT NULL,
    challenge_id TEXT NOT NULL,
    challenge_expires_at INTEGER NOT NULL,
    destination_country TEXT NOT NULL,
    source_country TEXT NOT NULL,
    number_kind INTEGER NOT NULL,
    off_hours INTEGER NOT NULL,
    risk INTEGER NOT NULL,
    monitored_verdict INTEGER NOT NULL,
    monitored_code TEXT NOT NULL,
    monitored_reason TEXT NOT NULL,
    policy TEXT NOT NULL,
    latency_us INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX decisions_by_account ON decisions (domain, username, id);

CREATE TABLE usage_days (
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    -- The calendar day in the policy's time zone, as YYYYMMDD.
    day INTEGER NOT NULL,
    business INTEGER NOT NULL,
    off_hours INTEGER NOT NULL,
    PRIMARY KEY (domain, username, day)
) WITHOUT ROWID;

CREATE TABLE calls (
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    call_id TEXT NOT NULL,
    started_at INTEGER,
    answered_at INTEGER,
    ended_at INTEGER,
    duration_ms INTEGER,
    cause INTEGER,
    -- Until when it holds a slot, in seconds since 1970.
    slot_until INTEGER NOT NULL,
    PRIMARY KEY (domain, username, call_id)
) WITHOUT ROWID;

CREATE TABLE outcomes (
    id INTEGER PRIMARY KEY,
    learned_at INTEGER NOT NULL,
    decision_id TEXT,
    number TEXT NOT NULL,
    domain TEXT NOT NULL,
    kind TEXT NOT NULL,
    note TEXT NOT NULL,
    taught_by TEXT NOT NULL
);

CREATE TABLE journal_position (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    segment INTEGER NOT NULL,
    position INTEGER NOT NULL
);
