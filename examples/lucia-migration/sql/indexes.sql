-- The indexes that `migrate` makes where they are missing, made without stopping writers. Run the
-- statements one by one, outside of a transaction: `psql -f` does so.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "user_key_user_id_idx" ON "user_key" ("user_id");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "user_session_user_id_idx" ON "user_session" ("user_id");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "user_session_idle_expires_idx" ON "user_session" ("idle_expires");
-- As in lucia/migrations/postgres/lucia_v2_tokens.sql.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "user_session_public_id_idx" ON "user_session" (
    encode(sha256(decode(replace("id"::TEXT COLLATE "C", E'\\', E'\\\\'), 'escape')), 'hex')
);
