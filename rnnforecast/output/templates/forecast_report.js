"use strict";
(() => {
  const data = JSON.parse(document.getElementById("series-data").textContent);
  const $ = (id) => document.getElementById(id);
  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const MOST_NAMES = 200;
  const MARGIN = { left: 56, right: 12, top: 10, bottom: 28 };

  // ---- time axis ---------------------------------------------------------------------------
  const axis = [data.axis.first];
  for (const [step, count] of data.axis.runs)
    for (let i = 0; i < count; i++) axis.push(axis[axis.length - 1] + step);
  const isTime = data.unit !== "number";
  const dates = new Map();
  const dateAt = (at) => {
    if (!dates.has(at)) dates.set(at, new Date(axis[at] * 1000));
    return dates.get(at);
  };
  const pad = (number) => String(number).padStart(2, "0");
  const clock = (date) => `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;

  function timestamp(at) {
    if (!isTime) return String(axis[at]);
    const date = dateAt(at), year = date.getUTCFullYear(), month = MONTHS[date.getUTCMonth()];
    if (data.unit === "year") return `${year}`;
    if (data.unit === "month") return `${month} ${year}`;
    const day = `${date.getUTCDate()} ${month} ${year}`;
    if (data.unit === "day") return day;
    return data.unit === "second" ? `${day} ${clock(date)}:${pad(date.getUTCSeconds())}` : `${day} ${clock(date)}`;
  }

  // Units of time from short to long: the number of the period, and the label of its first step.
  const PERIODS = [
    [(d) => Math.floor(d / 6e4), clock], [(d) => Math.floor(d / 9e5), clock],
    [(d) => Math.floor(d / 36e5), clock], [(d) => Math.floor(d / 216e5), clock],
    [(d) => Math.floor(d / 864e5), (d) => `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`],
    [(d) => Math.floor((d / 864e5 + 3) / 7), (d) => `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`],
    ...[1, 3, 6].map((n) => [
      (d) => Math.floor((d.getUTCFullYear() * 12 + d.getUTCMonth()) / n),
      (d) => (d.getUTCMonth() < n ? `${d.getUTCFullYear()}` : MONTHS[d.getUTCMonth()]),
    ]),
    ...[1, 2, 5, 10, 20, 50, 100, 500].map((n) => [
      (d) => Math.floor(d.getUTCFullYear() / n), (d) => `${d.getUTCFullYear()}`,
    ]),
  ];

  function timeTicks(series, first, last, most) {
    const steps = [];
    for (let i = Math.max(first, 0); i <= Math.min(last, series.at.length - 1); i++) steps.push(i);
    if (!isTime) {
      const every = Math.max(1, niceStep((last - first) / most));
      return steps.filter((i) => axis[series.at[i]] % every === 0).map((i) => [i, timestamp(series.at[i])]);
    }
    let finer = [];
    for (const [number, label] of PERIODS) {
      const ticks = [];
      for (const i of steps) {
        const date = dateAt(series.at[i]);
        const before = i > 0 ? number(dateAt(series.at[i - 1])) : null;
        if (before !== null && before !== number(date)) ticks.push([i, label(date)]);
      }
      if (ticks.length <= most) {
        if (ticks.length >= 3 || !finer.length) return ticks;
        const every = Math.ceil(finer.length / most);
        return finer.filter((_, i) => i % every === 0);
      }
      finer = ticks;
    }
    return [];
  }

  const niceStep = (rough) => {
    const power = 10 ** Math.floor(Math.log10(rough || 1));
    return [1, 2, 5, 10].find((each) => each * power >= rough * 0.999999) * power;
  };

  // ---- numbers -----------------------------------------------------------------------------
  function format(value, decimals) {
    if (value !== 0 && (Math.abs(value) >= 1e12 || Math.abs(value) < 1e-6)) return value.toExponential(3).replace("-", "−");
    const [whole, part] = Math.abs(value).toFixed(Math.min(decimals, 9)).split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    const fraction = part && part.replace(/0+$/, "");
    const text = fraction ? `${grouped}.${fraction}` : grouped;
    return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
  }
  const rounded = (value) => {
    const digits = value ? Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))) : 0;
    return format(value, digits);
  };
  const short = (value) => {
    for (const [unit, letter] of [[1e9, "B"], [1e6, "M"]])
      if (Math.abs(value) >= unit && Math.abs(value) < 1e12) return `${rounded(value / unit)}${letter}`;
    return format(value, value ? Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value)))) : 0);
  };

  // ---- series ------------------------------------------------------------------------------
  const decoded = new Map();
  function decode(index) {
    if (decoded.has(index)) return decoded.get(index);
    const raw = data.series[index], unit = 10 ** Math.abs(raw.e);
    const value = (v) => (v === null ? null : raw.e < 0 ? v / unit : v * unit);
    const y = raw.y.map(value);
    const series = {
      name: raw.n, words: raw.w, decimals: Math.max(0, -raw.e), y,
      at: Array.isArray(raw.t) ? raw.t : y.map((_, i) => raw.t + i),
      forecasts: raw.f.map((f) => ({
        begin: f.b, y: f.y.map(value), q: f.q.map((q) => q.map(value)),
        simple: f.s ? f.s.map(value) : null,
      })),
    };
    decoded.set(index, series);
    return series;
  }

  // ---- chart -------------------------------------------------------------------------------
  const SVG = "http://www.w3.org/2000/svg";
  function element(parent, name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }

  let current = 0, view = null, shown = [], cursor = null;
  const plot = $("plot");

  function path(values, begin, x, y, [first, last]) {
    let text = "", open = false;
    values.forEach((value, i) => {
      const step = begin + i;
      if (value === null || step < first - 1 || step > last + 1) { open = false; return; }
      const alone = !open && (i + 1 === values.length || values[i + 1] === null);
      text += `${open ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}${alone ? "h1.5" : ""}`;
      open = true;
    });
    return text;
  }

  function bandPath(low, high, begin, x, y) {
    const known = low.map((_, i) => i).filter((i) => low[i] !== null && high[i] !== null);
    if (!known.length) return "";
    const up = known.map((i) => `${x(begin + i).toFixed(1)} ${y(high[i]).toFixed(1)}`);
    const down = known.reverse().map((i) => `${x(begin + i).toFixed(1)} ${y(low[i]).toFixed(1)}`);
    return `M${up.concat(down).join("L")}Z`;
  }

  function valueRange(series, [first, last]) {
    let low = Infinity, high = -Infinity;
    const take = (values, begin) => values.forEach((value, i) => {
      if (value === null || begin + i < first || begin + i > last) return;
      low = Math.min(low, value);
      high = Math.max(high, value);
    });
    take(series.y, 0);
    for (const f of series.forecasts) {
      take(f.y, f.begin);
      f.q.forEach((q) => take(q, f.begin));
    }
    if (low > high) return [0, 1];
    const margin = 0.05 * (high - low) || Math.abs(high) * 0.1 || 1;
    return [low >= 0 && low - margin < 0 ? 0 : low - margin, high + margin];
  }

  function draw() {
    const series = decode(current), total = series.at.length - 1;
    if (!view) view = [data.first ? Math.max(0, total + 1 - data.first) : 0, total];
    const width = Math.max(280, Math.round(plot.clientWidth || 720));
    const height = Math.round(Math.min(420, Math.max(240, width * 0.48)));
    const [first, last] = view, [low, high] = valueRange(series, view);
    const right = width - MARGIN.right, bottom = height - MARGIN.bottom;
    const x = (step) => MARGIN.left + ((step - first) / (last - first || 1)) * (right - MARGIN.left);
    const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - MARGIN.top);
    const svg = document.createElementNS(SVG, "svg");
    const label = `${series.name}: ${series.words.join(" ") || "history and forecast"}`;
    for (const [key, value] of Object.entries({
      class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0, "aria-label": label,
    })) svg.setAttribute(key, value);
    const clip = element(element(svg, "defs", {}), "clipPath", { id: "inside" });
    element(clip, "rect", { x: MARGIN.left, y: 0, width: right - MARGIN.left, height: bottom });
    const grid = element(svg, "g", { class: "grid" }), ticks = element(svg, "g", { class: "tick" });
    const every = niceStep((high - low) / 5);
    for (let value = Math.ceil(low / every) * every; value <= high; value += every) {
      element(grid, "path", { d: `M${MARGIN.left} ${y(value).toFixed(1)}H${right}` });
      element(ticks, "text", { x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(Math.abs(value) < every / 1e6 ? 0 : value));
    }
    for (const [step, text] of timeTicks(series, Math.ceil(first), Math.floor(last), Math.max(2, Math.floor(width / 80))))
      element(ticks, "text", { x: x(step).toFixed(1), y: bottom + 18, "text-anchor": "middle" }, text);
    const inside = element(svg, "g", { "clip-path": "url(#inside)" });
    series.forecasts.forEach((f) => {
      for (let i = 0; i + 1 < f.q.length; i += 2)
        element(inside, "path", { class: `band-${Math.min(3, i / 2 + 1)}`, d: bandPath(f.q[i], f.q[i + 1], f.begin, x, y) });
    });
    series.forecasts.forEach((f) => {
      element(inside, "path", { class: "line-origin", d: `M${x(f.begin - 0.5).toFixed(1)} ${MARGIN.top}V${bottom}` });
      if (f.simple) element(inside, "path", { class: "line-b", d: path(f.simple, f.begin, x, y, view) });
    });
    element(inside, "path", { class: "line-actual", d: path(series.y, 0, x, y, view) });
    series.forecasts.forEach((f) => element(inside, "path", { class: "line-forecast", d: path(f.y, f.begin, x, y, view) }));
    const line = element(svg, "path", { class: "line-cursor" });
    const brush = element(svg, "rect", { class: "brush", y: MARGIN.top, height: bottom - MARGIN.top });
    attach(svg, series, { x, first, last, left: MARGIN.left, right, top: MARGIN.top, bottom, width, line, brush });
    const old = plot.querySelector("svg.chart"), hadFocus = old === document.activeElement;
    if (old) old.replaceWith(svg); else plot.prepend(svg);
    if (hadFocus) svg.focus();
    $("closer").disabled = last - first <= 4;
    $("wider").disabled = $("all").disabled = first <= 0 && last >= total;
  }

  function attach(svg, series, box) {
    let begin = null;
    const stepAt = (event) => {
      const frame = svg.getBoundingClientRect();
      const at = ((event.clientX - frame.left) / frame.width) * box.width;
      const share = (at - box.left) / (box.right - box.left);
      return Math.min(box.last, Math.max(box.first, box.first + share * (box.last - box.first)));
    };
    const mark = (step) => {
      cursor = Math.round(step);
      box.line.setAttribute("d", `M${box.x(cursor).toFixed(1)} ${box.top}V${box.bottom}`);
      $("readout").textContent = describe(series, cursor);
    };
    svg.addEventListener("pointermove", (event) => {
      mark(stepAt(event));
      if (begin === null) return;
      const [a, b] = [begin, stepAt(event)].sort((p, q) => p - q);
      box.brush.setAttribute("x", box.x(a));
      box.brush.setAttribute("width", Math.max(0, box.x(b) - box.x(a)));
    });
    svg.addEventListener("pointerdown", (event) => {
      mark(stepAt(event));
      if (event.pointerType === "touch") return;
      begin = stepAt(event);
      svg.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    svg.addEventListener("pointerup", (event) => {
      if (begin === null) return;
      const [a, b] = [begin, stepAt(event)].sort((p, q) => p - q);
      begin = null;
      if (b - a >= 2) { view = [a, b]; draw(); }
    });
    svg.addEventListener("dblclick", () => { view = null; draw(); });
    svg.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") { view = null; draw(); }
      if (!move) return;
      event.preventDefault();
      mark(Math.min(box.last, Math.max(box.first, (cursor ?? box.last) + move)));
    });
  }

  function describe(series, step) {
    if (step < 0 || step >= series.at.length) return "";
    const parts = [timestamp(series.at[step])], number = (value) => format(value, series.decimals);
    const observed = series.y[step];
    if (observed !== null && observed !== undefined) parts.push(`observed ${number(observed)}`);
    for (const f of series.forecasts) {
      const i = step - f.begin;
      if (i < 0 || i >= f.y.length || f.y[i] === null) continue;
      const from = series.forecasts.length > 1 ? ` from ${timestamp(series.at[f.begin])} on` : "";
      const bands = [];
      for (let k = 0; k + 1 < f.q.length; k += 2)
        if (f.q[k][i] !== null) bands.push(`${data.intervals[k / 2]}: ${number(f.q[k][i])} to ${number(f.q[k + 1][i])}`);
      parts.push(`forecast${from} ${number(f.y[i])}${bands.length ? ` (${bands.reverse().join("; ")})` : ""}`);
      if (f.simple && f.simple[i] !== null) parts.push(`${data.baseline} ${number(f.simple[i])}`);
    }
    return parts.join(" · ");
  }

  function zoom(factor) {
    const total = decode(current).at.length - 1, [first, last] = view;
    const size = Math.min(total, Math.max(4, (last - first) * factor));
    // the forecast lies at the end: zoom towards it
    const end = factor < 1 ? last : Math.min(total, last + (size - (last - first)) / 2);
    view = [Math.max(0, end - size), Math.max(size, end)];
    draw();
  }

  // ---- the list ----------------------------------------------------------------------------
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const keys = data.series.map((series) => plain(series.n));

  function select(index, { scroll = false } = {}) {
    current = index;
    view = cursor = null;
    const series = decode(index);
    $("name").textContent = series.name;
    $("words").replaceChildren(...series.words.map((line) => {
      const made = document.createElement("p");
      made.textContent = line;
      return made;
    }));
    $("readout").textContent = "";
    draw();
    for (const button of document.querySelectorAll("#names button"))
      button.toggleAttribute("aria-current", Number(button.dataset.index) === index);
    const position = shown.indexOf(index);
    $("previous").disabled = position <= 0;
    $("next").disabled = position < 0 || position + 1 >= shown.length;
    try { history.replaceState(null, "", `#series=${encodeURIComponent(series.name)}`); } catch { /* no address */ }
    if (scroll) $("series").scrollIntoView();
  }

  function list() {
    const words = plain($("query").value).split(/\s+/).filter(Boolean);
    const order = Number($("order").value);
    shown = data.series.map((_, i) => i).filter((i) => words.every((word) => keys[i].includes(word)));
    if (order >= 0) shown.sort((a, b) => (data.series[b].m[order] ?? -Infinity) - (data.series[a].m[order] ?? -Infinity));
    $("names").replaceChildren(...shown.slice(0, MOST_NAMES).map((index) => {
      const item = document.createElement("li"), button = document.createElement("button");
      const name = document.createElement("span"), number = document.createElement("span");
      button.type = "button";
      button.dataset.index = index;
      button.toggleAttribute("aria-current", index === current);
      name.textContent = name.title = data.series[index].n;
      name.dir = "auto";
      number.className = "number";
      const measure = data.series[index].m[Math.max(order, 0)];
      number.textContent = measure === null || measure === undefined ? "" : short(measure);
      button.append(name, number);
      button.addEventListener("click", () => select(index));
      item.append(button);
      return item;
    }));
    const figure = data.measures[Math.max(order, 0)];
    const all = data.series.length, hidden = shown.length - MOST_NAMES;
    $("found").textContent = words.length || hidden > 0
      ? `${format(shown.length, 0)} of ${format(all, 0)} series${hidden > 0 ? `, ${MOST_NAMES} listed` : ""}`
      : `${format(all, 0)} series`;
    $("figure").textContent = figure || "";
  }

  function step(by) {
    const next = shown[shown.indexOf(current) + by];
    if (next === undefined) return;
    select(next);
    document.querySelector(`#names button[data-index="${next}"]`)?.scrollIntoView({ block: "nearest" });
  }

  function start() {
    if (!data.series.length) return;
    const option = (text, value) => {
      const made = document.createElement("option");
      made.textContent = text;
      made.value = value;
      $("order").append(made);
    };
    option("order of the table", -1);
    data.measures.forEach((title, i) => option(title, i));
    for (const part of document.querySelectorAll(".finder, .tools, .hint")) part.hidden = false;
    $("query").addEventListener("input", list);
    $("query").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && shown.length) select(shown[0]);
    });
    $("order").addEventListener("change", list);
    $("previous").addEventListener("click", () => step(-1));
    $("next").addEventListener("click", () => step(1));
    $("closer").addEventListener("click", () => zoom(0.5));
    $("wider").addEventListener("click", () => zoom(2));
    $("all").addEventListener("click", () => { view = [0, decode(current).at.length - 1]; draw(); });
    const byName = new Map(data.series.map((series, i) => [series.n, i]));
    for (const cell of document.querySelectorAll("td.to-series")) {
      const index = byName.get(cell.textContent);
      if (index === undefined) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = cell.textContent;
      button.addEventListener("click", () => select(index, { scroll: true }));
      cell.replaceChildren(button);
    }
    list();
    let wanted = "";
    try { wanted = decodeURIComponent((/^#series=(.*)$/.exec(location.hash) || [])[1] || ""); } catch { /* not a name */ }
    if (byName.has(wanted)) select(byName.get(wanted), { scroll: true }); else {
      current = 0;
      draw();
      $("previous").disabled = true;
      $("next").disabled = shown.length < 2;
    }
    let width = plot.clientWidth;
    new ResizeObserver(() => {
      if (Math.abs(plot.clientWidth - width) < 2) return;
      width = plot.clientWidth;
      draw();
    }).observe(plot);
  }

  start();
})();
