-- When the user of a key proved that it is theirs, by a link or code that was sent to its address. Unix
-- milliseconds; NULL for a key that nothing has proved.
ALTER TABLE "user_key" ADD COLUMN "verified_at" BIGINT;
