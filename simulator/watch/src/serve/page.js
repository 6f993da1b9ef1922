"use strict";
// What the stream says, and nothing else, is drawn here; see `board.rs` for its messages.
(() => {
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  let run = null, step = 250000, services = [], points = [], bars = [], state = null, sweep = null;
  let isDrawn = true;

  const element = (tag, className, ...inside) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...inside);
    return made;
  };
  const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");
  const count = (value) => Number.isInteger(value) || value >= 10 ? group(String(Math.round(value))) : value.toFixed(1);
  const digits = (value) => value >= 100 ? count(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  const duration = (us) => us >= 60e6 ? `${digits(us / 60e6)} min` : us >= 1e6 ? `${digits(us / 1e6)} s` : us >= 1e3 ? `${digits(us / 1e3)} ms` : `${Math.round(us)} µs`;
  const bytes = (value) => value >= 1e9 ? `${digits(value / 1e9)} GB` : value >= 1e6 ? `${digits(value / 1e6)} MB` : value >= 1e3 ? `${digits(value / 1e3)} KB` : `${value} B`;
  const share = (value) => `${(value * 100).toFixed(value > 0 && value < 0.1 ? 2 : 1)} %`;
  const rate = (value) => `${value >= 10 || value === 0 ? count(value) : value.toFixed(1)}/s`;
  const seconds = (us) => `${(us / 1e6).toFixed(1)} s`;
  const ratio = (part, whole) => whole > 0 ? part / whole : null;
  const or = (value, text) => value === null || value === undefined ? "–" : text(value);

  // A point, as `series.rs` writes it.
  const acked = (p) => p[0][0], failed = (p) => p[0][1], unknown = (p) => p[0][2], latency = (p) => p[0][3];
  const depth = (p) => p[1][0], hits = (p) => p[1][1], reads = (p) => p[1][2], outstanding = (p) => p[1][3], without = (p) => p[1][4];
  const cpu = (p) => p[2][0], memory = (p) => p[2][1];
  const sum = (list) => list.reduce((all, one) => all + one, 0);
  const ended = (p) => sum(acked(p)) + failed(p) + unknown(p);
  const quantile = (place) => (p) => latency(p) === null ? null : latency(p)[place];

  const CHARTS = [
    { id: "rate", title: "Request rate", text: rate, lines: () => services.map((name, i) => [name, `c${i % 5}`, (p) => (acked(p)[i] || 0) * 1e6 / step]) },
    { id: "latency", title: "Latency", text: duration, log: true, lines: () => [["p50", "p50", quantile(0)], ["p95", "p95", quantile(1)], ["p99", "p99", quantile(2)], ["max", "max", quantile(3)]] },
    { id: "errors", title: "Error rate", text: share, least: 0.01, lines: () => [["failed", "bad", (p) => ratio(failed(p), ended(p))], ["unknown", "doubtful", (p) => ratio(unknown(p), ended(p))]] },
    { id: "without", title: "Clients without service", text: count, least: 2, lines: () => [["clients", "down", without]] },
    { id: "outstanding", title: "Operations waiting", text: count, least: 2, lines: () => [["operations", "ink", outstanding]] },
    { id: "depth", title: "Queue depth", text: count, least: 2, optional: true, lines: () => [["messages", "c1", depth]] },
    { id: "hits", title: "Hit rate", text: share, least: 1, optional: true, lines: () => [["hits", "c2", (p) => ratio(hits(p), reads(p))]] },
    { id: "cpu", title: "Processor, busiest node", text: share, least: 0.1, optional: true, lines: () => [["of one processor", "c3", (p) => cpu(p) === null ? null : cpu(p) / 1e6]] },
    { id: "memory", title: "Memory, largest node", text: bytes, least: 1e6, optional: true, lines: () => [["memory", "c4", memory]] },
  ];

  // Of a sweep, a point is a run: its longest downtime of a client, and its longest election.
  const RUNS = [
    { id: "downtime", title: "Longest downtime of a client, run by run", text: duration, optional: true, lines: () => [["downtime", "down", (run) => run[0]]] },
    { id: "election", title: "Longest election, run by run", text: duration, optional: true, lines: () => [["election", "c0", (run) => run[1]]] },
  ];
  const isSweep = () => sweep !== null;
  const end = () => isSweep() ? Math.max(1, points.length) * step : Math.max(1e6, run ? run.planned_us : 0, points.length * step, state ? state.at_us : 0);
  const round = (most) => {
    const power = 10 ** Math.floor(Math.log10(most));
    return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= most * 0.999);
  };

  function chart(of) {
    const figure = element("figure", "chart");
    figure.id = `chart-${of.id}`;
    const key = element("ul", "key"), y = element("div", "y"), area = element("div", "area"), x = element("div", "x");
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 1000 100");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", of.title);
    area.append(svg, x);
    figure.append(element("figcaption", "", element("h3", "", of.title), key), element("div", "frame", y, area));
    byId("charts").append(figure);
    return { figure, key, y, svg, x };
  }
  const drawn = CHARTS.map((of) => [of, chart(of)]);
  const drawnRuns = RUNS.map((of) => [of, chart(of)]);

  function draw(of, at) {
    const lines = of.lines().map(([name, color, value]) => [name, color, points.map(value)]);
    const all = lines.flatMap(([, , values]) => values.filter((value) => value !== null && value !== undefined));
    at.figure.hidden = Boolean(of.optional) && all.length === 0;
    if (at.figure.hidden) return;
    const positive = of.log ? all.filter((value) => value > 0) : all;
    const top = round(Math.max(of.least || 1, positive.reduce((a, b) => Math.max(a, b), 0)));
    const low = of.log ? 10 ** Math.floor(Math.log10(Math.max(1, positive.reduce((a, b) => Math.min(a, b), top)))) : 0;
    const base = of.log && low >= top ? top / 10 : low;
    const height = (value) => of.log ? (value <= base ? 0 : Math.log(value / base) / Math.log(top / base)) : value / top;
    const length = end();
    const place = (i) => ((i + 0.5) * step / length * 1000).toFixed(1);
    let inside = "";
    for (const bar of bars) {
      if (bar.kind !== "fault") continue;
      const to = bar.to_us === null ? (state ? state.at_us : length) : bar.to_us;
      inside += `<rect class="shade" x="${bar.from_us / length * 1000}" width="${Math.max(1, (to - bar.from_us) / length * 1000)}" y="0" height="100"/>`;
    }
    inside += `<path class="rule" d="M0 50H1000M0 0H1000"/>`;
    for (const [name, color, values] of lines) {
      let path = "", isOn = false;
      values.forEach((value, i) => {
        if (value === null || value === undefined) { isOn = false; return; }
        path += `${isOn ? "L" : "M"}${place(i)} ${(100 - Math.min(1, height(value)) * 100).toFixed(1)}${isOn ? "" : "h.1"}`;
        isOn = true;
      });
      inside += `<path class="line ${name}" style="--c:var(--${color})" d="${path}"/>`;
    }
    at.svg.innerHTML = inside;
    const middle = of.log ? Math.sqrt(top * base) : top / 2;
    at.y.replaceChildren(...[[base, "1.3rem"], [middle, "calc(1.3rem + 4rem)"], [top, "calc(1.3rem + 8rem)"]].map(([value, bottom]) => {
      const label = element("span", "", of.text(value));
      label.style.bottom = bottom;
      return label;
    }));
    at.x.replaceChildren(element("span", "", isSweep() ? "" : "0"), element("span", "", isSweep() ? `${count(points.length)} runs` : seconds(length)));
    at.key.replaceChildren(...lines.map(([name, color, values]) => {
      const item = element("li", "", element("i", ""), `${name} `, element("b", "", or(values.at(-1), of.text)));
      item.style.setProperty("--c", `var(--${color})`);
      return item;
    }));
  }

  function lanes() {
    const length = end();
    const rows = new Map();
    const row = (label) => { if (!rows.has(label)) rows.set(label, element("div", "track")); return rows.get(label); };
    const order = ["phase", "alert", "fault", "leader"];
    const sorted = [...bars].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || (a.kind === "leader" ? a.lane.localeCompare(b.lane, "en", { numeric: true }) : 0));
    for (const bar of sorted) {
      const to = bar.to_us === null ? Math.max(bar.from_us, state ? state.at_us : 0) : bar.to_us;
      const made = element("div", `bar ${bar.kind}`, bar.label);
      made.title = `${bar.lane} ${bar.label}, from ${seconds(bar.from_us)}${bar.to_us === null ? "" : ` to ${seconds(bar.to_us)}`}`;
      made.style.left = `${bar.from_us / length * 100}%`;
      made.style.width = `${(to - bar.from_us) / length * 100}%`;
      row(bar.lane).append(made);
    }
    byId("lanes").replaceChildren(...[...rows].map(([label, track]) => element("div", "lane", element("div", "label", label), track)));
  }

  function figures() {
    const s = state, all = s.acknowledged + s.failed + s.unknown;
    const leader = s.leader === null ? (s.term === null ? "none yet" : "none") : s.leader;
    const tile = (name, value, small, mood) => [element("dt", "", name), element("dd", mood || "", value, element("small", "", small))];
    const tiles = [
      tile("request rate", rate(s.per_second), `${count(s.acknowledged)} acknowledged`),
      tile("p50", or(s.latency_us[0], duration), "last second"),
      tile("p95", or(s.latency_us[1], duration), "last second"),
      tile("p99", or(s.latency_us[2], duration), "last second"),
      tile("errors", all === 0 ? "–" : share((s.failed + s.unknown) / all), `${count(s.failed)} failed, ${count(s.unknown)} unknown`),
      tile("leader", leader, s.term === null ? "no term" : s.leader === null ? `term ${s.term} is over, for ${duration(s.leaderless_us)}` : `term ${s.term}`, s.leader === null ? "bad" : ""),
      tile("clients without service", `${count(s.clients[1])} of ${count(s.clients[0])}`, s.clients[1] > 0 ? `for ${duration(s.without_us)}` : "all are answered", s.clients[1] > 0 ? "bad" : ""),
      tile("waiting", count(s.outstanding), "operations"),
    ];
    if (s.depth !== null) tiles.push(tile("queue depth", count(s.depth), "messages"));
    if (s.reads > 0) tiles.push(tile("hit rate", share(s.hits / s.reads), `${count(s.reads)} reads`));
    byId("figures").replaceChildren(...tiles.map((pair) => element("div", "", ...pair)));
  }

  function tables() {
    byId("now").replaceChildren(
      ...state.alerts.map((alert) => element("span", "chip alert", element("strong", "", `${alert.name} `), `${alert.severity}: ${alert.condition}, since ${seconds(alert.from_us)}`)),
      ...state.faults.map((fault) => element("span", "chip fault", fault)));
    const words = { open: ["not known yet", "soft"], kept: ["kept", "good"], at_risk: ["warning", "doubtful"], missed: ["missed", "bad"] };
    byId("objectives").hidden = state.objectives.length === 0;
    byId("objectives").querySelector("tbody").replaceChildren(...state.objectives.map((one) => {
      const [word, mood] = words[one.standing];
      return element("tr", "", element("td", "", one.name), element("td", `standing ${mood}`, one.missed_for === null ? word : `${word}, ${one.missed_for}`),
        element("td", "number", one.value === null ? "–" : one.value), element("td", "number", `${one.sign} ${one.limit}`),
        element("td", "number", one.warning === null ? "–" : one.warning));
    }));
    byId("nodes").hidden = state.nodes.length === 0;
    byId("nodes").querySelector("tbody").replaceChildren(...state.nodes.map((node) => element("tr", "", element("td", "", node.node),
      element("td", "number", or(node.cpu_ppm, (ppm) => share(ppm / 1e6))), element("td", "number", or(node.memory_bytes, bytes)),
      element("td", "number", or(node.disk_written_bytes, bytes)), element("td", "number", or(node.net_sent_bytes, bytes)))));
  }

  function redrawSweep() {
    document.title = `${sweep.title} · Squall`;
    byId("run").textContent = `sweep of ${sweep.title}`;
    byId("phase").textContent = `${count(sweep.done)} of ${count(sweep.planned)} runs`;
    byId("clock").textContent = "";
    const done = Math.min(100, sweep.done / Math.max(1, sweep.planned) * 100);
    const progress = document.querySelector(".progress");
    progress.setAttribute("aria-valuenow", done.toFixed(0));
    progress.firstElementChild.style.width = `${done}%`;
    byId("figures").replaceChildren(...sweep.endings.map(([ending, many]) => element("div", "", element("dt", "", ending),
      element("dd", ending === "pass" ? "good" : many > 0 ? "bad" : "", count(many)))));
    byId("sweep").hidden = false;
    byId("none").hidden = sweep.failures.length > 0;
    byId("sweep").querySelector(".scroll").hidden = sweep.failures.length === 0;
    byId("sweep").querySelector("tbody").replaceChildren(...sweep.failures.map(([scenario, seed, ending, why]) => element("tr", "",
      element("td", "", scenario), element("td", "number", String(seed)), element("td", "bad", ending), element("td", "", why))));
    byId("happened").hidden = true;
    for (const [, at] of drawn) at.figure.hidden = true;
    for (const [of, at] of drawnRuns) draw(of, at);
    document.documentElement.dataset.ready = "yes";
  }

  function redraw() {
    isDrawn = true;
    if (isSweep()) { redrawSweep(); return; }
    if (run) {
      document.title = `${run.scenario} seed ${run.seed} · Squall`;
      byId("run").textContent = `${run.scenario} seed ${run.seed} on ${run.backend_title}${run.pace ? ` at ${run.pace}` : ""}`;
    }
    if (state) {
      byId("phase").textContent = state.phase === null ? "forming" : state.phase;
      const planned = run && run.planned_us > state.at_us ? ` of ${seconds(run.planned_us)}` : "";
      byId("clock").textContent = seconds(state.at_us) + planned;
      const done = run ? Math.min(100, state.at_us / Math.max(1, run.planned_us) * 100) : 0;
      const progress = document.querySelector(".progress");
      progress.setAttribute("aria-valuenow", done.toFixed(0));
      progress.firstElementChild.style.width = `${done}%`;
      figures();
      tables();
    }
    lanes();
    for (const [of, at] of drawn) draw(of, at);
    for (const [, at] of drawnRuns) at.figure.hidden = true;
    document.documentElement.dataset.ready = "yes";
  }

  function linked(word, className) {
    byId("link").textContent = word;
    byId("link").className = `link ${className}`;
  }

  async function report() {
    linked("the run is over", "");
    try {
      const answer = await fetch(`/report${location.search}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const text = await answer.text();
      document.open();
      document.write(text);
      document.close();
    } catch (error) {
      linked("the run is over, and its report was not to be had; squall report DIR --html writes it", "lost");
    }
  }

  let stream;
  function listen() {
    stream = new EventSource(`/events${location.search}`);
    stream.onopen = () => linked("live", "live");
    stream.onerror = () => {
      if (stream.readyState !== EventSource.CLOSED) { linked("the connection is lost; trying again", "lost"); return; }
      // It was refused, which a browser does not try again by itself.
      linked("too many pages watch already; trying again every 5 s", "lost");
      setTimeout(listen, 5000);
    };
    stream.onmessage = hear;
  }

  function hear(event) {
    const news = JSON.parse(event.data);
    if (news.run) { run = news.run; bars = []; }
    step = news.step_us;
    services = news.services;
    points.length = Math.min(points.length, news.from);
    points.push(...news.points);
    if (news.bars !== null) bars = news.bars;
    state = news.state;
    sweep = news.sweep;
    if (isSweep()) points = sweep.runs;
    if (news.is_over) { stream.close(); report(); return; }
    if (isDrawn) { isDrawn = false; requestAnimationFrame(redraw); }
  }

  listen();
})();
