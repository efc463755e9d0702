-- The tables of lucia on Postgres. Times are Unix milliseconds. Running it again changes nothing.
--
-- `PgStore::migrate` runs this file. To use a migration tool of your own instead, hand it this
-- file, add the columns of your users to "auth_user", and do not call `migrate`.

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
    "idle_expires" BIGINT NOT NULL
);

-- How often somebody has tried to sign in, for each key and address that attempts are counted by. The
-- id is a SHA-256 of both, in hexadecimal; the count lasts from `started_at` to `expires`.
CREATE TABLE IF NOT EXISTS "sign_in_attempt" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "attempts" BIGINT NOT NULL,
    "expires" BIGINT NOT NULL
);

-- Columns that a table made by Lucia does not have. Rows from before count from now.
ALTER TABLE "user_session"
    ADD COLUMN IF NOT EXISTS "created_at" BIGINT NOT NULL
        DEFAULT (extract(epoch FROM now()) * 1000)::BIGINT,
    ADD COLUMN IF NOT EXISTS "renewed_at" BIGINT NOT NULL
        DEFAULT (extract(epoch FROM now()) * 1000)::BIGINT,
    ADD COLUMN IF NOT EXISTS "authenticated_at" BIGINT,
    ADD COLUMN IF NOT EXISTS "device" TEXT,
    ADD COLUMN IF NOT EXISTS "address" TEXT,
    ADD COLUMN IF NOT EXISTS "persistent" BOOLEAN NOT NULL DEFAULT TRUE;

-- A column that a table made by an earlier version does not have. Counts from before start now.
ALTER TABLE "sign_in_attempt"
    ADD COLUMN IF NOT EXISTS "started_at" BIGINT NOT NULL
        DEFAULT (extract(epoch FROM now()) * 1000)::BIGINT;

-- A session that Lucia makes from now on was made by somebody who signed in; those from before are
-- not counted as such.
ALTER TABLE "user_session"
    ALTER COLUMN "authenticated_at" SET DEFAULT (extract(epoch FROM now()) * 1000)::BIGINT;

CREATE INDEX IF NOT EXISTS "user_key_user_id_idx" ON "user_key" ("user_id");
CREATE INDEX IF NOT EXISTS "user_session_user_id_idx" ON "user_session" ("user_id");
-- For sweeping out what is expired.
CREATE INDEX IF NOT EXISTS "user_session_idle_expires_idx" ON "user_session" ("idle_expires");
CREATE INDEX IF NOT EXISTS "sign_in_attempt_expires_idx" ON "sign_in_attempt" ("expires");
