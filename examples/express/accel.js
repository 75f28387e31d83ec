#!/usr/bin/env node
'use strict';
// An Express application that decides who may have which document, and does not touch any: nginx
// fetches it from offloop (examples/nginx-accel.conf).
//
//     accel.js [--port 8000]
const { parseArgs } = require('node:util');
const express = require('express');

// Who may see what: in real life a session and a database.
const FIELDS = { trader: '', guest: 'name,exchange,lot_size' };

const app = express();
app.disable('x-powered-by');
app.get('/documents/:collection/:name', (request, response) => {
  const role = request.get('X-Role');
  if (!Object.hasOwn(FIELDS, role ?? '')) return response.sendStatus(403);
  const { collection, name } = request.params;
  const query = FIELDS[role] ? `?fields=${encodeURIComponent(FIELDS[role])}` : '';
  response.set('X-Accel-Redirect', `/offloop/v1/${encodeURIComponent(collection)}/${encodeURIComponent(name)}${query}`);
  return response.end();
});
app.get('/light', (request, response) => response.end('{}'));

const { values } = parseArgs({ options: { port: { type: 'string', default: '8000' } } });
const server = app.listen(Number(values.port), '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`);
});
