-- The verifications that an account passed on the last day on which there was one, and by how many calls they raised the quotas of
-- that day.
CREATE TABLE verified_days (
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    -- The calendar day in the policy's time zone, as YYYYMMDD.
    day INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    -- When the last of them was passed.
    passed_at INTEGER NOT NULL,
    raised INTEGER NOT NULL,
    raised_off_hours INTEGER NOT NULL,
    PRIMARY KEY (domain, username)
) WITHOUT ROWID;

-- Whether some of the day's cost is an estimate.
ALTER TABLE usage_days ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
