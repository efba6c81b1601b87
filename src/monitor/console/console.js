// The console: looks at the server every two seconds and shows what changed. Everything comes from
// the endpoints that any tool can read; what is shown as text is never taken for markup.
"use strict";

const LOOK_EVERY_MS = 2000;
const RATES_KEPT = 150;
const ROWS = 25;

const byId = (id) => document.getElementById(id);

// ---- Numbers as people read them ----

function count(value) {
  if (!Number.isFinite(value)) return "–";
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (Math.abs(value) >= 10 * size || (unit !== "k" && Math.abs(value) >= size)) {
      return (value / size).toFixed(value >= 100 * size ? 0 : 1) + " " + unit;
    }
  }
  return String(Math.round(value));
}

function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  for (const [unit, power] of [["GiB", 30], ["MiB", 20], ["KiB", 10]]) {
    if (value >= 2 ** power) return (value / 2 ** power).toFixed(1) + " " + unit;
  }
  return Math.round(value) + " B";
}

function seconds(value) {
  if (!Number.isFinite(value)) return "–";
  for (const [unit, size] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]]) {
    if (value >= size) return (value / size).toPrecision(3) + " " + unit;
  }
  return Math.round(value * 1e9) + " ns";
}

const percent = (share) => (Number.isFinite(share) ? Math.round(share * 100) + " %" : "–");

// ---- /metrics ----

// Name → core → value; histograms as name → core → [[bound in seconds, count up to it], …].
function parseMetrics(text) {
  const values = new Map();
  const histograms = new Map();
  const line = /^(\w+)(?:\{([^}]*)\})? (\S+)/;
  for (const row of text.split("\n")) {
    const found = row[0] === "#" ? null : line.exec(row);
    if (!found) continue;
    const labels = Object.fromEntries(
      [...(found[2] ?? "").matchAll(/(\w+)="([^"]*)"/g)].map((label) => [label[1], label[2]]),
    );
    if (labels.core === undefined) continue;
    const core = Number(labels.core);
    const [map, value] = labels.le === undefined
      ? [values, Number(found[3])]
      : [histograms, [labels.le === "+Inf" ? Infinity : Number(labels.le), Number(found[3])]];
    if (!map.has(found[1])) map.set(found[1], []);
    const cores = map.get(found[1]);
    if (labels.le === undefined) cores[core] = value;
    else (cores[core] ??= []).push(value);
  }
  return { values, histograms, at: performance.now() / 1000 };
}

// What a counter grew by each second between two looks, by core.
function rates(now, before, name) {
  const later = now.values.get("corewire_" + name + "_total") ?? [];
  const earlier = before?.values.get("corewire_" + name + "_total");
  const span = before ? now.at - before.at : NaN;
  return later.map((value, core) => (earlier ? (value - earlier[core]) / span : NaN));
}

const gauges = (look, name) => look.values.get("corewire_" + name) ?? [];
const totals = (look, name) => look.values.get("corewire_" + name + "_total") ?? [];
const sum = (list) => list.reduce((all, value) => all + value, 0);

// What a histogram grew by between two looks: [[bound, count up to it], …] of some cores together.
function grown(now, before, name, cores) {
  const later = now.histograms.get("corewire_" + name + "_bucket") ?? [];
  const earlier = before?.histograms.get("corewire_" + name + "_bucket") ?? [];
  const first = later[cores[0]] ?? [];
  return first.map(([bound], at) => [
    bound,
    sum(cores.map((core) => (later[core]?.[at][1] ?? 0) - (earlier[core]?.[at]?.[1] ?? 0))),
  ]);
}

// The bound below which a share of the histogram lies.
function quantile(buckets, share) {
  const all = buckets.length ? buckets[buckets.length - 1][1] : 0;
  if (all === 0) return NaN;
  const found = buckets.find(([, upTo]) => upTo >= share * all);
  return found[0];
}

// ---- The page ----

function cell(content, kind) {
  const td = document.createElement("td");
  if (kind) td.className = kind;
  td.append(content instanceof Node ? content : String(content ?? ""));
  return td;
}

const text = (content) => cell(content, "text");

function fill(table, rows) {
  const body = byId(table).tBodies[0];
  body.replaceChildren(...rows.map(({ cells, bad }) => {
    const tr = document.createElement("tr");
    if (bad) tr.className = "bad";
    tr.append(...cells);
    return tr;
  }));
  byId(table).hidden = rows.length === 0;
}

function tiles(list, entries) {
  byId(list).replaceChildren(...entries.map(([name, value]) => {
    const tile = document.createElement("div");
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    [dt.textContent, dd.textContent] = [name, value];
    tile.append(dt, dd);
    return tile;
  }));
}

function load(share) {
  const meter = document.createElement("meter");
  Object.assign(meter, { min: 0, max: 1, low: 0.7, high: 0.9, optimum: 0, value: share || 0 });
  const holder = document.createElement("span");
  holder.append(meter, " " + percent(share));
  return holder;
}

function showTotals(varz, now, before) {
  byId("server-name").textContent = varz.server_name;
  tiles("totals", [
    ["messages in a second", count(sum(rates(now, before, "in_msgs")))],
    ["messages out a second", count(sum(rates(now, before, "out_msgs")))],
    ["bytes in a second", bytes(sum(rates(now, before, "in_bytes")))],
    ["bytes out a second", bytes(sum(rates(now, before, "out_bytes")))],
    ["connections", count(varz.connections)],
    ["subscriptions", count(varz.subscriptions)],
    ["slow consumers", count(varz.slow_consumers)],
    ["memory", bytes(varz.mem)],
    ["up", varz.uptime],
    ["version", varz.version],
  ]);
}

const history = [];

function showRates(now, before) {
  if (!before) return;
  history.push([sum(rates(now, before, "in_msgs")), sum(rates(now, before, "out_msgs"))]);
  if (history.length > RATES_KEPT) history.shift();
  const top = Math.max(1, ...history.flat());
  const line = (which, kind) => {
    const polyline = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    const step = 600 / Math.max(1, history.length - 1);
    polyline.setAttribute("points", history
      .map((rate, at) => `${at * step},${116 - (112 * rate[which]) / top}`).join(" "));
    polyline.setAttribute("class", kind);
    return polyline;
  };
  byId("rates").replaceChildren(line(0, "in"), line(1, "out"));
  const span = Math.round((history.length * LOOK_EVERY_MS) / 1000);
  byId("rate-span").textContent = `the last ${span} s; the top is ${count(top)}`;
}

function showCores(now, before) {
  const busy = rates(now, before, "busy_nanoseconds").map((value) => value / 1e9);
  const [incoming, outgoing] = [rates(now, before, "in_msgs"), rates(now, before, "out_msgs")];
  const held = totals(now, "stalled_clients");
  const dropped = totals(now, "dropped_for_slow")
    .map((value, core) => value + (totals(now, "ring_dropped")[core] ?? 0));
  fill("cores", busy.map((share, core) => {
    const loop = grown(now, before, "loop_seconds", [core]);
    return {
      cells: [
        text(core), cell(load(share)), cell(count(incoming[core])), cell(count(outgoing[core])),
        cell(count(gauges(now, "connections")[core])),
        cell(count(gauges(now, "subscriptions")[core])),
        cell(seconds(quantile(loop, 0.5))), cell(seconds(quantile(loop, 0.99))),
        cell(count(gauges(now, "ring_spill_depth")[core])),
        cell(bytes(gauges(now, "pending_bytes")[core])),
        cell(`${count(held[core])}, ${count(dropped[core])}`),
      ],
    };
  }));
}

function showLatency(now, before) {
  const cores = gauges(now, "connections").map((_, core) => core);
  const kinds = [
    ["dwell_seconds", "bytes in to bytes out"],
    ["ring_wait_seconds", "of it, between cores"],
  ];
  fill("latency", kinds.filter(([name]) => now.histograms.has(`corewire_${name}_bucket`))
    .map(([name, what]) => {
      const buckets = grown(now, before, name, cores);
      const all = buckets.length ? buckets[buckets.length - 1][1] : 0;
      const at = [0.5, 0.9, 0.99, 0.999].map((share) => cell(seconds(quantile(buckets, share))));
      return { cells: [text(what), ...at, cell(count(all))] };
    }));
}

const endpoint = (connection) => `${connection.ip}:${connection.port}`;

function showSlow(open, closed) {
  const filling = open.filter((connection) => connection.pending_bytes > 1 << 20);
  const cut = closed.filter((connection) => /Slow Consumer/.test(connection.reason));
  const row = (connection, since, reason) => ({
    cells: [
      text(connection.cid), text(connection.name), text(endpoint(connection)),
      text(connection.account), cell(bytes(connection.pending_bytes)), text(since), text(reason),
    ],
    bad: true,
  });
  const rows = [
    ...filling.map((connection) => row(connection, "now", "reads slower than it is sent to")),
    ...cut.map((connection) => row(connection, connection.stop, connection.reason)),
  ];
  fill("slow", rows);
  byId("slow-none").hidden = rows.length > 0;
}

function showConnections(connz) {
  byId("connections-count").textContent = `${connz.connections.length} of ${connz.total}`;
  fill("connections", connz.connections.map((connection) => ({
    cells: [
      text(connection.cid), text(connection.name),
      text([connection.lang, connection.version].filter(Boolean).join(" ")),
      text(endpoint(connection)), text(connection.account), cell(count(connection.subscriptions)),
      cell(count(connection.in_msgs)), cell(count(connection.out_msgs)),
      cell(bytes(connection.pending_bytes)), cell(connection.rtt), cell(connection.idle),
    ],
  })));
}

function showSubscriptions(subsz) {
  tiles("subscriptions", [
    ["held", count(subsz.num_subscriptions)],
    ["matches", count(subsz.num_matches)],
    ["cached subjects", count(subsz.num_cache)],
    ["cache hits", percent(subsz.cache_hit_rate)],
    ["widest fan-out", count(subsz.max_fanout)],
    ["average fan-out", Number(subsz.avg_fanout ?? 0).toFixed(1)],
  ]);
}

function showStreams(jsz) {
  const streams = (jsz.account_details ?? []).flatMap((account) =>
    (account.stream_detail ?? []).map((stream) => ({ account: account.name, ...stream })));
  byId("streams-count").textContent = streams.length ? String(streams.length) : "";
  byId("streams-none").hidden = streams.length > 0;
  fill("streams", streams.map(({ account, name, config, state, consumer_detail: consumers }) => ({
    cells: [
      text(account), text(name), text(config?.storage), cell(count(state?.messages)),
      cell(bytes(state?.bytes)), cell(state?.first_seq), cell(state?.last_seq),
      cell(state?.consumer_count ?? consumers?.length ?? 0),
    ],
  })));
  fill("consumers", streams.flatMap((stream) => (stream.consumer_detail ?? []).map((consumer) => ({
    cells: [
      text(stream.name), text(consumer.name), cell(count(consumer.num_pending)),
      cell(count(consumer.num_ack_pending)), cell(count(consumer.num_redelivered)),
      cell(count(consumer.num_waiting)),
    ],
  }))));
}

// ---- Looking ----

const fetched = (path) => fetch(path, { cache: "no-store" });

// The answer, or what stands in for it where this server has no such endpoint.
async function jsonOf(path, otherwise) {
  const response = await fetched(path);
  if (response.status === 404 && otherwise) return otherwise;
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

async function metricsNow() {
  const response = await fetched("metrics");
  if (!response.ok) throw new Error(`metrics: ${response.status}`);
  return parseMetrics(await response.text());
}

async function health() {
  const answer = await (await fetched("healthz")).json();
  return answer.status === "ok" ? "" : answer.error ?? answer.status;
}

let before = null;

async function look() {
  const sort = byId("connections-sort").value;
  const none = { connections: [] };
  const [now, varz, connz, pending, closed, subsz, jsz, ill] = await Promise.all([
    metricsNow(), jsonOf("varz"), jsonOf(`connz?sort=${sort}&limit=${ROWS}&auth=true`),
    jsonOf(`connz?sort=pending&limit=${ROWS}&auth=true`),
    jsonOf(`connz?state=closed&sort=stop&limit=${ROWS}&auth=true`, none), jsonOf("subsz"),
    jsonOf("jsz?streams=true&consumers=true&config=true", {}), health(),
  ]);
  showTotals(varz, now, before);
  showRates(now, before);
  showCores(now, before);
  showLatency(now, before);
  showSlow(pending.connections, closed.connections);
  showConnections(connz);
  showSubscriptions(subsz);
  showStreams(jsz);
  before = now;
  return ill;
}

async function lookAgain() {
  const status = byId("status");
  try {
    const ill = await look();
    status.textContent = ill ? "not healthy: " + ill : "healthy";
    status.className = ill ? "bad" : "";
  } catch (error) {
    status.textContent = "no answer: " + error.message;
    status.className = "bad";
  }
  setTimeout(lookAgain, LOOK_EVERY_MS);
}

byId("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const root = document.documentElement;
  const shown = root.dataset.theme ?? (dark ? "dark" : "light");
  root.dataset.theme = shown === "dark" ? "light" : "dark";
});

lookAgain();
