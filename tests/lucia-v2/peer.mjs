// A real Lucia v2 on the database of DATABASE_URL, for tests that share that database with it.
//
// It reads one command a line, `{"createSession": {"userId": ".."}}`, and answers each by one line:
// `{"ok": result}`, or `{"error": code, "message": text}` with Lucia's code, the SQLSTATE, or the
// name of what was thrown. Times are Unix milliseconds, as in the database.
//
// LUCIA_ENV                      DEV (default) or PROD
// LUCIA_CSRF                     on (default) or off
// LUCIA_ACTIVE_PERIOD, LUCIA_IDLE_PERIOD    in milliseconds; Lucia's own without
// LUCIA_COOKIE                   its setting `sessionCookie`, as JSON; nothing by default

import "lucia/polyfill/node"; // Node 18 has no global `crypto`.

import { createInterface } from "node:readline";
import { pg as pgAdapter } from "@lucia-auth/adapter-postgresql";
import { lucia, LuciaError } from "lucia";
import pg from "pg";

const { env } = process;

// The time, in which a test can stop Lucia.
let stopped = null;
globalThis.Date = class extends Date {
	constructor(...parts) {
		if (parts.length === 0 && stopped !== null) super(stopped);
		else super(...parts);
	}
	static now() {
		return stopped ?? super.now();
	}
};

const pool = new pg.Pool({
	connectionString: env.DATABASE_URL,
	max: 4,
	connectionTimeoutMillis: 60_000,
	query_timeout: 60_000
});
// A database that is dropped takes idle connections along.
pool.on("error", () => {});

const period = (name) => (env[name] === undefined ? undefined : Number(env[name]));

const auth = lucia({
	adapter: pgAdapter(pool, { user: "auth_user", key: "user_key", session: "user_session" }),
	env: env.LUCIA_ENV ?? "DEV",
	csrfProtection: env.LUCIA_CSRF !== "off",
	sessionExpiresIn: {
		activePeriod: period("LUCIA_ACTIVE_PERIOD"),
		idlePeriod: period("LUCIA_IDLE_PERIOD")
	},
	sessionCookie: JSON.parse(env.LUCIA_COOKIE ?? "{}"),
	getUserAttributes: ({ username }) => ({ username })
});

// As Lucia's documentation has them.
const TABLES = `
	CREATE TABLE auth_user (
		id TEXT NOT NULL PRIMARY KEY,
		username TEXT NOT NULL UNIQUE
	);
	CREATE TABLE user_key (
		id TEXT NOT NULL PRIMARY KEY,
		user_id TEXT NOT NULL REFERENCES auth_user(id),
		hashed_password TEXT
	);
	CREATE TABLE user_session (
		id TEXT NOT NULL PRIMARY KEY,
		user_id TEXT NOT NULL REFERENCES auth_user(id),
		active_expires BIGINT NOT NULL,
		idle_expires BIGINT NOT NULL
	);
`;

// The provider of all keys.
const PROVIDER = "username";

const shown = (cookie) => ({
	name: cookie.name,
	value: cookie.value,
	attributes: cookie.attributes,
	header: cookie.serialize()
});

const commands = {
	// From now on it is this time.
	setClock: ({ now }) => {
		stopped = now;
	},

	createTables: async () => void (await pool.query(TABLES)),

	// A password of null makes a key without one.
	createUser: ({ username, password }) =>
		auth.createUser({
			key: { providerId: PROVIDER, providerUserId: username, password },
			attributes: { username }
		}),
	getUser: ({ userId }) => auth.getUser(userId),
	updateUsername: ({ userId, username }) => auth.updateUserAttributes(userId, { username }),
	deleteUser: ({ userId }) => auth.deleteUser(userId),

	useKey: ({ username, password }) => auth.useKey(PROVIDER, username, password),
	updateKeyPassword: ({ username, password }) =>
		auth.updateKeyPassword(PROVIDER, username, password),

	createSession: ({ userId }) => auth.createSession({ userId, attributes: {} }),
	getSession: ({ id }) => auth.getSession(id),
	validateSession: ({ id }) => auth.validateSession(id),
	getAllUserSessions: ({ userId }) => auth.getAllUserSessions(userId),
	invalidateSession: ({ id }) => auth.invalidateSession(id),
	invalidateAllUserSessions: ({ userId }) => auth.invalidateAllUserSessions(userId),
	deleteDeadUserSessions: ({ userId }) => auth.deleteDeadUserSessions(userId),

	readSessionCookie: ({ header }) => auth.readSessionCookie(header),
	// Of a session as another command answered it, or of null.
	createSessionCookie: ({ session }) =>
		shown(
			auth.createSessionCookie(
				session && {
					...session,
					activePeriodExpiresAt: new Date(session.activePeriodExpiresAt),
					idlePeriodExpiresAt: new Date(session.idlePeriodExpiresAt)
				}
			)
		),
	// What an application learns from a request, and the cookies that it answers with.
	request: async ({ method, url, headers }) => {
		const cookies = [];
		const request = auth.handleRequest({
			request: { method, url, headers: new Headers(headers) },
			setCookie: (cookie) => cookies.push(shown(cookie))
		});
		return { session: await request.validate(), cookies };
	}
};

const answer = async (line) => {
	try {
		const [[name, argument]] = Object.entries(JSON.parse(line));
		if (!Object.hasOwn(commands, name)) throw new TypeError(`no command ${name}`);
		return { ok: (await commands[name](argument)) ?? null };
	} catch (error) {
		const code = error instanceof LuciaError ? error.message : (error.code ?? error.name);
		return { error: code, message: error.message };
	}
};

const print = (value) => {
	const text = JSON.stringify(value, function (key, value) {
		return this[key] instanceof Date ? this[key].getTime() : value;
	});
	process.stdout.write(`${text}\n`);
};

print({ ok: "ready" });
for await (const line of createInterface({ input: process.stdin })) print(await answer(line));
await pool.end();
