-- Mails that wait to be sent. A row is deleted when its mail was sent or given up.
--
-- Texts hold links and codes that work. `due` is when a mail can be claimed, and `attempts` how often it was.
CREATE TABLE IF NOT EXISTS "outgoing_mail" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "recipient" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "html" TEXT,
    "attempts" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "expires" BIGINT,
    "due" BIGINT NOT NULL
);

-- For claiming what is due the longest.
CREATE INDEX IF NOT EXISTS "outgoing_mail_due_idx" ON "outgoing_mail" ("due");
