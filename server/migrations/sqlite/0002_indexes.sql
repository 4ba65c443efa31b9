-- The start reads the usage of two days, the calls in progress and the challenges of a day, and what is too old is
-- deleted every hour: none of these may read the rest of a large table.
CREATE INDEX usage_days_by_day ON usage_days (day);

CREATE INDEX calls_in_progress ON calls (slot_until)
WHERE ended_at IS NULL;

CREATE INDEX calls_by_time ON calls (coalesce(ended_at, started_at, answered_at));

CREATE INDEX decisions_that_challenge ON decisions (id)
WHERE challenge_id <> '';

CREATE INDEX verification_failures_by_time ON verification_failures (failed_at);

CREATE INDEX verifications_by_time ON verifications (opened_at);

CREATE INDEX verifications_by_completion ON verifications (completed_at);

-- A challenge that is unknown here is told from one that has expired.
CREATE INDEX decisions_by_challenge ON decisions (challenge_id)
WHERE challenge_id <> '';
