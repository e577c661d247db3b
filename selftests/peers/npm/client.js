// SPDX-License-Identifier: GPL-2.0-only
// The npm packages ethernet-ip (unconnected) and st-ethernet-ip (Forward_Open,
// connected messages, tag list) as a client: client.js PACKAGE HOST PATIENCE_MS.
// Connects, reads tags one by one and in a group, then writes. Prints one JSON
// object with what came of each step; it judges nothing.
"use strict";
const [pkg, host, patience] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const { Controller, Tag, TagGroup } = require(pkg);
const result = { connected: false, read: null, group: null, write: null };

function within(promise) {
	return Promise.race([promise, new Promise((_, reject) =>
		setTimeout(() => reject(new Error("timeout")), patience))]);
}

async function attempt(name, job) {
	try {
		await within(job());
		result[name] = "ok";
	} catch (err) {
		result[name] = err.message || JSON.stringify(err);
	}
}

async function main() {
	const plc = pkg === "ethernet-ip" ? new Controller() : new Controller(true);
	const setpoint = new Tag("Setpoint"), counts = new Tag("Counts[2]");
	await within(plc.connect(host, 0));
	result.connected = true;
	result.name = (plc.properties || plc.state.controller).name;
	await attempt("read", () => plc.readTag(setpoint));
	const group = new TagGroup();
	group.add(setpoint);
	group.add(counts);
	await attempt("group", () => plc.readTagGroup(group));
	setpoint.value = 4711;
	await attempt("write", () => plc.writeTag(setpoint));
}

// both packages raise their timeouts outside of the promise that was asked
process.on("unhandledRejection", () => {});
process.on("uncaughtException", () => {});
main().catch((err) => { result.error = String(err.message || err); }).finally(() => {
	console.log(JSON.stringify(result));
	process.exit(0);
});
