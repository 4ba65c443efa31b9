-- What services said of addresses. Told again at the start, so that no service is asked twice.
CREATE TABLE reputations (
    source TEXT NOT NULL,
    ip TEXT NOT NULL,
    -- AbuseIPDB: its confidence, 0 to 100. APIBAN: 100.
    confidence INTEGER NOT NULL,
    answered_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (source, ip)
) WITHOUT ROWID;

CREATE INDEX reputations_by_expiry ON reputations (expires_at);

-- How far the server has got with each source.
CREATE TABLE source_marks (
    name TEXT NOT NULL PRIMARY KEY,
    -- Where to go on, as the source says.
    position TEXT NOT NULL,
    -- Tells one key from another, and nothing else of it.
    key_mark TEXT NOT NULL,
    refreshed_at INTEGER,
    -- Until when it wants to be left alone.
    retry_at INTEGER
) WITHOUT ROWID;
