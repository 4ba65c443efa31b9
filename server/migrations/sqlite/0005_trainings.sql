-- What accounts' limits were found to have to be by what they do: suggested, applied, or taken back.
CREATE TABLE trainings (
    -- Ids sort by time.
    id TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    -- suggested, applied or reverted.
    state TEXT NOT NULL,
    -- The limits and countries before and after, in JSON.
    terms_before TEXT NOT NULL,
    terms_after TEXT NOT NULL,
    -- Every change and why, a line each.
    reasons TEXT NOT NULL,
    trained_at INTEGER NOT NULL,
    -- When it was applied or reverted, and by whose token.
    changed_at INTEGER,
    changed_by TEXT NOT NULL,
    -- The version that it gave the account.
    account_version INTEGER
) WITHOUT ROWID;

CREATE INDEX trainings_by_account ON trainings (domain, username, id);
