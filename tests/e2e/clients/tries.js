// Tries one of Node's HTTP clients against a server, as tries.py does: tries.js CLIENT URL
"use strict";
const zlib = require("zlib");
const { Readable } = require("stream");

const [client, url] = process.argv.slice(2);
const JSON_TYPE = { "Content-Type": "application/json" };
const PATCH_TYPE = { "Content-Type": "application/merge-patch+json" };
const LARGE = Buffer.from(JSON.stringify({ rows: Array(60000).fill("some text") }));
const REFUSED = Buffer.alloc(40 << 20, " ");
const SMALL = Buffer.from(JSON.stringify({ rows: [...Array(1000).keys()] }));

function* pieces(data) {
  for (let at = 0; at < data.length; at += 50000) yield data.subarray(at, at + 50000);
}

function http() {
  const library = require("http"), agent = new library.Agent({ keepAlive: true });
  return [process.versions.node, (method, path, body, headers = {}) => new Promise((done, failed) => {
    const length = Buffer.isBuffer(body) ? { "Content-Length": body.length } : {};
    const request = library.request(url + path, { method, agent, headers: { ...headers, ...length } }, (reply) => {
      const data = [];
      reply.on("data", (part) => data.push(part));
      reply.on("end", () => {
        const all = Buffer.concat(data);
        done([reply.statusCode, reply.headers, reply.headers["content-encoding"] ? zlib.gunzipSync(all) : all]);
      });
    });
    request.on("error", failed);
    if (body && !Buffer.isBuffer(body)) Readable.from(body).pipe(request);
    else request.end(body);
  })];
}

function fetched(library, version) {
  return [version, async (method, path, body, headers = {}) => {
    const chunked = body && !Buffer.isBuffer(body);
    const reply = await library(url + path, { method, headers, body: chunked ? Readable.toWeb(Readable.from(body)) : body,
      ...(chunked ? { duplex: "half" } : {}) });
    return [reply.status, Object.fromEntries(reply.headers), Buffer.from(await reply.arrayBuffer())];
  }];
}

function undici() {
  const library = require("undici");
  return [require("undici/package.json").version, async (method, path, body, headers = {}) => {
    const reply = await library.request(url + path, { method, headers, body: body && !Buffer.isBuffer(body) ? Readable.from(body) : body });
    const all = Buffer.from(await reply.body.arrayBuffer());
    return [reply.statusCode, reply.headers, reply.headers["content-encoding"] ? zlib.gunzipSync(all) : all];
  }];
}

function axios() {
  const library = require("axios");
  const agent = new (require("http").Agent)({ keepAlive: true });
  return [library.VERSION, async (method, path, body, headers = {}) => {
    const reply = await library.request({ method, url: url + path, headers, responseType: "arraybuffer", httpAgent: agent, proxy: false,
      data: body && !Buffer.isBuffer(body) ? Readable.from(body) : body, validateStatus: () => true,
      transformRequest: (data) => data, maxRedirects: 0, maxBodyLength: Infinity });
    return [reply.status, reply.headers, Buffer.from(reply.data)];
  }];
}

function wrong(got, status, body) {
  if (got[0] !== status) return `status ${got[0]}, not ${status}`;
  if (body && JSON.stringify(JSON.parse(got[2])) !== JSON.stringify(JSON.parse(body))) return "another body";
  return null;
}

function tries(ask) {
  const conditional = async () => {
    const { etag } = (await ask("GET", "/a"))[1];
    return wrong(await ask("GET", "/a", undefined, { "If-None-Match": etag }), 304) ||
      wrong(await ask("PUT", "/a", SMALL, { ...JSON_TYPE, "If-Match": etag }), 200) ||
      wrong(await ask("PUT", "/a", SMALL, { ...JSON_TYPE, "If-Match": etag }), 412);
  };
  const gzipped = async () =>
    wrong(await ask("PUT", "/gzip", zlib.gzipSync(SMALL), { ...JSON_TYPE, "Content-Encoding": "gzip" }), 201) ||
      wrong(await ask("GET", "/gzip", undefined, { "Accept-Encoding": "gzip" }), 200, SMALL);
  return {
    "PUT": async () => wrong(await ask("PUT", "/a", Buffer.from('{"n": 1}'), JSON_TYPE), 201),
    "GET": async () => wrong(await ask("GET", "/a"), 200, '{"n": 1}'),
    "HEAD": async () => wrong(await ask("HEAD", "/a"), 200),
    "PATCH": async () => wrong(await ask("PATCH", "/a", Buffer.from('{"m": 2}'), PATCH_TYPE), 200, '{"n": 1, "m": 2}'),
    "POST": async () => wrong(await ask("POST", "", Buffer.from("[1]"), JSON_TYPE), 201),
    "conditional": conditional,
    "large upload": async () => wrong(await ask("PUT", "/large", LARGE, JSON_TYPE), 201),
    "large reply": async () => wrong(await ask("GET", "/large"), 200, LARGE),
    "chunked upload": async () => wrong(await ask("PUT", "/chunked", pieces(LARGE), JSON_TYPE), 201),
    "refused upload": async () => wrong(await ask("PUT", "/refused", REFUSED, JSON_TYPE), 413),
    "after a refusal": async () => wrong(await ask("GET", "/a"), 200, SMALL),
    "gzip": gzipped,
    "DELETE": async () => wrong(await ask("DELETE", "/a"), 204),
    "missing": async () => wrong(await ask("GET", "/a"), 404),
  };
}

async function main() {
  const clients = { http, undici, axios, fetch: () => fetched(fetch, process.versions.node) };
  let version, ask;
  try {
    [version, ask] = clients[client]();
  } catch (problem) {
    if (problem.code === "MODULE_NOT_FOUND") process.exit(77); // not installed
    throw problem;
  }
  const found = {};
  for (const [what, one] of Object.entries(tries(ask))) {
    try {
      found[what] = (await one()) || "ok";
    } catch (problem) {
      found[what] = `${problem.name}: ${problem.message} ${problem.cause ? problem.cause.message : ""}`.slice(0, 200);
    }
  }
  console.log(JSON.stringify({ version, tries: found }));
  process.exit(0);
}
main();
