// Plays, scrubs and steps; keeps the tables, the list and the scrubber in step with the drawing.
let isMoving = false;
const root = document.querySelector(".player");
// Without a script there is nothing to play; with a size it can be drawn.
root.querySelector(".live").hidden = false;
const part = (name) => root.querySelector(`.${name}`);
const button = (name) => root.querySelector(`button[data-does=${name}]`);
const stage = new Stage(root.querySelector("svg.stage"));
const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
const rows = { node: part("nodes").tBodies[0], client: part("clients")?.tBodies[0] };
const scrubber = part("scrubber"), speed = root.querySelector("select"), minor = root.querySelector("input[type=checkbox]");
const state = { at: 0, isPlaying: false, chosen: -1, view: [0, Math.max(1, played.end)], tables: 0 };

// Tables and list.
const cells = (body, names, count) => names.map((name) => {
  const row = body.insertRow();
  row.append(html("th", { scope: "row", textContent: name }), ...Array.from({ length: count }, () => html("td")));
  return [...row.cells].slice(1);
});
const nodeCells = cells(rows.node, played.nodes, 4);
// Where nobody asked anything, the page has no table of clients.
const clientCells = rows.client ? cells(rows.client, played.clients, 2) : [];
const put = (cell, text) => { if (cell.textContent !== text) cell.textContent = text; };

const showTables = () => {
  const at = state.at;
  const faults = faultsAt(at);
  played.nodes.forEach((name, node) => {
    const now = roleAt(node, at), index = indexAt(node, at);
    const [role, term, log, trouble] = nodeCells[node];
    put(role, now ? now.role : "unknown");
    put(term, now ? String(now.term) : "");
    put(log, index ? `${index.commit} / ${index.applied} / ${index.last}` : "");
    put(trouble, troublesOf(node, faults).join(", "));
    role.parentElement.className = now ? now.role : "";
  });
  played.clients.forEach((name, client) => {
    const operation = operationAt(client, at);
    const [asked, answer] = clientCells[client];
    put(asked, operation ? operation.action : "");
    put(answer, !operation ? "" : operation.end > at ? `waits for ${lasting(at - operation.at)}` : operation.answer);
    asked.parentElement.className = !operation ? "" : operation.end > at ? "waiting" : ["", "bad", "doubtful"][operation.outcome];
  });
  const leaders = played.nodes.flatMap((name, node) => {
    const now = roleAt(node, at);
    return now && now.role === "leader" ? [`${name} leads term ${now.term}`] : [];
  });
  const phase = phaseAt(at);
  put(part("clock"), seconds(Math.round(at)));
  put(part("where"), [phase, ...(leaders.length ? leaders : ["nobody leads"])].filter(Boolean).join(" · "));
  put(part("inforce"), faults.map((fault) => fault.words).join(" · ") || "no fault in force");
  put(part("recorded"), isRecorded(at) || !played.windows.length ? "" : "Not recorded here: only roles, faults and indexes are known.");
  showList();
};

const isShown = (moment) => minor.checked || !moment.isMinor;
const nearest = (from, step) => {
  let place = from;
  while (place >= 0 && place < moments.length && !isShown(moments[place])) place += step;
  return place >= 0 && place < moments.length ? place : -1;
};
const around = (place) => {
  const found = [];
  let before = place, after = place;
  if (place >= 0) found.push(place);
  for (let count = 0; count < 4 && before >= 0; count += 1) {
    before = nearest(before - 1, -1);
    if (before >= 0) found.unshift(before);
  }
  for (; found.length < 11; ) {
    after = nearest(after + 1, 1);
    if (after < 0) break;
    found.push(after);
  }
  return found;
};
const current = () => (state.chosen >= 0 ? state.chosen : nearest(lastAt(momentTimes, state.at), -1));
const showList = () => {
  const now = current();
  const items = around(now).map((place) => {
    const moment = moments[place];
    const line = html("button", { type: "button", tabIndex: -1 }, html("time", { textContent: seconds(moment.at) }), " ", moment.words());
    line.addEventListener("click", () => choose(place));
    const item = html("li", { className: `${moment.type}${place === now ? " now" : ""}` }, line);
    if (place === now) item.setAttribute("aria-current", "true");
    return item;
  });
  part("moments").replaceChildren(...items);
};

// The scrubber.
const share = (at) => (100 * (at - state.view[0])) / (state.view[1] - state.view[0]);
// What overlaps stands one beneath the other, as far as there is room.
const stacked = (bars) => {
  const MOST = 4, free = [];
  return bars.map((bar) => {
    const place = free.findIndex((until) => until <= bar[0]);
    const level = place >= 0 ? place : Math.min(free.length, MOST - 1);
    free[level] = Math.max(bar[1], free[level] ?? 0);
    return [...bar.slice(0, 4), level];
  });
};
const lane = (name, bars) => {
  const track = scrubber.querySelector(`[data-lane=${name}]`);
  const levels = stacked(bars.map((bar) => [bar[0], bar[1], bar[2], bar[3] ?? ""]));
  track.style.setProperty("--levels", Math.max(1, ...levels.map((bar) => bar[4] + 1)));
  const shown = levels.filter(([from, to]) => to >= state.view[0] && from <= state.view[1]);
  track.replaceChildren(...shown.map(([from, to, label, kind, level]) => {
    const left = Math.max(0, share(from)), right = Math.min(100, share(to));
    const bar = html("i", { className: kind, title: label, textContent: label });
    bar.style.setProperty("--level", level);
    bar.style.left = `${left}%`;
    bar.style.width = `${Math.max(0, right - left)}%`;
    return bar;
  }));
};
const showScrubber = () => {
  const ends = (spans) => spans.map((span, nth) => [...span, nth + 1 < spans.length ? spans[nth + 1][0] : played.end]);
  lane("phase", ends(played.phases).map(([from, name, to]) => [from, to, name]));
  lane("fault", played.faults.map((fault) => [fault.from, fault.to, fault.words, fault.status === "installed" ? fault.group : fault.status]));
  const leading = played.roles.flatMap((spans, node) => ends(spans).filter((span) => span[1] === "leader")
    .map(([from, , term, to]) => [from, to, `${played.nodes[node]} t${term}`]));
  lane("leader", leading.sort((a, b) => a[0] - b[0]));
  lane("down", played.outages.map(([from, to, words]) => [from, to, words]));
  lane("recorded", played.windows.map(([from, to]) => [from, to, ""]));
  lane("broken", played.violations.map((violation) => [violation.at, violation.at, violation.check]));
  part("from").textContent = `${(state.view[0] / 1e6).toFixed(3)} s`;
  part("until").textContent = `${(state.view[1] / 1e6).toFixed(3)} s`;
};
const showCursor = () => {
  const left = share(state.at);
  const cursor = part("at");
  cursor.hidden = left < 0 || left > 100;
  cursor.style.setProperty("--at", left / 100);
  scrubber.setAttribute("aria-valuenow", Math.round(state.at));
};
const look = (from, to) => {
  const width = Math.min(Math.max(to - from, 2e3), Math.max(1, played.end));
  const begin = Math.max(0, Math.min(played.end - width, from));
  state.view = [begin, begin + width];
  showScrubber();
  showCursor();
};
const zoom = (factor) => {
  const [from, to] = state.view;
  const before = Math.max(0, Math.min(1, (state.at - from) / (to - from)));
  const width = (to - from) * factor;
  look(state.at - before * width, state.at + (1 - before) * width);
};

// Where it stands.
const rate = () => {
  const chosen = Number(speed.value);
  // What was not recorded in full is not worth slow motion.
  return messages.length > 0 && !isRecorded(state.at) ? Math.max(chosen, 1) : chosen;
};
const show = () => {
  isMoving = state.isPlaying && !isCalm.matches;
  const glow = isMoving ? rate() * 350e3 : 0;
  const chosen = state.chosen >= 0 ? moments[state.chosen].message : undefined;
  stage.draw(state.at, glow, chosen);
  showCursor();
  const now = performance.now();
  if (!state.isPlaying || now - state.tables > 120) {
    state.tables = now;
    showTables();
    scrubber.setAttribute("aria-valuetext", `${part("clock").textContent}, ${part("where").textContent}, ${part("inforce").textContent}`);
  }
  root.dataset.at = Math.round(state.at);
};
const go = (at, chosen = -1) => {
  state.at = Math.max(0, Math.min(played.end, at));
  state.chosen = chosen;
  const [from, to] = state.view;
  if (state.at < from || state.at > to) look(state.at - (to - from) / 2, state.at + (to - from) / 2);
  show();
};
const say = (text) => { part("said").textContent = text; };
const choose = (place) => {
  pause();
  go(moments[place].at, place);
  say(moments[place].words());
};
const step = (by) => {
  let from = state.chosen;
  if (from < 0) {
    const last = lastAt(momentTimes, state.at);
    from = by > 0 ? last : last + 1;
  }
  const place = nearest(from + by, by);
  if (place >= 0) choose(place);
};
const leap = (by) => {
  const next = by > 0 ? landmarks.find((at) => at > state.at) : landmarks.findLast((at) => at < state.at);
  pause();
  go(next ?? (by > 0 ? played.end : 0));
};
let lastJump = -1;
// To what broke: the message that answered out of date, if it is known; again for the next.
const targets = played.violations.map((violation) => (
  { at: violation.at, message: violation.message, words: `${violation.check}: ${violation.detail}` }));
const jump = (target) => {
  pause();
  const place = target.message ? moments.findIndex((moment) => moment.message && moment.message.number === target.message) : -1;
  const width = Math.min(played.end, 400e3);
  look(target.at - width / 2, target.at + width / 2);
  go(target.at, place);
  say(target.words);
};
const violation = () => {
  if (!targets.length) return;
  lastJump = (lastJump + 1) % targets.length;
  jump(targets[lastJump]);
};

let frame = 0, before = 0;
const tick = (now) => {
  if (!state.isPlaying) return;
  const passed = Math.min(100, now - before);
  before = now;
  if (isCalm.matches) calmly(passed); else state.at += passed * 1e3 * rate();
  if (state.at >= played.end) {
    state.at = played.end;
    pause();
  }
  const [from, to] = state.view;
  if (state.at > to) look(state.at, state.at + (to - from));
  show();
  if (state.isPlaying) frame = requestAnimationFrame(tick);
};
// Without movement: from one event to the next, two in a second.
let rested = 0;
const calmly = (passed) => {
  rested += passed;
  if (rested < 500) return;
  rested = 0;
  const place = nearest(current() + 1, 1);
  if (place < 0) state.at = played.end;
  else [state.at, state.chosen] = [moments[place].at, place];
};
const play = () => {
  if (state.at >= played.end) state.at = 0;
  state.isPlaying = true;
  state.chosen = -1;
  before = performance.now();
  frame = requestAnimationFrame(tick);
  showButton();
};
const pause = () => {
  if (!state.isPlaying) return;
  state.isPlaying = false;
  cancelAnimationFrame(frame);
  showButton();
  show();
};
const showButton = () => {
  const label = state.isPlaying ? "Pause" : "Play";
  button("play").textContent = state.isPlaying ? "❚❚" : "▶";
  button("play").setAttribute("aria-label", label);
  button("play").title = `${label} (space)`;
};
const toggle = () => (state.isPlaying ? pause() : play());

const does = {
  home: () => { pause(); go(0); }, end: () => { pause(); go(played.end); },
  play: toggle, back: () => step(-1), on: () => step(1), violation,
  before: () => leap(-1), after: () => leap(1),
  closer: () => zoom(0.5), wider: () => zoom(2), whole: () => look(0, played.end),
};
for (const [name, act] of Object.entries(does)) button(name)?.addEventListener("click", act);
for (const link of root.querySelectorAll("[data-to]")) {
  link.addEventListener("click", () => {
    jump({ at: Number(link.dataset.to), message: Number(link.dataset.message), words: link.previousSibling.textContent.trim() });
    part("stage").scrollIntoView({ block: "center", behavior: isCalm.matches ? "auto" : "smooth" });
  });
}
const keys = {
  " ": does.play, ArrowRight: does.on, ArrowLeft: does.back, PageDown: does.after, PageUp: does.before,
  Home: does.home, End: does.end, j: violation, J: violation, v: violation, "+": does.closer, "=": does.closer, "-": does.wider, 0: does.whole,
};
root.addEventListener("keydown", (event) => {
  // What uses the key itself keeps it: fields, what scrolls, what is pressed or folds.
  const isTheirs = event.target.closest("select, input, .scroll") || (event.key === " " && event.target.closest("button, summary"));
  if (isTheirs || event.ctrlKey || event.altKey || event.metaKey) return;
  let act = keys[event.key];
  if (event.shiftKey && event.key === "ArrowRight") act = () => { pause(); go(state.at + 1e3); };
  if (event.shiftKey && event.key === "ArrowLeft") act = () => { pause(); go(state.at - 1e3); };
  if (!act) return;
  event.preventDefault();
  act();
});

// By mouse and finger: the scrubber follows sideways, the page scrolls up and down.
const track = scrubber.querySelector("[data-lane=fault]");
const follow = (event) => {
  const box = track.getBoundingClientRect();
  const at = state.view[0] + ((event.clientX - box.left) / box.width) * (state.view[1] - state.view[0]);
  go(Math.max(state.view[0], Math.min(state.view[1], at)));
};
let dragging = null;
scrubber.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  pause();
  dragging = event.pointerId;
  scrubber.setPointerCapture(event.pointerId);
  follow(event);
});
scrubber.addEventListener("pointermove", (event) => { if (event.pointerId === dragging) follow(event); });
for (const end of ["pointerup", "pointercancel"]) scrubber.addEventListener(end, () => { dragging = null; });
minor.addEventListener("change", showTables);
new ResizeObserver(() => { stage.lay(); show(); }).observe(part("stage").parentElement);

scrubber.setAttribute("aria-valuemax", played.end);
look(0, played.end);
showButton();
// What broke is what one comes for; otherwise the run from its begin.
if (targets.length) violation(); else go(0);
lastJump = -1;
say("");
root.dataset.ready = "yes";
