-- Links and codes that work once: to verify an address, reset a password, accept an invitation.
--
-- The id is a SHA-256, in hexadecimal: of the purpose and the secret in a link, or of the purpose and what
-- a code is for. `hashed_code` and `tries_left` are those of codes alone. `data` is the application's.
CREATE TABLE IF NOT EXISTS "one_time_token" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "purpose" TEXT NOT NULL,
    "user_id" TEXT REFERENCES "auth_user" ("id") ON DELETE CASCADE,
    "data" TEXT NOT NULL,
    "hashed_code" TEXT,
    "tries_left" BIGINT,
    "created_at" BIGINT NOT NULL,
    "expires" BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS "one_time_token_user_id_idx" ON "one_time_token" ("user_id");
-- For sweeping out what is expired.
CREATE INDEX IF NOT EXISTS "one_time_token_expires_idx" ON "one_time_token" ("expires");
