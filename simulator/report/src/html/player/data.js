"use strict";
// Reads what the player plays out of the page, and answers what was so at a moment of the run.
// Times are microseconds of the run's clock; a party below 0 is a client.
const played = JSON.parse(document.getElementById("player-data").textContent);

// A text with its numbers, which stand behind it in its row.
const worded = (text, numbers) => {
  let next = 0;
  return played.texts[text].replace(/\u0001/g, () => numbers[next++]);
};
const named = (party) => (party >= 0 ? played.nodes[party] : played.clients[-1 - party]);
const seconds = (us) => `${us < 0 ? "-" : ""}${Math.floor(Math.abs(us) / 1e6)}.${String(Math.abs(us) % 1e6).padStart(6, "0")} s`;
const lasting = (us) => (us < 1e3 ? `${us} µs` : us < 1e6 ? `${(us / 1e3).toFixed(us < 1e4 ? 2 : 0)} ms` : `${(us / 1e6).toFixed(2)} s`);

// Where the last of ascending `times` at or before `at` stands; -1: none.
const lastAt = (times, at) => {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= at) low = middle + 1; else high = middle;
  }
  return low - 1;
};

const readMessages = () => {
  let at = 0, number = 0;
  const byNumber = new Map();
  return played.messages.map((row) => {
    const [dAt, from, to, flight, text, bytes, dNumber, back, op, held, lost, ...numbers] = row;
    at += dAt;
    number += dNumber;
    const message = {
      at, number, from, to, bytes, numbers, text, lost, held, op: op - 1, answers: back ? number - back : 0,
      end: flight < 0 ? Infinity : at + flight,
      kind: played.texts[text].split(" ")[0],
    };
    const asked = byNumber.get(message.answers);
    message.isMinor = message.kind === "heartbeat" || (asked !== undefined && asked.isMinor);
    byNumber.set(number, message);
    return message;
  });
};
const messages = readMessages();
const sentAt = messages.map((message) => message.at);
// Most messages take a few milliseconds. Those that take longer are looked through one by one.
const SHORT_US = 50e3;
const slow = messages.filter((message) => message.end - message.at > SHORT_US);
const messageWords = (message) => {
  const fate = message.end === Infinity ? "never arrived"
    : message.lost ? `lost after ${lasting(message.end - message.at)}: ${played.texts[message.lost - 1]}`
      : `arrived after ${lasting(message.end - message.at)}`;
  const held = message.held ? `, held: ${played.texts[message.held - 1]}` : "";
  return `${named(message.from)} → ${named(message.to)} ${worded(message.text, message.numbers)}; ${message.bytes} B; ${fate}${held}`;
};
// Messages that are under way at a moment, or were until `glow` before.
const underWay = (at, glow) => {
  const found = slow.filter((message) => message.at <= at && message.end >= at - glow);
  for (let place = lastAt(sentAt, at); place >= 0 && sentAt[place] >= at - glow - SHORT_US; place -= 1) {
    const message = messages[place];
    if (message.end - message.at <= SHORT_US && message.end >= at - glow) found.push(message);
  }
  return found;
};

const readOperations = () => {
  let at = 0, op = 0;
  return played.operations.map((row) => {
    const [dAt, took, client, dOp, outcome, asked, count, ...rest] = row;
    at += dAt;
    op += dOp;
    const [answered, ...numbers] = rest.slice(count);
    return {
      at, op, client, outcome, end: took < 0 ? Infinity : at + took,
      action: worded(asked, rest.slice(0, count)),
      answer: answered < 0 ? "no answer before the end" : worded(answered, numbers),
    };
  });
};
const operations = readOperations();
const ofClient = played.clients.map(() => []);
for (const operation of operations) ofClient[operation.client].push(operation);
const askedAt = ofClient.map((all) => all.map((operation) => operation.at));
// What a client is at, or was at last.
const operationAt = (client, at) => ofClient[client][lastAt(askedAt[client], at)];

const roleTimes = played.roles.map((spans) => spans.map((span) => span[0]));
const roleAt = (node, at) => {
  const span = played.roles[node][lastAt(roleTimes[node], at)];
  return span ? { since: span[0], role: span[1], term: span[2] } : null;
};
const readIndexes = (rows) => {
  let now = [0, 0, 0, 0];
  return rows.map((row) => (now = now.map((value, part) => value + row[part])));
};
const indexes = played.indexes.map(readIndexes);
const indexTimes = indexes.map((rows) => rows.map((row) => row[0]));
const indexAt = (node, at) => {
  const row = indexes[node][lastAt(indexTimes[node], at)];
  return row ? { last: row[1], commit: row[2], applied: row[3] } : null;
};
// What was not healed is in force at the very end as well.
const faultsAt = (at) => played.faults.filter((fault) => fault.status === "installed"
  && fault.from <= at && (at < fault.to || fault.to === played.end || fault.from === fault.to && at - fault.from < 50e3));
const phaseAt = (at) => {
  const place = lastAt(played.phases.map((phase) => phase[0]), at);
  return place < 0 ? "" : played.phases[place][1];
};
const isRecorded = (at) => played.windows.some(([from, to]) => from <= at && at <= to);

// What one can step through, in order of time: `at`, whether it is `minor`, and its words.
const readMoments = () => {
  const found = messages.map((message) => ({
    at: message.at, message, isMinor: message.isMinor, type: "message", words: () => messageWords(message),
  }));
  const add = (at, type, words, more = {}) => found.push({ at, type, isMinor: false, words: () => words, ...more });
  for (const [at, node, text] of played.events) add(at, "node", `${played.nodes[node]} ${played.texts[text]}`, { node });
  for (const fault of played.faults) {
    const words = `fault ${fault.id}: ${fault.words}`;
    add(fault.from, "fault", fault.status === "installed" ? `${words} begins` : `${words} ${fault.status}`);
    if (fault.status === "installed" && fault.to > fault.from && fault.to < played.end) add(fault.to, "fault", `${words} is over`);
  }
  for (const [at, phase] of played.phases) add(at, "phase", `phase ${phase}`);
  for (const operation of operations) {
    const words = `${played.clients[operation.client]} ${operation.action}`;
    const isMinor = messages.length > 0;
    add(operation.at, "operation", `op ${operation.op} ${words}: asked`, { isMinor });
    if (operation.end !== Infinity) add(operation.end, "operation", `op ${operation.op} ${words} → ${operation.answer}`, { isMinor });
  }
  return found.sort((a, b) => a.at - b.at);
};
const moments = readMoments();
const momentTimes = moments.map((moment) => moment.at);
// Faults, outages and what broke: where a jump goes to.
const landmarks = [...new Set([
  ...played.faults.map((fault) => fault.from), ...played.outages.map((outage) => outage[0]),
  ...played.violations.map((violation) => violation.at),
  ...played.roles.flatMap((spans) => spans.filter((span) => span[1] === "leader").map((span) => span[0])),
])].sort((a, b) => a - b);
