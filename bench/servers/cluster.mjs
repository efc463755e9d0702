// What the servers in Node have in common: one process for each of WORKERS, so that they use all
// cores as one would deploy them. The first process accepts connections and deals them out to the
// others (Node's default), and answers no request itself.

import cluster from "node:cluster";
import { createServer } from "node:http";
import { availableParallelism } from "node:os";

const { env } = process;
// Before Express or better-auth ask. The processes that are forked inherit it.
env.NODE_ENV ??= "production";

const workers = Number(env.WORKERS ?? availableParallelism());

// POOL is for the whole server.
export const connectionsOfWorker = Math.max(1, Math.floor(Number(env.POOL ?? 16) / workers));

// Does what the command line asks for.
export async function run({ serve, seed }) {
	const [what, file, count] = process.argv.slice(2);
	if (what === "serve") {
		if (cluster.isPrimary) return startWorkers();
		const server = createServer(await serve());
		// Node would close a connection that has rested for 5 s, perhaps while a request is on its way.
		server.keepAliveTimeout = 120_000;
		return server.listen(Number(env.PORT), "127.0.0.1");
	}
	if (what === "seed" && Number.isInteger(Number(count))) {
		await seed(file, Number(count));
		process.exit(); // Whatever a library still keeps open.
	}
	throw new Error("say `serve`, or `seed OUTFILE COUNT`");
}

function startWorkers() {
	let listening = 0;
	cluster.on("listening", () => {
		listening += 1;
		if (listening === workers) console.log("ready");
	});
	// A server that is short of a process is not the one that is measured.
	cluster.on("exit", () => stop(1));
	process.on("SIGTERM", () => stop(0));
	for (let worker = 0; worker < workers; worker += 1) cluster.fork();
}

function stop(code) {
	for (const worker of Object.values(cluster.workers)) worker.process.kill("SIGTERM");
	process.exit(code);
}
