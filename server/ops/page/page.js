// The live page: asks /debug/stats once a second and shows the differences.
"use strict";

const EVERY_MS = 1000, KEEP = 121, WINDOW = 10;
const BEYOND = 4; // samples beyond a quantile, so that it is one
const PHASES = ["http", "store", "encode", "decode", "rpc", "write", "poll"];
const SVG = "http" + "://www.w3.org/2000/svg"; // a name, not an address
const samples = []; // the newest last
let paused = false, failures = 0, updated = Date.now();

const $ = (id) => document.getElementById(id);

function text(id, value) {
  if ($(id).textContent !== value) $(id).textContent = value;
}

function number(value) {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(1) : value.toFixed(value > 0 && value < 1 ? 2 : 1);
}

const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

function duration(us) {
  if (us >= 1e6) return (us / 1e6).toFixed(2) + " s";
  if (us >= 1000) return (us / 1000).toFixed(us >= 1e4 ? 0 : 1) + " ms";
  return Math.round(us) + " µs";
}

function bytes(n) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (n >= 1000 && unit < 3) { n /= 1000; unit++; }
  return n.toFixed(unit && n < 10 ? 1 : 0) + " " + units[unit];
}

function svg(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  parent.append(node);
  return node;
}

// ---- differences between two samples

const seconds = (now, then) => Math.max((now.clock_us - then.clock_us) / 1e6, 1e-6);

// What was asked for by clients; what this page asks for is not counted.
function requests(sample) {
  const own = ["healthz", "readyz", "metrics", "debug"];
  const sums = [0, 0, 0, 0];
  for (const route in sample.requests)
    if (!own.includes(route)) sample.requests[route].forEach((n, i) => { sums[i] += n; });
  return sums;
}

const total = (counts) => counts.reduce((sum, n) => sum + n, 0);

// The buckets [upper bound, count] that came between two histograms.
function between(now, then) {
  const before = new Map(then.buckets);
  return now.buckets.map(([bound, n]) => [bound, n - (before.get(bound) || 0)]).filter(([, n]) => n > 0);
}

function quantile(buckets, q) {
  const all = total(buckets.map(([, n]) => n));
  let seen = 0;
  for (const [bound, n] of buckets) {
    seen += n;
    if (seen > all * q || seen === all) return bound;
  }
  return null;
}

// ---- the parts of the page

function showRates(now, then) {
  const last = requests(now), before = requests(then), s = seconds(now, then);
  const rate = (total(last) - total(before)) / s;
  text("rate", number(rate));
  const bad = last[3] - before[3], refused = last[2] - before[2];
  text("rate-note", `${bytes((now.sent_bytes - then.sent_bytes) / s)}/s sent` +
    (refused ? `, ${number(refused / s)}/s 4xx` : "") + (bad ? `, ${number(bad / s)}/s 5xx` : ""));
  text("queue", String(now.queue));
  text("queue-note", `${now.in_flight} with workers`);
  text("connections", String(now.connections));
  text("connections-note", counted(now.fronts.filter((f) => f.alive).length, "front") + ", " +
    counted(new Set(now.workers.filter((w) => w.up).map((w) => w.pid)).size, "worker"));
}

// The next of 1, 2, 5, 10, 20, 50, … that is not less: a top that can be read.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value * 0.999);
}

function showLine() {
  const width = 240, height = 60, last = samples.at(-1), line = $("rate-line");
  const points = samples.slice(1).map((now, i) => ({
    x: width - seconds(last, now) * 2,
    rate: (total(requests(now)) - total(requests(samples[i]))) / seconds(now, samples[i]),
  })).filter((point) => point.x >= 0);
  const top = roundUp(Math.max(1, ...points.map((point) => point.rate)));
  line.replaceChildren();
  text("rate-top", top.toLocaleString("en"));
  for (const y of [0.5, height / 2, height - 0.5])
    svg("line", { class: "axis", x1: 0, x2: width, y1: y, y2: y }, line);
  svg("line", { class: "axis", x1: width / 2, x2: width / 2, y1: 0, y2: height }, line);
  if (points.length < 2) return;
  const path = points.map(({ x, rate }) => `${x.toFixed(1)},${(height - rate / top * height).toFixed(1)}`).join(" L");
  svg("path", { class: "area", d: `M${points[0].x.toFixed(1)},${height} L${path} L${width},${height} Z` }, line);
  svg("path", { class: "stroke", d: `M${path}` }, line);
  line.setAttribute("aria-label", "Requests a second, last two minutes: at most " +
    `${number(Math.max(...points.map((point) => point.rate)))}, now ${number(points.at(-1).rate)}`);
}

// The highest quantile that so many samples hold: some must lie beyond it.
function held(count) {
  if (count * 0.01 >= BEYOND) return ["p99", 0.99];
  if (count * 0.1 >= BEYOND) return ["p90", 0.9];
  return [count === 1 ? "the only one" : `max of ${count}`, 1];
}

function showLatency(size, now, then) {
  const buckets = between(now.latency_us[size], then.latency_us[size]);
  const count = total(buckets.map(([, n]) => n)), [which, q] = held(count);
  text(`${size}-p99`, count ? duration(quantile(buckets, q)) : "–");
  text(`${size}-which`, count ? which : "");
  text(`${size}-note`, count ? `p50 ${duration(quantile(buckets, 0.5))}, ${number(count / seconds(now, then))} a second`
    : "none in 10 s");
}

function showPhases(now, then) {
  const s = seconds(now, then), bar = $("phases"), rows = $("phase-rows");
  const cpu = {}, wall = {};
  for (const phase of PHASES) {
    cpu[phase] = Math.max(0, now.loop.phases[phase] - then.loop.phases[phase]) / s * 1000;
    wall[phase] = Math.max(0, now.loop.wall[phase] - then.loop.wall[phase]) / s * 1000;
  }
  const all = total(Object.values(wall)) || 1;
  let x = 0;
  bar.replaceChildren();
  rows.replaceChildren();
  for (const phase of PHASES) {
    const width = wall[phase] / all * 1000;
    const part = svg("rect", { class: "fill-" + phase, x, y: 0, width, height: 40 }, bar);
    svg("title", {}, part).textContent = `${phase}: ${number(wall[phase] / all * 100)} % of the wall time`;
    x += width;
    const row = rows.insertRow(), head = document.createElement("th"), key = document.createElement("span");
    head.scope = "row";
    key.className = "key fill-" + phase;
    head.append(key, phase === "poll" ? " poll (waiting)" : " " + phase);
    row.append(head);
    row.insertCell().textContent = number(cpu[phase]);
    row.insertCell().textContent = number(wall[phase]);
  }
  bar.setAttribute("aria-label", "The loop's wall time: " + PHASES.filter((p) => wall[p] / all >= 0.005)
    .map((p) => `${p} ${number(wall[p] / all * 100)} %`).join(", "));
}

// Columns of one doubling each, from 1 us.
function columns(buckets) {
  const counts = new Array(21).fill(0);
  for (const [bound, n] of buckets)
    counts[Math.min(20, Math.max(0, Math.ceil(Math.log2(Math.max(bound * 0.999, 1)))))] += n;
  return counts;
}

const AWAY = { left: 46, width: 594, top: 16, base: 196, columns: 21 };

// Where a time stands on the axis below; each column is one doubling.
const awayX = (us) => AWAY.left + (Math.log2(us) + 1) * AWAY.width / AWAY.columns;

// Where a count stands: a scale by powers of ten, so that one turn in ten thousand is seen.
function awayY(count, top) {
  return AWAY.base - (Math.log10(count) + 0.3) / (Math.log10(top) + 0.3) * (AWAY.base - AWAY.top);
}

function drawAwayAxes(chart, top) {
  for (let count = 1; count <= top; count *= 10) {
    const y = awayY(count, top);
    svg("line", { class: "axis", x1: AWAY.left, x2: 640, y1: y, y2: y }, chart);
    svg("text", { x: AWAY.left - 6, y: y + 4, "text-anchor": "end" }, chart).textContent =
      count < 1000 ? String(count) : `${count / 1000}k`;
  }
  for (let us = 1; us <= 1e6; us *= 10) {
    const x = awayX(us);
    svg("line", { class: us === 1000 ? "limit" : "axis", x1: x, x2: x, y1: us === 1000 ? AWAY.top - 6 : AWAY.base, y2: AWAY.base + 5 }, chart);
    svg("text", { x: Math.min(x, 625), y: AWAY.base + 22, "text-anchor": "middle" }, chart).textContent =
      us < 1000 ? `${us} µs` : us < 1e6 ? `${us / 1000} ms` : "1 s";
  }
  svg("line", { class: "axis base", x1: AWAY.left, x2: 640, y1: AWAY.base, y2: AWAY.base }, chart);
}

function drawAway(wall, cpu) {
  const chart = $("away"), step = AWAY.width / AWAY.columns;
  const top = 10 ** Math.ceil(Math.log10(Math.max(10, ...wall, ...cpu)));
  chart.replaceChildren();
  drawAwayAxes(chart, top);
  for (let i = 0; i < AWAY.columns; i++) {
    const pair = svg("g", {}, chart);
    svg("title", {}, pair).textContent = `up to ${duration(2 ** i)}: ${wall[i]} turns by wall time, ${cpu[i]} by CPU time`;
    [["fill-wall", wall[i], 1.5], ["fill-cpu", cpu[i], step / 2]].forEach(([kind, count, shift]) => {
      if (!count) return;
      const y = awayY(count, top);
      svg("rect", { class: kind, x: AWAY.left + i * step + shift, width: step / 2 - 1.5, y, height: AWAY.base - y }, pair);
    });
  }
  return chart;
}

function showAway(now, then) {
  const buckets = between(now.loop.away_us, then.loop.away_us);
  const cpuBuckets = between(now.loop.away_cpu_us, then.loop.away_cpu_us);
  const wall = columns(buckets), chart = drawAway(wall, columns(cpuBuckets));
  const count = total(wall), [which, q] = held(count);
  const long = (some) => total(some.filter(([bound]) => bound > 1050).map(([, n]) => n));
  const told = (some) => `p50 ${duration(quantile(some, 0.5))}, ${which}${q === 1 ? ":" : ""} ${duration(quantile(some, q))}, ` +
    `${long(some)} over a millisecond`;
  const summary = count ? `${number(count / seconds(now, then))} turns a second. ` +
    `Wall: ${told(buckets)}. CPU: ${told(cpuBuckets)}. ` +
    `Longest since the start: ${duration(now.loop.away_us.max)} wall, ${duration(now.loop.away_cpu_us.max)} CPU.`
    : "no turns";
  text("away-note", summary);
  chart.setAttribute("aria-label", "Histogram: " + summary);
}

function cells(row, values) {
  values.forEach((value, i) => {
    const cell = i ? row.insertCell() : document.createElement("th");
    if (value.className === "up" || value.className === "down") cell.className = "text";
    if (!i) { cell.scope = "row"; row.append(cell); }
    if (value instanceof Node) cell.append(value); else cell.textContent = value;
  });
}

// The row of a table that has nothing to show.
function noRow(rows, words) {
  const cell = rows.insertRow().insertCell();
  cell.colSpan = rows.parentNode.tHead.rows[0].cells.length;
  cell.className = "none";
  cell.textContent = words;
}

function state(up, yes, no) {
  const node = document.createElement("span");
  node.className = up ? "up" : "down";
  node.textContent = up ? "● " + yes : "○ " + no;
  return node;
}

function load(share) {
  const box = document.createElement("span"), bar = document.createElement("meter");
  bar.max = 1;
  bar.value = Math.min(1, share);
  bar.setAttribute("aria-hidden", "true");
  box.append(bar, ` ${Math.round(share * 100)} %`);
  return box;
}

// Each front has a row for each worker; here a worker process is one line.
function byProcess(workers) {
  const found = new Map();
  for (const one of workers) {
    const key = one.up ? one.pid : `${one.front}/${one.worker}`;
    const sum = found.get(key) || { pid: one.pid, up: one.up, in_flight: 0, jobs: 0, codec_us: 0, restarts: 0 };
    for (const field of ["in_flight", "jobs", "codec_us"]) sum[field] += one[field];
    sum.restarts = Math.max(sum.restarts, one.restarts);
    found.set(key, sum);
  }
  return found;
}

function showWorkers(now, then) {
  const rows = $("worker-rows"), s = seconds(now, then);
  const last = byProcess(now.workers), before = byProcess(then.workers);
  rows.replaceChildren();
  for (const [key, one] of last) {
    const was = before.get(key) || one;
    cells(rows.insertRow(), [`pid ${one.pid}`, state(one.up, "up", "gone"),
      load(Math.max(0, one.codec_us - was.codec_us) / 1e6 / s), String(one.in_flight),
      number(Math.max(0, one.jobs - was.jobs) / s), one.jobs.toLocaleString("en"), String(one.restarts)]);
  }
  if (!last.size) noRow(rows, "no worker has connected");
}

function showFronts(now, then) {
  const rows = $("front-rows"), s = seconds(now, then);
  rows.replaceChildren();
  // Fronts that a reload has replaced stay in the totals only.
  for (const one of now.fronts.filter((front) => front.alive)) {
    const was = then.fronts.find((front) => front.front === one.front) || one;
    cells(rows.insertRow(), [`${one.front} (pid ${one.pid})`, state(one.alive, "running", "ended"),
      load((one.cpu_seconds - was.cpu_seconds) / s), String(one.connections), String(one.queue)]);
  }
}

function showModes(now, then) {
  const rows = $("mode-rows"), s = seconds(now, then);
  rows.replaceChildren();
  for (const mode in now.jobs) {
    const one = now.jobs[mode], was = then.jobs[mode];
    if (one.ok + one.other === 0) continue;
    const count = one.ok + one.other - was.ok - was.other;
    cells(rows.insertRow(), [mode, number(count / s), count ? number((one.codec_us - was.codec_us) / count) : "–",
      count ? number((one.queue_us - was.queue_us) / count) : "–", one.ok.toLocaleString("en"), String(one.other)]);
  }
  if (!rows.rows.length) noRow(rows, "no job yet");
}

function show() {
  const now = samples.at(-1);
  const last = samples.at(-2) || now, then = samples.at(-1 - WINDOW) || samples[0];
  text("version", now.version);
  showRates(now, last);
  showLine();
  for (const size of ["light", "medium", "heavy"]) showLatency(size, now, then);
  showPhases(now, then);
  showAway(now, then);
  showWorkers(now, then);
  showFronts(now, then);
  showModes(now, then);
}

// kind: good, degraded or bad
function setState(kind, words) {
  $("dot").className = "dot " + kind;
  text("state-text", words);
  const title = kind === "good" ? "offloop" : `${words} – offloop`;
  if (document.title !== title) document.title = title;
}

// Figures that are not of now are dimmed, and say how old they are. Not in the live region:
// it would speak every second.
function showAge() {
  const stale = failures > 1 && samples.length > 0;
  document.body.classList.toggle("stale", stale);
  document.body.classList.toggle("paused", paused);
  text("age", stale ? `figures are ${Math.round((Date.now() - updated) / 1000)} s old`
    : paused ? `paused at ${new Date(updated).toLocaleTimeString("en-GB")}` : "");
}

async function ask(path) {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
}

async function update() {
  try {
    const [stats, ready] = await Promise.all([ask("debug/stats"), ask("readyz")]);
    const sample = await stats.json(), readiness = await ready.json();
    // A server that was started again counts from nothing.
    if (samples.length && sample.clock_us < samples.at(-1).clock_us) samples.length = 0;
    if (samples.length && total(requests(sample)) < total(requests(samples.at(-1)))) samples.length = 0;
    samples.push(sample);
    if (samples.length > KEEP) samples.shift();
    failures = 0;
    updated = Date.now();
    const kind = !readiness.ready ? "bad" : readiness.degraded ? "degraded" : "good";
    const words = { good: "ready", degraded: "degraded: ", bad: "not ready: " }[kind];
    setState(kind, words + readiness.reasons.join("; "));
    show();
    document.body.dataset.samples = String(samples.length);
  } catch (problem) {
    failures++;
    if (failures > 1) setState("bad", "no answer from the server");
  }
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  text("pause", paused ? "Resume" : "Pause");
  showAge();
});

async function run() {
  for (;;) {
    if (!paused && !document.hidden) await update();
    showAge();
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}
run();
