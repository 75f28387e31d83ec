#!/usr/bin/env node
'use strict';
// An API of instruments on Express, in several ways: the same replies, other places for the JSON.
//
//     app.js inline | threads | processes | piscina | offloop [--port N] [--jobs SOCKET]
//
//     GET /v1/instrument_details?limit=250     the first contracts, about 200 KB
//     GET /v1/instrument_details/NAME          one contract, about 800 bytes
//     GET /light                               what must be quick whatever the others ask for
//
// The store holds JSON text, as Redis or a file would give it. Each reply is that document and
// the account of who asks: decoded, changed and encoded again. (piscina is a package of its own,
// a pool of threads; npm install piscina.)
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { parseArgs } = require('node:util');
const express = require('express');
const { Pool } = require('./pool.js');
const { ACCOUNT, makeReply } = require('./reply.js');

const ROOT = path.join(__dirname, '../..');
const offloop = require(path.join(ROOT, 'clients/node'));

const [BEGIN, COMMA, END] = ['{"instruments":[', ',', ']}'].map((text) => Buffer.from(text));
const MODES = ['inline', 'threads', 'processes', 'piscina', 'offloop'];

/** JSON texts, from scripts/sample-data: of each contract, and of the first ones together. */
class Store {
  constructor() {
    const lines = execFileSync(path.join(ROOT, 'scripts/sample-data'), ['instruments'], { maxBuffer: 1 << 28 });
    const documents = lines.toString().trim().split('\n').map((line) => JSON.parse(line));
    this.texts = new Map(documents.map(({ id, document }) => [id, Buffer.from(JSON.stringify(document))]));
    this.collections = new Map(); // limit: text; a store has it in one piece
  }

  get(name) { return this.texts.get(name); }

  collection(limit) {
    if (!this.collections.has(limit)) {
      const rows = [...this.texts.values()];
      const parts = [BEGIN];
      for (let at = 0; at < limit; at++) parts.push(rows[at % rows.length], COMMA);
      parts[parts.length > 1 ? parts.length - 1 : 1] = END; // instead of the last comma
      this.collections.set(limit, Buffer.concat(parts));
    }
    return this.collections.get(limit);
  }
}

/** Decode, change, encode, in one of four places: {reply(stored), close()}. */
async function makePlace(mode, socket) {
  if (mode === 'threads' || mode === 'processes') {
    const pool = new Pool(mode, 2, ACCOUNT);
    return { reply: (stored) => pool.run(stored), close: () => pool.close() };
  }
  if (mode === 'piscina') {
    const { Piscina } = require('piscina');
    const pool = new Piscina({ filename: path.join(__dirname, 'reply.js'), maxThreads: 2 });
    return { reply: (stored) => pool.run(stored, { name: 'makeDemoReply' }), close: () => pool.destroy() };
  }
  if (mode === 'offloop') {
    const jobs = await offloop.connect(socket, { name: 'express' });
    const patch = Buffer.from(JSON.stringify({ account: ACCOUNT }));
    return { reply: (stored) => jobs.patch(stored, patch), close: () => jobs.close() };
  }
  return { reply: async (stored) => makeReply(stored, ACCOUNT), close: async () => {} };
}

function makeApp(store, place) {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // Express would hash each reply on the loop
  const send = (response, stored, next) => place.reply(stored).then((body) => {
    response.set('Content-Type', 'application/json');
    response.set('Content-Length', String(Buffer.byteLength(body)));
    response.end(body);
  }, next);

  app.get('/v1/instrument_details', (request, response, next) => {
    send(response, store.collection(Number(request.query.limit || 250)), next);
  });
  app.get('/v1/instrument_details/:name', (request, response, next) => {
    const stored = store.get(request.params.name);
    if (stored) send(response, stored, next);
    else next();
  });
  app.get('/light', (request, response) => {
    response.set('Content-Type', 'application/json');
    response.set('Content-Length', '14');
    response.end('{"light":true}');
  });
  return app;
}

async function main() {
  const { positionals: [mode], values } = parseArgs({
    allowPositionals: true,
    options: { port: { type: 'string', default: '0' }, jobs: { type: 'string' } },
  });
  if (!MODES.includes(mode)) {
    process.stderr.write(`usage: app.js ${MODES.join(' | ')} [--port N] [--jobs SOCKET]\n`);
    process.exitCode = 2;
    return;
  }
  const place = await makePlace(mode, values.jobs);
  const server = makeApp(new Store(), place).listen(Number(values.port), '127.0.0.1', () => {
    process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`);
  });
  server.keepAliveTimeout = 60000; // node's 5 s end connections that a client is about to use
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      server.close();
      server.closeAllConnections();
      place.close();
    });
  }
}

main();
