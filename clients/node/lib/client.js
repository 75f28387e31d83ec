'use strict';
// The client of the job socket, with promises. What a turn of the loop submits leaves in one
// write. A lost connection is made anew; jobs that were under way are sent once more, since
// they are pure functions of their bytes. link.js has the connection itself.
const wire = require('./wire.js');
const { Link } = require('./link.js');
const plain = require('./plain.js');
const {
  JobLost, JobTimeout, NoWorker, Overloaded, errorOfStatus,
} = require('./errors.js');

const DEFAULT_PATH = '/run/offloop/jobs.sock';
const DEFAULT_TIMEOUT_MS = 10000;
const GRACE_MS = 2000; // how much later than the daemon this side gives a job up
const RETRY_FIRST_MS = 50;
const RETRY_LAST_MS = 2000;
const TRIES = 2; // a job is sent at most so often
const NONE = Buffer.alloc(0);

function bytesOf(document) {
  if (Buffer.isBuffer(document)) return document;
  if (typeof document === 'string') return Buffer.from(document);
  if (ArrayBuffer.isView(document)) return Buffer.from(document.buffer, document.byteOffset, document.byteLength);
  if (document instanceof ArrayBuffer) return Buffer.from(document);
  throw new TypeError('a document is a Buffer, another view of bytes, or a string');
}

function codingOf({ gzip, zstd }) {
  if (gzip && zstd) throw new TypeError('gzip or zstd, not both');
  return (gzip ? wire.FLAG.GZIP : 0) | (zstd ? wire.FLAG.ZSTD : 0);
}

/** Jobs for the workers of this host. Made by connect(). */
class Jobs {
  #path; #name; #timeout;
  #link = null; // where jobs are sent
  #links = new Set(); // with those of daemons that drain
  #live = new Map(); // id: job
  #queue = []; // not sent yet
  #absent = false; // the last attempt to connect failed
  #nextId = 0;
  #flushing = false;
  #pause = RETRY_FIRST_MS;
  #retry = null; #sweep = null; #closed = false; #settled = null;

  #thread; // for times without a daemon; null: jobs wait

  constructor(path, { name = '', timeout = DEFAULT_TIMEOUT_MS, inline = true } = {}) {
    this.#path = path || process.env.OFFLOOP_JOBS || DEFAULT_PATH;
    this.#name = String(name).slice(0, 64);
    this.#timeout = timeout;
    this.#thread = inline ? new plain.Thread() : null;
  }

  get connected() { return this.#link !== null && this.#link.welcome !== null; }

  /** MessagePack to JSON. A value that is no Buffer is packed here first, on the loop:
      JSON.stringify() takes about as long, so that pays only where other steps follow. */
  encode(document, options = {}) {
    const bytes = ArrayBuffer.isView(document) ? bytesOf(document) : wire.packValue(document);
    return this.#submit(wire.OP.ENCODE, bytes, options, { fields: options.fields });
  }

  /** JSON to MessagePack. */
  decode(json, options = {}) { return this.#submit(wire.OP.DECODE, bytesOf(json), options, {}); }

  /** JSON to JSON without white space. */
  compact(json, options = {}) { return this.#submit(wire.OP.COMPACT, bytesOf(json), options, {}); }

  /** Rejects unless the document is MessagePack that JSON can hold, or JSON. */
  async validate(document, options = {}) {
    const bytes = bytesOf(document);
    await this.#submit(wire.isJson(bytes) ? wire.OP.DECODE : wire.OP.VALIDATE, bytes, options, {});
  }

  /** Some members of a document ("a,b.c,items.0"), as JSON. */
  project(document, fields, options = {}) {
    return this.#submit(wire.OP.ENCODE, bytesOf(document), options, { fields, stored: true });
  }

  /** A document after a JSON merge patch (RFC 7396), in the form that the document had. */
  patch(document, patch, options = {}) {
    return this.#submit(wire.OP.PATCH, bytesOf(document), options, { argument: bytesOf(patch), stored: true });
  }

  /** What a jq program makes of a document, as JSON; several results are lines. args are the
      values of $names in the program. */
  jq(document, program, options = {}) {
    return this.#submit(wire.OP.ENCODE, bytesOf(document), options, {
      flags: wire.FLAG.TRANSFORM, argument: wire.packTransform(program, options.args), stored: true, separator: 10,
    });
  }

  /** Ends: jobs without an answer are given up. */
  async close() {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#sweep);
    for (const link of this.#links) link.close();
    this.#links.clear();
    this.#link = null;
    if (this.#thread) this.#thread.close();
    for (const job of [...this.#live.values()]) this.#fail(job, new NoWorker('the client was closed'));
    if (this.#settled) this.#settled();
  }

  async [Symbol.asyncDispose ?? Symbol('dispose')]() { await this.close(); }

  /** Connected, or known that nobody is there. */
  open() {
    return new Promise((resolve) => {
      this.#settled = resolve;
      this.#connect();
    });
  }

  // ---- jobs

  #submit(op, document, options, { flags = 0, fields = '', argument = null, stored = false, separator = 0 }) {
    if (this.#closed) return Promise.reject(new NoWorker('the client is closed'));
    if (options.signal && options.signal.aborted) return Promise.reject(options.signal.reason);
    if (this.connected && this.#live.size >= this.#link.welcome.maxJobs) {
      return Promise.reject(new Overloaded(`${this.#live.size} jobs wait for an answer`));
    }
    let all;
    try {
      all = flags | codingOf(options) | (stored && wire.isJson(document) ? wire.FLAG.INPUT_JSON : 0);
    } catch (problem) {
      return Promise.reject(problem);
    }
    const timeout = options.timeout ?? this.#timeout;
    const now = performance.now();
    const job = {
      id: 0, op, flags: options.pretty ? wire.INDENT : 0, separator, optionFlags: all, fields: fields || '',
      options: wire.options(all, argument ? argument.length : 0, Buffer.from(fields || '')),
      payload: argument ? [document, argument] : [document],
      ends: now + timeout, half: now + timeout / 2, tries: 0, link: null, local: false, resolve: null, reject: null, unlisten: null,
    };
    const promise = new Promise((resolve, reject) => {
      job.resolve = resolve;
      job.reject = reject;
    });
    this.#add(job);
    this.#listen(job, options.signal);
    return promise;
  }

  #add(job) {
    do this.#nextId = this.#nextId % 0xffffffff + 1; while (this.#live.has(this.#nextId));
    job.id = this.#nextId;
    this.#live.set(job.id, job);
    if (!this.#sweep) this.#sweep = setInterval(() => this.#onSweep(), 250);
    if (this.#absent && this.#runHere(job)) return;
    this.#queue.push(job);
    this.#askFlush();
  }

  /** An AbortSignal takes the job back. */
  #listen(job, signal) {
    if (!signal) return;
    const abort = () => {
      if (!job.reject) return;
      job.reject(signal.reason);
      job.reject = job.resolve = null;
      if (job.link) job.link.send([wire.cancel([job.id])]); // it stays in #live until it is answered
      else this.#end(job);
    };
    signal.addEventListener('abort', abort, { once: true });
    job.unlisten = () => signal.removeEventListener('abort', abort);
  }

  #end(job) {
    this.#live.delete(job.id);
    if (job.unlisten) job.unlisten();
    if (this.#live.size === 0) {
      clearInterval(this.#sweep);
      this.#sweep = null;
    }
  }

  /** Runs the job in this process, on a thread; false where that cannot be. */
  #runHere(job) {
    if (!this.#thread || job.local || !job.reject || !plain.can(job)) return false;
    job.local = true;
    this.#thread.submit(job, (problem, made) => {
      if (!this.#live.has(job.id)) return;
      this.#end(job);
      if (!job.reject) return;
      if (problem) job.reject(problem);
      else this.#give(job, made.status, made.fault, made.payload);
    });
    return true;
  }

  #fail(job, problem) {
    this.#end(job);
    if (job.reject) job.reject(problem);
  }

  /** Gives up what is overdue: an answer that never comes must not be waited for. */
  #onSweep() {
    const now = performance.now();
    for (const job of [...this.#live.values()]) {
      if (job.local) continue;
      if (now > job.ends + GRACE_MS) this.#fail(job, new JobTimeout('no answer came in time'));
      else if (now > job.half && !(job.link && job.link.welcome)) this.#fail(job, new NoWorker(`no daemon answers at ${this.#path}`));
    }
    this.#queue = this.#queue.filter((job) => this.#live.has(job.id));
  }

  // ---- the connection

  #connect() {
    this.#retry = null;
    if (this.#closed || this.#link) return;
    this.#link = new Link(this, this.#path, this.#name);
    this.#links.add(this.#link);
  }

  /** Of a link. */
  onConnect() {
    this.#askFlush();
    this.#settle();
  }

  /** Of a link. */
  onWelcome() {
    this.#absent = false;
    this.#pause = RETRY_FIRST_MS;
  }

  /** Of a link: its daemon drains. Another one may be there already; this one still answers
      what it has read. */
  onBye(link) {
    if (this.#link !== link) return;
    this.#link = null;
    this.#connect();
  }

  /** Of a link: what was to be written has left. */
  onDrain() { this.#askFlush(); }

  #settle() {
    if (this.#settled) this.#settled();
    this.#settled = null;
  }

  /** Of a link: it has ended. What was under way on it is sent once more. */
  onLost(link, why) {
    this.#links.delete(link);
    for (const job of [...this.#live.values()]) {
      if (job.link !== link) continue;
      job.link = null;
      if (link.draining || !link.welcome) job.tries--; // it was not read
      if (!job.reject) this.#end(job);
      else if (job.tries >= TRIES) this.#fail(job, new JobLost(`the connection was lost twice: ${why}`));
      else this.#queue.push(job);
    }
    if (this.#link === link) {
      this.#link = null;
      if (!link.welcome) this.#onAbsent();
      this.#settle();
      this.#askRetry();
    } else {
      this.#askFlush();
    }
  }

  #onAbsent() {
    this.#absent = true;
    this.#queue = this.#queue.filter((job) => !this.#runHere(job));
  }

  #askRetry() {
    if (this.#closed || this.#retry) return;
    this.#retry = setTimeout(() => this.#connect(), this.#pause);
    if (!this.#live.size) this.#retry.unref(); // nobody waits for it
    this.#pause = Math.min(this.#pause * 2, RETRY_LAST_MS);
  }

  // ---- sending

  #askFlush() {
    if (this.#retry) this.#retry.ref();
    if (this.#flushing || !this.#link || !this.#link.isWritable) return;
    this.#flushing = true;
    // After this turn's promises have run, so that what they submit goes along.
    queueMicrotask(() => process.nextTick(() => this.#flush()));
  }

  #flush() {
    this.#flushing = false;
    const link = this.#link;
    while (this.#queue.length && link && link.isWritable) {
      const batch = this.#queue.splice(0, wire.MAX_JOBS_IN_MESSAGE).filter((job) => this.#isWanted(job));
      if (!batch.length) continue;
      const now = performance.now();
      for (const job of batch) {
        job.tries++;
        job.link = link;
        job.deadline = Math.max(1, Math.ceil(job.ends - now));
      }
      link.send(wire.jobs(batch));
    }
  }

  #isWanted(job) {
    if (job.reject) return this.#live.has(job.id);
    this.#end(job);
    return false;
  }

  // ---- receiving

  /** Of a link. */
  onResult({ id, verdict, status, fault, payload }) {
    const job = this.#live.get(id);
    if (!job) return;
    if (verdict === wire.VERDICT.NO_WORKER && job.reject && this.#runHere(job)) return;
    this.#end(job);
    if (!job.reject) return;
    if (verdict === wire.VERDICT.RAN) this.#give(job, status, fault, payload);
    else job.reject(verdictError(verdict));
  }

  #give(job, status, fault, payload) {
    if (status === 0) job.resolve(payload.length ? payload : NONE);
    else job.reject(errorOfStatus(status, fault, payload.toString()));
  }
}

function verdictError(verdict) {
  switch (verdict) {
    case wire.VERDICT.EXPIRED: return new JobTimeout('the job took too long');
    case wire.VERDICT.OVERLOADED: return new Overloaded('too many jobs wait for workers');
    case wire.VERDICT.NO_WORKER: return new NoWorker('no worker is connected to the daemon');
    case wire.VERDICT.POISON: return new JobLost('the document has crashed workers and is refused for now');
    default: return new JobLost('the workers that had the job were lost');
  }
}

/** Connects; the daemon need not be there yet. path: $OFFLOOP_JOBS, else /run/offloop/jobs.sock.
    options: name (for the daemon's metrics), timeout (ms, of jobs that have none), inline (true:
    while no daemon is there, jobs run on a thread of this process, slowly; not jq). */
async function connect(path, options) {
  if (path && typeof path === 'object') [path, options] = [undefined, path];
  const jobs = new Jobs(path, options);
  await jobs.open();
  return jobs;
}

module.exports = { Jobs, connect };
