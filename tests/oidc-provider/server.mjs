// A certified OpenID provider with the pages of its own for development, for tests that sign people in by it
// in a browser. Any name and password are right there.
//
// It writes its issuer as one line, reads the redirect URL of the client as another, and ends when its
// standard input does.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const server = createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://localhost:${server.address().port}`;
console.log(issuer);

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit());
const redirectUri = await new Promise((done) => lines.once("line", done));

const provider = new Provider(issuer, {
	clients: [
		{
			client_id: "the client",
			client_secret: "canary-client-secret:%+",
			redirect_uris: [redirectUri],
		},
	],
	claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
	cookies: { keys: ["a key for tests"] },
	pkce: { required: () => true },
	findAccount: (_, id) => ({
		accountId: id,
		claims: () => ({ sub: id, name: id, email: `${id}@example.com`, email_verified: true }),
	}),
});
server.on("request", provider.callback());
console.log("ready");
