// better-auth on Node, with its sessions and users in Postgres, as its documentation has it.
//
// What was chosen, and why:
//
// - One process for each core, which share POOL connections (../cluster.mjs).
// - `node:http` without a framework, which is the least that can stand around it.
// - No cookie cache (the default): who asks is looked up in the database on every request, as with
//   all other servers. With it, a session that was revoked would stay valid until the cache expires.
// - `database.joins`: session and user come by one statement and not by two. Off by default.
// - It has a table of users of its own, since it needs columns that the kit's table lacks. It is
//   filled with the same ids and names. The sessions are younger than `updateAge`, so that no request
//   renews one.
// - No logging, no telemetry. The limit of requests does not apply to `auth.api`.

import { connectionsOfWorker, run } from "../cluster.mjs";

import { createHmac, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { fromNodeHeaders, toNodeHandler } from "better-auth/node";
import pg from "pg";

const pool = new pg.Pool({
	connectionString: process.env.DATABASE_URL,
	max: connectionsOfWorker
});

const options = {
	baseURL: "http://127.0.0.1",
	secret: "a secret that is the same in all processes",
	database: pool,
	user: { modelName: "better_auth_user" },
	session: { modelName: "better_auth_session", cookieCache: { enabled: false } },
	account: { modelName: "better_auth_account" },
	verification: { modelName: "better_auth_verification" },
	emailAndPassword: { enabled: true },
	advanced: { database: { joins: true } },
	logger: { disabled: true },
	telemetry: { enabled: false }
};

const auth = betterAuth(options);

function serve() {
	const handler = toNodeHandler(auth);
	return async (request, response) => {
		if (request.url !== "/me") return handler(request, response);
		const headers = fromNodeHeaders(request.headers);
		const found = await auth.api.getSession({ headers });
		const body = found ? found.user.name : "";
		response.writeHead(found ? 200 : 401, {
			"Content-Type": "text/plain; charset=utf-8",
			"Content-Length": Buffer.byteLength(body)
		});
		response.end(body);
	};
}

// Writes rows as better-auth does, all at once.
async function seed(file, count) {
	const { runMigrations } = await getMigrations(options);
	await runMigrations();
	const users = await pool.query("SELECT id, username FROM auth_user ORDER BY id LIMIT $1", [count]);
	const ids = users.rows.map(({ id }) => id);
	const names = users.rows.map(({ username }) => username);
	const tokens = users.rows.map(() => randomBytes(24).toString("base64url"));
	await pool.query(
		`INSERT INTO better_auth_user (id, name, email, "emailVerified", "createdAt", "updatedAt")
		SELECT id, name, id || '@example.com', true, now(), now()
		FROM unnest($1::text[], $2::text[]) AS made (id, name)
		ON CONFLICT (id) DO NOTHING`,
		[ids, names]
	);
	await pool.query(
		`INSERT INTO better_auth_session (id, token, "userId", "expiresAt", "createdAt", "updatedAt")
		SELECT token, token, user_id, now() + interval '7 days', now(), now()
		FROM unnest($1::text[], $2::text[]) AS made (token, user_id)`,
		[tokens, ids]
	);
	const { authCookies, secret } = await auth.$context;
	const lines = tokens.map((token, index) => {
		const signature = createHmac("sha256", secret).update(token).digest("base64");
		const value = encodeURIComponent(`${token}.${signature}`);
		return `${authCookies.sessionToken.name}=${value}\t${names[index]}\n`;
	});
	await writeFile(file, lines.join(""));
}

await run({ serve, seed });
