-- The tables of lucia on SQLite, 3.38 or later. Times are Unix milliseconds. Running it again
-- changes nothing.
--
-- `SqliteStore::migrate` runs this file. To use it with a migration tool of your own, copy it, add
-- the columns of your users to "auth_user", and do not call `migrate`. A table of sessions that
-- was made by Lucia lacks the last six columns, and a table of attempts that was made by an
-- earlier version the last one: add them by `ALTER TABLE`, the times with a constant default, which is
-- all that SQLite adds. Foreign keys are checked by
-- connections that say `PRAGMA foreign_keys = ON`, as those of `SqliteStore` do.

CREATE TABLE IF NOT EXISTS "auth_user" (
    "id" TEXT NOT NULL PRIMARY KEY
);

-- One row for each way in which a user signs in; the id is `provider:provider_user_id`.
CREATE TABLE IF NOT EXISTS "user_key" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "user_id" TEXT NOT NULL REFERENCES "auth_user" ("id"),
    "hashed_password" TEXT
);

-- The id is the SHA-256 of the token, in hexadecimal.
CREATE TABLE IF NOT EXISTS "user_session" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "user_id" TEXT NOT NULL REFERENCES "auth_user" ("id"),
    "active_expires" BIGINT NOT NULL,
    "idle_expires" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL DEFAULT (unixepoch() * 1000),
    "renewed_at" BIGINT NOT NULL DEFAULT (unixepoch() * 1000),
    "authenticated_at" BIGINT,
    "device" TEXT,
    "address" TEXT,
    "persistent" BOOLEAN NOT NULL DEFAULT TRUE
);

-- How often somebody has tried to sign in, for each key and address that attempts are counted by. The
-- id is a SHA-256 of both, in hexadecimal; the count lasts from `started_at` to `expires`.
CREATE TABLE IF NOT EXISTS "sign_in_attempt" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "attempts" BIGINT NOT NULL,
    "expires" BIGINT NOT NULL,
    "started_at" BIGINT NOT NULL DEFAULT (unixepoch() * 1000)
);

CREATE INDEX IF NOT EXISTS "user_key_user_id_idx" ON "user_key" ("user_id");
CREATE INDEX IF NOT EXISTS "user_session_user_id_idx" ON "user_session" ("user_id");
-- For sweeping out what is expired.
CREATE INDEX IF NOT EXISTS "user_session_idle_expires_idx" ON "user_session" ("idle_expires");
CREATE INDEX IF NOT EXISTS "sign_in_attempt_expires_idx" ON "sign_in_attempt" ("expires");
