-- When an entry was put last, in milliseconds: what is known as fraud fades with time, and what is listed anew does not.
ALTER TABLE entries ADD COLUMN listed_at INTEGER NOT NULL DEFAULT 0;
UPDATE entries SET listed_at = created_at;
