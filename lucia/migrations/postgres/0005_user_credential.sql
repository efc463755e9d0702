-- Credentials of users, each with a kind. The kind `oauth_tokens` holds the tokens of a provider.
--
-- `name` says which one it is; for tokens of a provider it is the id of the key. `data` is of the kind. Secrets
-- in it are encrypted.
CREATE TABLE IF NOT EXISTS "user_credential" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "user_id" TEXT NOT NULL REFERENCES "auth_user" ("id") ON DELETE CASCADE,
    "kind" TEXT NOT NULL,
    "name" TEXT,
    "data" JSON NOT NULL,
    "created_at" BIGINT NOT NULL,
    "last_used_at" BIGINT
);

-- For the credentials of a user, all or of a kind.
CREATE INDEX IF NOT EXISTS "user_credential_user_id_idx" ON "user_credential" ("user_id", "kind");
