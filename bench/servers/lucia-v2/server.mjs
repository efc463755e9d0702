// Lucia 2.7 on Express, with its sessions and users in Postgres through its adapter for `pg`, as its
// documentation has it.
//
// What was chosen, and why:
//
// - One process for each core, which share POOL connections (../cluster.mjs).
// - Express computes no ETag and names itself in no header: neither is of use here.
// - The sessions are in a table of their own, since lucia's table in the same database keeps hashes.
//   They are in their active period, so that no request renews one.
// - No logging of requests.

import { connectionsOfWorker, run } from "../cluster.mjs";

import "lucia/polyfill/node"; // Node 18 has no global `crypto`.

import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { pg as pgAdapter } from "@lucia-auth/adapter-postgresql";
import express from "express";
import { lucia } from "lucia";
import { express as expressMiddleware } from "lucia/middleware";
import pg from "pg";

const SESSIONS = "lucia_v2_session";
const DAY = 24 * 60 * 60 * 1000;

const pool = new pg.Pool({
	connectionString: process.env.DATABASE_URL,
	max: connectionsOfWorker
});

const auth = lucia({
	adapter: pgAdapter(pool, { user: "auth_user", key: "lucia_v2_key", session: SESSIONS }),
	env: "PROD",
	middleware: expressMiddleware(),
	getUserAttributes: ({ username }) => ({ username })
});

function serve() {
	const app = express();
	app.disable("etag");
	app.disable("x-powered-by");
	app.get("/me", async (request, response) => {
		const session = await auth.handleRequest(request, response).validate();
		if (!session) return response.sendStatus(401);
		response.type("text/plain").send(session.user.username);
	});
	return app;
}

// Writes rows as Lucia does, all at once.
async function seed(file, count) {
	await pool.query(`
		CREATE TABLE IF NOT EXISTS ${SESSIONS} (
			id TEXT NOT NULL PRIMARY KEY,
			user_id TEXT NOT NULL REFERENCES auth_user(id),
			active_expires BIGINT NOT NULL,
			idle_expires BIGINT NOT NULL
		)`);
	const users = await pool.query("SELECT id, username FROM auth_user ORDER BY id LIMIT $1", [count]);
	// 40 characters, as Lucia's are. These have fewer letters, which a lookup does not notice.
	const ids = users.rows.map(() => randomBytes(20).toString("hex"));
	const now = Date.now();
	await pool.query(
		`INSERT INTO ${SESSIONS} (id, user_id, active_expires, idle_expires)
		SELECT id, user_id, $3, $4 FROM unnest($1::text[], $2::text[]) AS made (id, user_id)`,
		[ids, users.rows.map(({ id }) => id), now + DAY, now + 15 * DAY]
	);
	const lines = users.rows.map(({ username }, index) => `auth_session=${ids[index]}\t${username}\n`);
	await writeFile(file, lines.join(""));
}

await run({ serve, seed });
