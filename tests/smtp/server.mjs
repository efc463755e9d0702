// A real SMTP server, which does what a line of standard input asks for, and answers with a line.

import { createInterface } from "node:readline";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";

const mails = [];
const signIns = [];
const sessions = new Set();
let connections = 0;
let server = null;
let behaviour = {};

// Errors quote addresses, as those of real servers do.
const refusal = (code, text) => Object.assign(new Error(text), { responseCode: code });

const drop = () => {
	for (const connection of server.connections) connection._socket.destroy();
};

const at = (step, address, callback, go) => {
	if (behaviour.hangs === step) return;
	if (behaviour.drops === step) return drop();
	const refused = behaviour.refuses?.[step];
	if (refused && (!refused.address || refused.address === address)) {
		return callback(refusal(refused.code, `${refused.text} <${address}>`));
	}
	go();
};

const commands = {
	// Answers with the port.
	start({ port = 0, tls, key, cert, user, password }) {
		server = new SMTPServer({
			secure: tls === "implicit",
			key,
			cert,
			// Otherwise it has a certificate of its own.
			disabledCommands: [...(tls === "starttls" ? [] : ["STARTTLS"]), ...(user ? [] : ["AUTH"])],
			authOptional: !user,
			closeTimeout: 100,
			onConnect(session, callback) {
				connections += 1;
				sessions.add(session.id);
				at("connect", "", callback, callback);
			},
			onAuth(auth, session, callback) {
				signIns.push({ secure: session.secure, user: auth.username });
				at("auth", auth.username, callback, () => {
					if (auth.username === user && auth.password === password) {
						return callback(null, { user });
					}
					callback(refusal(535, `5.7.8 wrong password for ${auth.username}`));
				});
			},
			onMailFrom: (address, session, callback) => at("from", address.address, callback, callback),
			onRcptTo: (address, session, callback) => at("to", address.address, callback, callback),
			onData(stream, session, callback) {
				const chunks = [];
				stream.on("data", (chunk) => chunks.push(chunk));
				stream.on("end", () => {
					const to = session.envelope.rcptTo.map((one) => one.address);
					at("data", to[0], callback, async () => {
						const raw = Buffer.concat(chunks);
						const mail = await simpleParser(raw);
						mails.push({
							connection: session.id,
							secure: session.secure,
							user: session.user ?? null,
							envelope: { from: session.envelope.mailFrom.address, to },
							from: mail.from?.text ?? null,
							to: mail.to?.text ?? null,
							subject: mail.subject ?? null,
							text: mail.text ?? null,
							html: mail.html || null,
							id: mail.messageId ?? null,
							headers: mail.headerLines.map((header) => header.line),
							raw: raw.toString("latin1")
						});
						if (behaviour.drops === "answer") return drop();
						callback();
					});
				});
			}
		});
		// What clients do wrong is none of its business.
		server.on("error", () => {});
		return new Promise((resolve, reject) => {
			server.server.once("error", reject);
			server.listen(port, "127.0.0.1", () => resolve(server.server.address().port));
		});
	},
	stop: () =>
		new Promise((resolve) => {
			server.close(() => resolve());
			drop();
		}),
	// { hangs: step, drops: step, refuses: { step: { code, text, address } } }
	behave(asked) {
		behaviour = asked;
	},
	// Ends what is idle.
	drop,
	seen: () => ({ mails, signIns, connections })
};

const answer = async (line) => {
	try {
		const [[name, argument]] = Object.entries(JSON.parse(line));
		if (!Object.hasOwn(commands, name)) throw new TypeError(`no command ${name}`);
		return { ok: (await commands[name](argument)) ?? null };
	} catch (error) {
		return { error: error.code ?? error.name, message: error.message };
	}
};

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

print({ ok: "ready" });
for await (const line of createInterface({ input: process.stdin })) print(await answer(line));
process.exit();
