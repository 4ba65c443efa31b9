-- Callers write the Call-ID: a call is told from others by the decision that allowed it and by the key of its attempt, where these
-- are known.
CREATE TABLE calls_by_decision (
    domain TEXT NOT NULL,
    username TEXT NOT NULL,
    call_id TEXT NOT NULL,
    -- Empty where no decision is known.
    decision_id TEXT NOT NULL DEFAULT '',
    -- Empty where the switch told none.
    attempt_key TEXT NOT NULL DEFAULT '',
    started_at INTEGER,
    answered_at INTEGER,
    ended_at INTEGER,
    duration_ms INTEGER,
    cause INTEGER,
    -- Until when it holds a slot, in seconds since 1970.
    slot_until INTEGER NOT NULL,
    e164 TEXT NOT NULL DEFAULT '',
    emergency INTEGER NOT NULL DEFAULT 0,
    charged_from INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (domain, username, call_id, decision_id, attempt_key)
) WITHOUT ROWID;

INSERT INTO calls_by_decision (
    domain, username, call_id, started_at, answered_at, ended_at, duration_ms, cause, slot_until,
    e164, emergency, charged_from
)
SELECT
    domain,
    username,
    call_id,
    started_at,
    answered_at,
    ended_at,
    duration_ms,
    cause,
    slot_until,
    e164,
    emergency,
    charged_from
FROM calls;

DROP TABLE calls;
ALTER TABLE calls_by_decision RENAME TO calls;

CREATE INDEX calls_in_progress ON calls (slot_until)
WHERE ended_at IS NULL;

CREATE INDEX calls_by_time ON calls (coalesce(ended_at, started_at, answered_at));
