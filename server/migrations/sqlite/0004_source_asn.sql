-- The autonomous system that announces the source address; 0: unknown.
ALTER TABLE decisions ADD COLUMN source_asn INTEGER NOT NULL DEFAULT 0;
