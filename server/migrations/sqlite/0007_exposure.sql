-- What the day's calls that have ended cost, in millionths, and how many seconds they lasted abroad.
ALTER TABLE usage_days ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_days ADD COLUMN seconds_abroad INTEGER NOT NULL DEFAULT 0;

-- The number that is called, in E.164 without `+`; empty where no decision told it.
ALTER TABLE calls ADD COLUMN e164 TEXT NOT NULL DEFAULT '';
-- Whether somebody calls for help.
ALTER TABLE calls ADD COLUMN emergency INTEGER NOT NULL DEFAULT 0;
-- What came before this, in seconds since 1970, is charged for no more: somebody has set the counters to zero.
ALTER TABLE calls ADD COLUMN charged_from INTEGER NOT NULL DEFAULT 0;
