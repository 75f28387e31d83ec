'use strict';
// Jobs in JavaScript, for times without a daemon: the same results as the workers', but for the
// places of some faults; no jq, and no zstd. They run on a thread of their own, which begins
// with the first one.
const path = require('node:path');
const zlib = require('node:zlib');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { OP, FLAG, INDENT } = require('./wire.js');
const { Refused, Members, readJson, writeJson, readMsgpack, writeMsgpack } = require('./plain_values.js');

const OPS = new Set([OP.DECODE, OP.ENCODE, OP.VALIDATE, OP.COMPACT, OP.PATCH]);
const PLAIN_BYTES = 1024; // a smaller result is not compressed

/** Whether run() knows the job: {op, optionFlags}. */
function can({ op, optionFlags }) { return OPS.has(op) && !(optionFlags & (FLAG.TRANSFORM | FLAG.ZSTD)); }

// ---- merge patch (RFC 7396)

function merge(target, patch) {
  if (!(patch instanceof Members)) return patch;
  const wanted = new Map(patch);
  if (wanted.size !== patch.length) throw new Refused('duplicate');
  const members = target instanceof Members ? target : new Members();
  const last = new Map(Array.from(members, ([name], at) => [name, at]));
  const made = new Members();
  members.forEach(([name, value], at) => {
    if (!wanted.has(name)) made.push([name, value]);
    else if (last.get(name) === at && wanted.get(name) !== null) made.push([name, merge(value, wanted.get(name))]);
  });
  for (const [name, value] of patch) if (!last.has(name) && value !== null) made.push([name, merge(null, value)]);
  return made;
}

// ---- fields

function fieldName(text) {
  if (text === '') throw new Refused('fields');
  if (text === '%') return '';
  try {
    return decodeURIComponent(text.replace(/\+/g, ' '));
  } catch {
    throw new Refused('fields');
  }
}

/** Map of a name to the Map of names below it; null: all of it. */
function parseFields(text) {
  const tree = new Map();
  for (const one of text.split(',')) {
    const names = one.split('.').map(fieldName);
    let at = tree;
    names.forEach((name, index) => {
      if (at === null) return;
      if (index === names.length - 1) at.set(name, null);
      else {
        if (!at.has(name)) at.set(name, new Map());
        at = at.get(name);
      }
    });
  }
  return tree;
}

function project(value, tree) {
  if (!Array.isArray(value)) return value;
  const isObject = value instanceof Members;
  const made = isObject ? new Members() : [];
  value.forEach((item, at) => {
    const [name, one] = isObject ? item : [String(at), item];
    const below = tree.get(name);
    if (below === undefined || (below !== null && !Array.isArray(one))) return;
    const kept = below === null ? one : project(one, below);
    made.push(isObject ? [name, kept] : kept);
  });
  return made;
}

// ---- jobs

function result({ op, flags, optionFlags, fields, payload: [document, argument] }) {
  const isJson = Boolean(optionFlags & FLAG.INPUT_JSON);
  if (op === OP.DECODE) return writeMsgpack(readJson(document));
  if (op === OP.VALIDATE) {
    readMsgpack(document);
    return document;
  }
  if (op === OP.COMPACT) return writeJson(readJson(document, true));
  const value = isJson ? readJson(document, true) : readMsgpack(document);
  if (op === OP.PATCH) {
    const made = merge(value, readJson(argument, isJson));
    return isJson ? writeJson(made) : writeMsgpack(made);
  }
  return writeJson(fields ? project(value, parseFields(fields)) : value, Boolean(flags & INDENT));
}

/** {status, fault, payload} of a job: {op, flags, optionFlags, fields, payload: [Buffer...]}. */
function run(job) {
  try {
    const whole = result(job);
    const packs = job.optionFlags & FLAG.GZIP && whole.length > PLAIN_BYTES;
    return { status: 0, fault: 0, payload: packs ? zlib.gzipSync(whole) : whole };
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    return { status: problem.status, fault: problem.offset, payload: Buffer.alloc(0) };
  }
}

// ---- the thread

/** Runs jobs on a thread; done(problem, {status, fault, payload}) is called on the loop. */
class Thread {
  #worker = null;
  #waiting = new Map();
  #next = 0;

  submit({ op, flags, optionFlags, fields, payload }, done) {
    if (!this.#worker) this.#start();
    const id = ++this.#next;
    this.#waiting.set(id, done);
    this.#worker.ref();
    this.#worker.postMessage({ id, job: { op, flags, optionFlags, fields, payload } });
  }

  #start() {
    this.#worker = new Worker(path.join(__dirname, 'plain.js'));
    this.#worker.on('message', ({ id, made }) => this.#end(id, null, { ...made, payload: Buffer.from(made.payload) }));
    this.#worker.on('error', (problem) => {
      this.#worker = null;
      for (const id of [...this.#waiting.keys()]) this.#end(id, problem, null);
    });
  }

  #end(id, problem, made) {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#worker && !this.#waiting.size) this.#worker.unref();
    if (done) done(problem, made);
  }

  close() {
    if (this.#worker) this.#worker.terminate();
    this.#worker = null;
    this.#waiting.clear();
  }
}

if (!isMainThread && parentPort && require.main === module) {
  parentPort.on('message', ({ id, job }) => {
    parentPort.postMessage({ id, made: run({ ...job, payload: job.payload.map((one) => Buffer.from(one)) }) });
  });
}

module.exports = { can, run, Thread };
