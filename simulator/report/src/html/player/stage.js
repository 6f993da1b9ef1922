// Draws the cluster at a moment: nodes in a ring, clients beneath, links, and messages between.
const make = (parent, tag, attributes = {}, text = "") => {
  // The name space of the drawing that is in the page, so that none need be written here.
  const element = document.createElementNS(parent.namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== "") element.textContent = text;
  parent.append(element);
  return element;
};
const html = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};

const NODE = 23, CLIENT = 7, BAR = 78, CELL = 58;
// A name that fits beneath a client: its words cut as far as need be.
const shortened = (name) => {
  const MOST_CHARS = 10;
  const cut = (letters) => name.split("-").map((word) => word.slice(0, letters)).join("-");
  return [99, 5, 4, 3, 2].map(cut).find((text) => text.length <= MOST_CHARS) ?? cut(1);
};
const FAMILIES = { append: "log", appended: "log", conflict: "log", heartbeat: "beat", call: "call", answer: "call", snapshot: "bulk" };
const family = (message) => {
  if (message.isMinor) return "beat";
  const kind = FAMILIES[message.kind] ?? message.kind;
  if (/vote|transfer/.test(kind)) return "vote";
  return kind.startsWith("snapshot") ? "bulk" : kind;
};

class Stage {
  constructor(svg) {
    this.svg = svg;
    this.links = make(svg, "g");
    this.flights = make(svg, "g");
    this.bodies = make(svg, "g");
    this.nodes = played.nodes.map((name) => this.body(name));
    this.clients = played.clients.map((name) => {
      const group = make(this.bodies, "g", { class: "client" });
      make(group, "rect", { x: -CLIENT, y: -CLIENT, width: 2 * CLIENT, height: 2 * CLIENT, rx: 3 });
      make(group, "text", { y: CLIENT + 11 }, shortened(name));
      make(group, "title", {}, name);
      return group;
    });
    // Above nodes, so that what is looked at is not hidden by them.
    this.chosen = make(svg, "g");
    this.labels = make(svg, "g", { class: "labels" });
    this.lay();
  }

  body(name) {
    const group = make(this.bodies, "g");
    make(group, "circle", { r: NODE });
    make(group, "path", { class: "gone", d: "M-9 -9L9 9M9 -9L-9 9" });
    const term = make(group, "text", { class: "term", y: 4 });
    const badges = make(group, "g");
    make(group, "text", { class: "name", y: NODE + 14 }, name);
    const part = make(group, "text", { y: NODE + 27 });
    const bar = make(group, "g", { transform: `translate(${-BAR / 2} ${NODE + 33})` });
    make(bar, "rect", { class: "frame", width: BAR, height: 6, rx: 2 });
    const last = make(bar, "rect", { class: "last", height: 6, rx: 2 });
    const commit = make(bar, "rect", { class: "commit", height: 6, rx: 2 });
    const mark = make(bar, "path", { class: "mark", d: "M0 -2V8" });
    const figures = make(group, "text", { class: "figures", y: NODE + 51 });
    return { group, term, badges, part, bar, last, commit, mark, figures };
  }

  // Places everything for the width that there is.
  lay() {
    const width = Math.max(280, this.svg.parentElement.clientWidth);
    const count = this.nodes.length;
    const most = Math.max(1, Math.floor((width - 10) / CELL));
    const rows = Math.ceil(played.clients.length / most);
    const acrossRow = Math.max(1, Math.ceil(played.clients.length / rows));
    const across = Math.min(width / 2 - 48, 250);
    const down = Math.min(across * 0.8, 165) + (count > 7 ? 30 : 0);
    const middle = [width / 2, down + NODE + 16];
    const foot = middle[1] + down + NODE + 84;
    this.places = played.nodes.map((_, node) => {
      const angle = (2 * Math.PI * node) / count - Math.PI / 2;
      return [middle[0] + across * Math.cos(angle), middle[1] + down * Math.sin(angle)];
    });
    this.clientPlaces = played.clients.map((_, client) => {
      const row = Math.floor(client / acrossRow);
      const inRow = row === rows - 1 ? played.clients.length - row * acrossRow : acrossRow;
      return [(width * (client % acrossRow + 0.5)) / inRow, foot + row * 34];
    });
    const height = foot + Math.max(0, rows - 1) * 34 + 26;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    const put = (group, [x, y]) => group.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    this.nodes.forEach((node, place) => put(node.group, this.places[place]));
    this.clients.forEach((client, place) => put(client, this.clientPlaces[place]));
  }

  // The way between two parties, from edge to edge, a little to its right so that two
  // directions do not lie on each other.
  way(from, to, aside = 4) {
    const ends = [from, to].map((party) => (party >= 0 ? [this.places[party], NODE] : [this.clientPlaces[-1 - party], CLIENT]));
    const [[a, aRadius], [b, bRadius]] = ends;
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const length = Math.hypot(dx, dy) || 1;
    const [x, y] = [dx / length, dy / length];
    const shift = [-y * aside, x * aside];
    const at = (along) => [a[0] + x * along + shift[0], a[1] + y * along + shift[1]];
    return { begin: at(aRadius + 2), end: at(length - bRadius - 3), at: (part) => at(aRadius + 2 + part * (length - aRadius - bRadius - 5)) };
  }

  draw(at, glow, chosen) {
    const faults = faultsAt(at);
    this.drawLinks(faults);
    this.drawNodes(at, faults);
    this.clients.forEach((group, client) => {
      const operation = operationAt(client, at);
      const state = !operation ? "idle" : operation.end > at ? "waiting" : ["acked", "failed", "unknown"][operation.outcome];
      group.setAttribute("class", `client ${state}`);
    });
    this.drawMessages(at, glow, chosen);
  }

  drawLinks(faults) {
    this.links.replaceChildren();
    const state = new Map();
    for (const [kind, list] of [["slow", "slow"], ["cut", "cut"]]) {
      for (const fault of faults) for (const [a, b] of fault[list]) state.set(`${a} ${b}`, kind);
    }
    for (let a = 0; a < this.places.length; a += 1) {
      for (let b = a + 1; b < this.places.length; b += 1) {
        const { begin, end } = this.way(a, b, 0);
        const [there, back] = [state.get(`${a} ${b}`), state.get(`${b} ${a}`)];
        const worst = there === "cut" || back === "cut" ? "cut" : there ?? back ?? "";
        make(this.links, "path", { class: `link ${worst}`, d: `M${begin}L${end}` });
        // A cross near the end that is not reached.
        for (const [from, to, is] of [[a, b, there], [b, a, back]]) {
          if (is !== "cut") continue;
          const [x, y] = this.way(from, to, 0).at(there === back ? 0.5 : 0.72);
          make(this.links, "path", { class: "cross", d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` });
        }
      }
    }
  }

  drawNodes(at, faults) {
    const known = played.nodes.map((_, node) => indexAt(node, at));
    const ends = known.filter(Boolean).flatMap((index) => [index.last, index.commit]);
    const top = Math.max(1, ...ends);
    // The shortest log of those that are up says where the bars begin.
    const low = Math.max(0, Math.min(top - 12, ...known.filter((index) => index && index.commit > 0).map((index) => index.commit - 4)));
    const share = (index) => BAR * Math.max(0, Math.min(1, (index - low) / (top - low)));
    this.nodes.forEach((node, place) => {
      const now = roleAt(place, at);
      const role = now ? now.role : "absent";
      const troubles = troublesOf(place, faults);
      node.group.setAttribute("class", `node ${role}${troubles.includes("cut off") ? " lonely" : ""}${troubles.includes("pause") ? " paused" : ""}`);
      node.term.textContent = now && role !== "down" ? `t${now.term}` : "";
      node.part.textContent = now ? (role === "down" ? "down" : `${role}, term ${now.term}`) : "unknown";
      node.badges.replaceChildren();
      troubles.forEach((trouble, nth) => {
        const wide = 8 + 5.6 * trouble.length;
        // On the side where there is room.
        const isRight = this.places[place][0] > this.svg.viewBox.baseVal.width * 0.6;
        const left = isRight ? 8 - NODE - wide : NODE - 8;
        const badge = make(node.badges, "g", { class: "badge", transform: `translate(${left} ${-NODE - 2 + nth * 15})` });
        make(badge, "rect", { width: wide, height: 13, rx: 3 });
        make(badge, "text", { x: wide / 2, y: 10 }, trouble);
      });
      const index = known[place];
      node.bar.setAttribute("visibility", index ? "visible" : "hidden");
      if (index) {
        node.last.setAttribute("width", share(index.last));
        node.commit.setAttribute("width", share(index.commit));
        node.mark.setAttribute("transform", `translate(${share(index.commit)} 0)`);
      }
      node.figures.textContent = index ? `commit ${index.commit} of ${index.last}` : "";
    });
  }

  drawMessages(at, glow, chosen) {
    this.flights.replaceChildren();
    this.chosen.replaceChildren();
    this.labels.replaceChildren();
    const MOST = 250, MOST_LABELS = 10;
    const all = underWay(at, glow).filter((message) => message !== chosen);
    const parked = new Map();
    const flying = [];
    for (const message of all) {
      // What is held up waits in the middle of its way, with all that is held up with it.
      const isHeld = message.held && message.end - message.at > SHORT_US && at - message.at > 20e3 && message.end - at > 20e3;
      if (!isHeld) { flying.push(message); continue; }
      const way = `${message.from} ${message.to}`;
      parked.set(way, [...(parked.get(way) ?? []), message]);
    }
    for (const held of parked.values()) {
      const [x, y] = this.way(held[0].from, held[0].to, 8).at(0.5);
      const words = `${held.length} held: ${held.slice(0, 4).map((message) => worded(message.text, message.numbers)).join("; ")}`;
      const group = make(this.flights, "g", { class: "held", transform: `translate(${x} ${y})` });
      make(group, "circle", { r: held.length > 1 ? 7.5 : 4.5 });
      if (held.length > 1) make(group, "text", { y: 3.5 }, String(held.length));
      make(group, "title", {}, words);
    }
    const labelled = flying.filter((message) => !message.isMinor && message.end >= at).length <= MOST_LABELS;
    for (const message of flying.slice(0, MOST)) {
      this.fly(this.flights, message, at, glow, labelled && !message.isMinor && message.end >= at);
    }
    if (chosen) this.fly(this.chosen, chosen, at, glow, true, true);
  }

  fly(layer, message, at, glow, isLabelled, isChosen = false) {
    const way = this.way(message.from, message.to);
    const over = message.end < at;
    const flight = message.end === Infinity ? SHORT_US : Math.max(1, message.end - message.at);
    const part = isChosen && !isMoving ? 0.5 : Math.min(1, (at - message.at) / flight);
    const group = make(layer, "g", { class: `message ${family(message)}${message.answers ? " back" : ""}${isChosen ? " chosen" : ""}` });
    const opacity = over && !isChosen ? Math.max(0, 0.5 * (1 - (at - message.end) / glow)) : 1;
    if (opacity < 1) group.setAttribute("opacity", opacity.toFixed(2));
    make(group, "path", { class: "trail", d: `M${way.begin}L${over || isChosen ? way.end : way.at(part)}`, ...(isChosen ? { "marker-end": "url(#player-tip)" } : {}) });
    const [x, y] = way.at(part);
    if (message.lost && part >= 1) make(group, "path", { class: "cross", d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` });
    else if (!over || isChosen) make(group, "circle", { cx: x, cy: y, r: message.isMinor ? 2.6 : 4.2 });
    make(group, "title", {}, messageWords(message));
    // Near its ends, the nodes there are in the way of words.
    if (!isLabelled || (!isChosen && (part < 0.12 || part > 0.92))) return;
    const words = worded(message.text, message.numbers);
    const MOST_CHARS = isChosen ? 34 : 20;
    const shown = words.length > MOST_CHARS ? `${words.slice(0, MOST_CHARS - 1)}…` : words;
    const half = shown.length * 2.9;
    const width = this.svg.viewBox.baseVal.width;
    const place = { x: Math.max(half + 2, Math.min(width - half - 2, x)), y: y - 8 };
    make(this.labels, "text", { ...place, class: isChosen ? "chosen" : "" }, shown);
  }
}

// What faults do to a node, in a word each.
const troublesOf = (node, faults) => {
  const words = [];
  for (const fault of faults) {
    if (fault.cutOff.includes(node)) words.push("cut off");
    else if (fault.nodes.includes(node) && fault.group !== "network") words.push(fault.kind === "pause" ? "pause" : fault.group === "process" ? "process" : fault.group);
    else if (fault.slow.some((ends) => ends.includes(node))) words.push("slow link");
  }
  return [...new Set(words)];
};
