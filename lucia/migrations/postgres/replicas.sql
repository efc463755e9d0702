-- For `PgStoreBuilder::replicas`, and for nothing else: by its row, each process sees how old the data of a
-- replica is. Running it again changes nothing.
--
-- With replicas, `PgStore::migrate` runs this file after the one that makes the tables. Hand it to a
-- migration tool of your own otherwise.
--
-- A process writes its row a few times within the `max_staleness`, and sees the row at a replica once the
-- replica has everything that was committed before. "beat" says when it was written, by the clock of the
-- process. No one compares "sent_at": by it, rows of processes that are gone are deleted.
--
-- The rows that were replaced are found on the page of the new one, and vanish without a vacuum.

CREATE TABLE IF NOT EXISTS "lucia_heartbeat" (
    "process" TEXT PRIMARY KEY,
    "beat" BIGINT NOT NULL,
    "sent_at" BIGINT NOT NULL
) WITH (fillfactor = 20);
