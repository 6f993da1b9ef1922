"use strict";
// Reads graphs off: one cursor for all graphs on one axis, by pointer, finger or keyboard.
// Also zooms the time axis, chooses among alternatives, and shows the numbers as a table.
// The graphs themselves are in the page already.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const grids = new Map(data.grids.map((grid) => [grid.name, { ...grid, view: [grid.from, grid.to], plots: [] }]));
  const html = (tag, attributes = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  };

  // Numbers, written as the report writes them.
  const group = (value) => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const cut = (value, scale, digits) => {
    const power = 10 ** digits;
    return (Math.floor((value * power) / scale) / power).toFixed(digits);
  };
  const short = (value, scale) => {
    const [whole, rest] = cut(value, scale, 2).split(".");
    const digits = rest.replace(/0+$/, "");
    return group(whole) + (digits ? "." + digits : "");
  };
  const bytes = (value) => {
    for (const [size, unit] of [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
      if (value >= size) return `${short(value, size)} ${unit}`;
    }
    return `${value} B`;
  };
  const duration = (us) => {
    if (us === 0) return "0";
    if (us < 1e3) return `${us} µs`;
    if (us < 1e4) return `${cut(us, 1e3, 2)} ms`;
    if (us < 1e5) return `${cut(us, 1e3, 1)} ms`;
    if (us < 1e6) return `${cut(us, 1e3, 0)} ms`;
    if (us < 1e7) return `${cut(us, 1e6, 3)} s`;
    return `${cut(us, 1e6, 2)} s`;
  };
  const text = {
    rate: (value) => `${value < 10000 ? short(value, 1000) : group(Math.floor((value + 500) / 1000))}/s`,
    duration,
    share: (value) => `${cut(value, 10000, 2)} %`,
    count: group,
    bytes,
    byterate: (value) => `${bytes(value)}/s`,
  };
  const read = (unit, value) => (value === null || value === undefined ? "–" : text[unit](value));

  const clock = (ms) => {
    const tenths = Math.round(ms / 10) / 100;
    if (tenths < 60) return `${tenths} s`;
    const seconds = Math.round(ms / 100) / 10;
    const minutes = Math.floor(seconds / 60);
    return `${minutes} min ${Math.round((seconds - 60 * minutes) * 10) / 10} s`;
  };
  const place = (grid, index) => {
    const at = grid.places[index];
    if (grid.kind === "time") return clock(at);
    if (grid.kind === "duration") return `≤ ${duration(Math.round(10 ** at))}`;
    if (grid.kind === "percentile") return `${(100 * (1 - 10 ** -at)).toFixed(Math.max(1, Math.ceil(at)))} %`;
    return grid.labels[index] ?? String(at);
  };

  // The cursor of a grid.
  const nearest = (grid, at) => {
    const places = grid.places;
    let low = 0, high = places.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle] < at) low = middle + 1; else high = middle;
    }
    return low > 0 && at - places[low - 1] < places[low] - at ? low - 1 : low;
  };
  const fraction = (grid, at) => (at - grid.view[0]) / (grid.view[1] - grid.view[0]);
  const lanes = [...document.querySelectorAll(".lanes .lane")];
  const inForce = (at) => {
    const said = [];
    for (const lane of lanes) {
      for (const bar of lane.querySelectorAll(".bar")) {
        const from = Number(bar.style.getPropertyValue("--a"));
        const to = Number(bar.style.getPropertyValue("--b"));
        if (from <= at && at <= Math.max(to, from)) said.push(bar.dataset.label);
      }
    }
    return said;
  };
  const clear = (grid) => {
    grid.index = null;
    for (const plot of grid.plots) {
      plot.figure.classList.remove("reading");
      plot.outputs.forEach((output, line) => { output.textContent = plot.rest[line]; });
      plot.cursor.hidden = true;
    }
    for (const cursor of grid.cursors) cursor.hidden = true;
    if (grid.moment) {
      grid.moment.classList.remove("on");
      grid.moment.querySelector("output").textContent = grid.rest;
    }
  };
  const point = (grid, index) => {
    index = Math.max(0, Math.min(grid.places.length - 1, index));
    grid.index = index;
    const at = grid.places[index];
    const share = fraction(grid, at);
    const name = place(grid, index);
    const left = `${100 * share}%`;
    for (const plot of grid.plots) {
      const values = plot.lines.map((line) => read(plot.unit, line.values[index]));
      plot.figure.classList.add("reading");
      plot.outputs.forEach((output, line) => {
        const band = plot.lines[line].band;
        const span = band?.[index] && band[index][0] !== band[index][1]
          ? ` (${read(plot.unit, band[index][0])} to ${read(plot.unit, band[index][1])})` : "";
        output.textContent = values[line] + span;
      });
      plot.cursor.hidden = share < 0 || share > 1;
      plot.cursor.style.left = left;
      plot.area.setAttribute("aria-valuenow", index);
      plot.area.setAttribute("aria-valuetext", `${name}: ${plot.lines.map((line, i) => `${line.name} ${values[i]}`).join(", ")}`);
      if (plot.where) plot.where.textContent = name;
    }
    for (const cursor of grid.cursors) {
      cursor.hidden = share < 0 || share > 1;
      cursor.style.left = left;
    }
    if (grid.moment) {
      grid.moment.classList.add("on");
      grid.moment.querySelector("output").replaceChildren(html("b", { textContent: name }), inForce(at).join(" · "));
    }
  };

  // The stretch of the time axis that is shown.
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5];
  const tickText = (ms) => {
    if (ms === 0) return "0";
    if (ms < 1e3) return `${ms} ms`;
    return ms < 12e4 ? `${Number((ms / 1e3).toFixed(3))} s` : `${Number((ms / 6e4).toFixed(2))} min`;
  };
  const look = (grid, from, to) => {
    const least = Math.min(grid.to - grid.from, 5 * (grid.places[1] - grid.places[0] || 1));
    if (to - from < least) { const middle = (from + to) / 2; from = middle - least / 2; to = middle + least / 2; }
    from = Math.max(grid.from, from); to = Math.min(grid.to, to);
    grid.view = [from, to];
    const whole = from === grid.from && to === grid.to;
    const step = steps.find((step) => (to - from) / step <= 10) ?? (to - from) / 10;
    const ticks = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push([at, tickText(at)]);
    for (const frame of grid.frames) {
      frame.style.setProperty("--t0", from);
      frame.style.setProperty("--dt", to - from);
      for (const axis of frame.querySelectorAll(".x")) {
        axis.classList.toggle("many", (whole ? grid.ticks : ticks).length > 5);
        axis.replaceChildren(...(whole ? grid.ticks : ticks).map(([at, name]) => {
          const tick = html("span", { textContent: name });
          tick.style.setProperty("--a", at);
          return tick;
        }));
      }
    }
    for (const plot of grid.plots) plot.svg.setAttribute("viewBox", `${from} 0 ${to - from} 1000`);
    if (grid.moment) grid.moment.querySelector("button").hidden = whole;
    if (grid.index !== null) point(grid, grid.index);
  };

  for (const plot of data.plots) {
    const figure = document.getElementById(plot.id);
    const grid = grids.get(plot.grid);
    plot.figure = figure;
    plot.area = figure.querySelector(".area");
    plot.svg = figure.querySelector("svg");
    plot.cursor = plot.area.querySelector(".cursor");
    plot.outputs = [...figure.querySelectorAll(".key output")];
    plot.rest = plot.outputs.map((output) => output.textContent);
    if (grid.kind !== "time") {
      plot.where = html("span", { className: "where" });
      figure.querySelector("figcaption").append(plot.where);
    }
    grid.plots.push(plot);
  }

  for (const grid of grids.values()) {
    grid.moment = document.querySelector(`.moment[data-grid="${grid.name}"]`);
    grid.rest = grid.moment?.querySelector("output").textContent;
    grid.cursors = grid.kind === "time" ? [...document.querySelectorAll(".track .cursor")] : [];
    grid.index = null;
    const isTime = grid.kind === "time";
    grid.frames = [...grid.plots.map((plot) => plot.area.parentElement), ...(isTime ? document.querySelectorAll(".lanes") : [])];
    const areas = [...grid.plots.map((plot) => plot.area), ...(isTime ? document.querySelectorAll(".lanes .track") : [])];
    const at = (area, event) => {
      const box = area.getBoundingClientRect();
      const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
      return grid.view[0] + share * (grid.view[1] - grid.view[0]);
    };
    for (const area of areas) {
      let begin = null, select = null;
      area.addEventListener("pointermove", (event) => {
        const here = at(area, event);
        point(grid, nearest(grid, here));
        if (begin !== null) {
          const [a, b] = [begin, here].sort((x, y) => x - y).map((x) => fraction(grid, x));
          select ??= area.appendChild(html("div", { className: "select" }));
          select.style.left = `${100 * a}%`;
          select.style.width = `${100 * (b - a)}%`;
        }
      });
      area.addEventListener("pointerdown", (event) => {
        point(grid, nearest(grid, at(area, event)));
        if (isTime && event.pointerType === "mouse" && event.button === 0) {
          begin = at(area, event);
          area.setPointerCapture(event.pointerId);
        }
      });
      const end = (event) => {
        select?.remove();
        select = null;
        if (begin === null) return;
        const here = at(area, event);
        const wide = Math.abs(fraction(grid, here) - fraction(grid, begin)) > 0.01;
        if (wide && event.type === "pointerup") look(grid, Math.min(begin, here), Math.max(begin, here));
        begin = null;
      };
      area.addEventListener("pointerup", end);
      area.addEventListener("pointercancel", end);
      area.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && begin === null) clear(grid); });
      if (isTime) area.addEventListener("dblclick", () => look(grid, grid.from, grid.to));
      area.addEventListener("keydown", (event) => {
        const now = grid.index ?? 0, last = grid.places.length - 1, far = Math.ceil(last / 20);
        const moves = { ArrowLeft: now - (event.shiftKey ? far : 1), ArrowRight: now + (event.shiftKey ? far : 1),
          PageDown: now - far, PageUp: now + far, Home: 0, End: last };
        if (event.key in moves) point(grid, grid.index === null && event.key.startsWith("Arrow") ? 0 : moves[event.key]);
        else if (event.key === "Escape") { clear(grid); if (isTime) look(grid, grid.from, grid.to); }
        else if (isTime && (event.key === "+" || event.key === "-")) {
          const middle = grid.places[now], half = (grid.view[1] - grid.view[0]) * (event.key === "+" ? 0.25 : 1);
          look(grid, middle - half, middle + half);
        } else return;
        event.preventDefault();
      });
    }
    grid.moment?.querySelector("button").addEventListener("click", () => look(grid, grid.from, grid.to));
  }

  // Alternatives of which one is shown.
  for (const choice of document.querySelectorAll(".choice")) {
    const show = (chosen) => {
      for (const figure of document.querySelectorAll(`figure[data-group="${choice.dataset.group}"]`)) {
        figure.hidden = figure.dataset.choice !== chosen;
      }
    };
    choice.hidden = false;
    choice.addEventListener("change", (event) => show(event.target.value));
    show(choice.querySelector("input:checked").value);
  }

  // The numbers of a graph as a table, made when asked for.
  for (const plot of data.plots) {
    const grid = grids.get(plot.grid);
    const details = html("details", {}, html("summary", { textContent: "Numbers" }));
    details.addEventListener("toggle", () => {
      if (!details.open || details.childElementCount > 1) return;
      const heads = [grid.kind === "time" ? "time" : grid.kind, ...plot.lines.map((line) => line.name)];
      const head = html("tr", {}, ...heads.map((name, i) => html("th", { textContent: name, className: i ? "number" : "" })));
      const rows = grid.places.map((_, index) => html("tr", {}, html("td", { textContent: place(grid, index) }),
        ...plot.lines.map((line) => html("td", { className: "number", textContent: read(plot.unit, line.values[index]) }))));
      details.append(html("div", { className: "scroll", tabIndex: 0 },
        html("table", {}, html("thead", {}, head), html("tbody", {}, ...rows))));
    });
    plot.figure.append(details);
  }
  document.documentElement.dataset.ready = "yes";
})();
