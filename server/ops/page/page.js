// The live page: asks /debug/stats once a second and shows the differences.
"use strict";

const EVERY_MS = 1000, KEEP = 121, WINDOW = 10;
const PHASES = ["http", "store", "encode", "decode", "rpc", "write", "poll"];
const SVG = "http" + "://www.w3.org/2000/svg"; // a name, not an address
const samples = []; // the newest last
let paused = false, failures = 0;

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

function showLine() {
  const rates = samples.slice(1).map((now, i) =>
    (total(requests(now)) - total(requests(samples[i]))) / seconds(now, samples[i]));
  const top = Math.max(1, ...rates), line = $("rate-line");
  const at = (rate, i) => `${(240 - (rates.length - 1 - i) * 2).toFixed(1)},${(46 - rate / top * 42).toFixed(1)}`;
  line.replaceChildren();
  if (rates.length < 2) return;
  const points = rates.map(at).join(" L");
  svg("path", { class: "area", d: `M${240 - (rates.length - 1) * 2},48 L${points} L240,48 Z` }, line);
  svg("path", { class: "stroke", d: `M${points}` }, line);
  line.setAttribute("aria-label", `Requests a second, last two minutes: at most ${number(top)}, now ${number(rates.at(-1))}`);
}

function showLatency(size, now, then) {
  const buckets = between(now.latency_us[size], then.latency_us[size]);
  const count = total(buckets.map(([, n]) => n));
  text(`${size}-p99`, count ? duration(quantile(buckets, 0.99)) : "–");
  text(`${size}-note`, count ? `p50 ${duration(quantile(buckets, 0.5))}, ${number(count / seconds(now, then))}/s`
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

function showAway(now, then) {
  const buckets = between(now.loop.away_us, then.loop.away_us);
  const cpuBuckets = between(now.loop.away_cpu_us, then.loop.away_cpu_us);
  const wall = columns(buckets), cpu = columns(cpuBuckets);
  const chart = $("away"), top = Math.max(1, ...wall, ...cpu), step = 640 / 21;
  // By the square root: one turn in ten thousand that took long must still be seen.
  const height = (n) => n ? Math.max(2, Math.sqrt(n / top) * 165) : 0;
  chart.replaceChildren();
  for (let i = 0; i < 21; i++) {
    const pair = svg("g", {}, chart);
    svg("title", {}, pair).textContent = `up to ${duration(2 ** i)}: ${wall[i]} turns by wall time, ${cpu[i]} by CPU time`;
    svg("rect", { class: "fill-wall", x: i * step + 2, width: step / 2 - 2, y: 175 - height(wall[i]), height: height(wall[i]) }, pair);
    svg("rect", { class: "fill-cpu", x: i * step + step / 2, width: step / 2 - 2, y: 175 - height(cpu[i]), height: height(cpu[i]) }, pair);
    if (i % 4 === 0 && i < 20)
      svg("text", { x: (i + 1) * step, y: 193, "text-anchor": "middle" }, chart).textContent = duration(2 ** i);
  }
  svg("line", { class: "axis", x1: 0, x2: 640, y1: 175.5, y2: 175.5 }, chart);
  svg("line", { class: "limit", x1: 11 * step, x2: 11 * step, y1: 0, y2: 175 }, chart);
  svg("text", { x: 11 * step + 4, y: 12 }, chart).textContent = "1 ms";
  const count = total(wall);
  const long = (some) => total(some.filter(([bound]) => bound > 1050).map(([, n]) => n));
  const summary = count ? `${number(count / seconds(now, then))} turns a second. ` +
    `Wall: p50 ${duration(quantile(buckets, 0.5))}, p99 ${duration(quantile(buckets, 0.99))}, ` +
    `${long(buckets)} over a millisecond. CPU: p50 ${duration(quantile(cpuBuckets, 0.5))}, ` +
    `p99 ${duration(quantile(cpuBuckets, 0.99))}, ${long(cpuBuckets)} over a millisecond. ` +
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
  if (!last.size) cells(rows.insertRow(), ["none has connected"]);
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
  if (!rows.rows.length) cells(rows.insertRow(), ["none yet"]);
}

function show() {
  const now = samples.at(-1);
  const last = samples.at(-2) || now, then = samples.at(-1 - WINDOW) || samples[0];
  text("version", now.version);
  showRates(now, last);
  showLine();
  for (const size of ["light", "heavy"]) showLatency(size, now, then);
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
});

async function run() {
  for (;;) {
    if (!paused && !document.hidden) await update();
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}
run();
