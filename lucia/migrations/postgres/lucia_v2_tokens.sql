-- For `StoredIds::PlainTokens` and `StoredIds::HashedOnUse`, and for nothing else: finds a session
-- of Lucia v2, whose stored id is its token, by the SHA-256 of that id.
--
-- With either setting, `PgStore::migrate` runs this file after the one that makes the tables. Hand
-- it to a migration tool of your own otherwise. On a large table that is in use, make the index
-- beforehand under the same name by CREATE UNIQUE INDEX CONCURRENTLY, which stops no writers.
--
-- No id makes the expression fail, whatever is in it.

CREATE UNIQUE INDEX IF NOT EXISTS "user_session_public_id_idx" ON "user_session" (
    encode(sha256(decode(replace("id"::TEXT COLLATE "C", E'\\', E'\\\\'), 'escape')), 'hex')
);
