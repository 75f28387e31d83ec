'use strict';
// The messages of the job socket as bytes: PROTOCOL.md, section "The job socket".
// No sockets and no clock here. Readers check every length before they believe it.
const { ProtocolError } = require('./errors.js');

/** Both sides say it first. */
const GREETING = Buffer.from([0, 0x53, 0x50, 0, 0, 0x10, 0, 0]);
const MAX_MESSAGE = (512 + 1) * 1024 * 1024;
const FRAME_HEAD_BYTES = 9;
const MAX_JOBS_IN_MESSAGE = 64;
const VERSION = 1;

const OP = { DECODE: 0, ENCODE: 1, VALIDATE: 3, COMPACT: 4, PROJECT: 5, PATCH: 6 };
const FLAG = { GZIP: 1, INPUT_GZIP: 2, INPUT_JSON: 4, ZSTD: 8, TRANSFORM: 128 };
const INDENT = 1;
const VERDICT = { RAN: 0, EXPIRED: 1, CANCELLED: 2, OVERLOADED: 3, NO_WORKER: 4, LOST: 5, POISON: 6 };
const TYPE = {
  REFUSED: 0x03, JOBS: 0x12, CANCEL: 0x13, RESULTS: 0x20, ALIVE: 0x22, BYE: 0x23,
  APP_HELLO: 0x30, APP_WELCOME: 0x31,
};

/** Writes MessagePack into one growing buffer. */
class Writer {
  constructor(bytes) {
    this.buffer = Buffer.allocUnsafe(bytes || 256);
    this.length = 0;
  }

  reserve(bytes) {
    if (this.length + bytes > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
      this.buffer.copy(larger, 0, 0, this.length);
      this.buffer = larger;
    }
  }

  byte(value) {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  uint(value) {
    this.reserve(9);
    const at = this.length;
    if (value < 0x80) {
      this.buffer[at] = value;
      this.length = at + 1;
    } else if (value < 0x100000000) {
      this.buffer[at] = 0xce;
      this.buffer.writeUInt32BE(value, at + 1);
      this.length = at + 5;
    } else {
      this.buffer[at] = 0xcf;
      this.buffer.writeBigUInt64BE(BigInt(value), at + 1);
      this.length = at + 9;
    }
  }

  raw(bytes) {
    this.reserve(bytes.length);
    bytes.copy(this.buffer, this.length);
    this.length += bytes.length;
  }

  head(length, fix, fixMax, codes) {
    this.reserve(5);
    if (length <= fixMax) {
      this.byte(fix | length);
    } else if (length <= 0xff && codes[0]) {
      this.byte(codes[0]);
      this.byte(length);
    } else if (length <= 0xffff) {
      this.byte(codes[1]);
      this.buffer.writeUInt16BE(length, this.length);
      this.length += 2;
    } else {
      this.byte(codes[2]);
      this.buffer.writeUInt32BE(length, this.length);
      this.length += 4;
    }
  }

  array(count) { this.head(count, 0x90, 15, [0, 0xdc, 0xdd]); }
  map(count) { this.head(count, 0x80, 15, [0, 0xde, 0xdf]); }
  text(text) {
    const bytes = Buffer.from(text);
    this.head(bytes.length, 0xa0, 31, [0xd9, 0xda, 0xdb]);
    this.raw(bytes);
  }
  bin(bytes) {
    this.head(bytes.length, 0, -1, [0xc4, 0xc5, 0xc6]);
    this.raw(bytes);
  }
  float(value) {
    this.byte(0xcb);
    this.reserve(8);
    this.buffer.writeDoubleBE(value, this.length);
    this.length += 8;
  }
  digits(text) { // integers beyond 64 bits: ext type 1 with their digits
    this.head(text.length, 0, -1, [0xc7, 0xc8, 0xc9]);
    this.byte(1);
    this.raw(Buffer.from(text, 'latin1'));
  }
  done() { return this.buffer.subarray(0, this.length); }
}

function writeBigInt(out, value) {
  if (value >= 0n && value <= 0xffffffffffffffffn) {
    out.byte(0xcf);
    out.reserve(8);
    out.buffer.writeBigUInt64BE(value, out.length);
    out.length += 8;
  } else if (value < 0n && value >= -0x8000000000000000n) {
    out.byte(0xd3);
    out.reserve(8);
    out.buffer.writeBigInt64BE(value, out.length);
    out.length += 8;
  } else {
    out.digits(String(value));
  }
}

function writeNumber(out, value) {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    if (!Number.isFinite(value)) throw new TypeError(`${value} is no value of JSON`);
    out.float(value);
  } else if (value >= 0) {
    out.uint(value);
  } else if (value >= -32) {
    out.byte(value & 0xff);
  } else {
    writeBigInt(out, BigInt(value));
  }
}

/** Packs a value that JSON can hold; undefined members are left out, as JSON.stringify does. */
function writeValue(out, value, depth = 0) {
  if (depth > 512) throw new TypeError('nested too deeply');
  if (value && typeof value.toJSON === 'function') value = value.toJSON();
  if (value === null || value === undefined) out.byte(0xc0);
  else if (typeof value === 'boolean') out.byte(value ? 0xc3 : 0xc2);
  else if (typeof value === 'number') writeNumber(out, value);
  else if (typeof value === 'bigint') writeBigInt(out, value);
  else if (typeof value === 'string') out.text(value);
  else if (Array.isArray(value)) {
    out.array(value.length);
    for (const one of value) writeValue(out, one, depth + 1);
  } else if (typeof value === 'object') {
    const members = Object.entries(value).filter(([, one]) => one !== undefined);
    out.map(members.length);
    for (const [name, one] of members) {
      out.text(name);
      writeValue(out, one, depth + 1);
    }
  } else throw new TypeError(`a ${typeof value} is no value of JSON`);
}

function packValue(value) {
  const out = new Writer();
  writeValue(out, value);
  return out.done();
}

function frameHead(length) {
  const head = Buffer.allocUnsafe(9);
  head[0] = 1;
  head.writeUInt32BE(0, 1);
  head.writeUInt32BE(length, 5);
  return head;
}

function message(type, write) {
  const out = new Writer();
  out.raw(Buffer.from([0x4f, VERSION, type]));
  write(out);
  return Buffer.concat([frameHead(out.length), out.done()]);
}

function appHello(name) {
  return message(TYPE.APP_HELLO, (out) => {
    out.array(3);
    out.uint(VERSION);
    out.text(name);
    out.uint(0);
  });
}

function cancel(ids) {
  return message(TYPE.CANCEL, (out) => {
    out.array(ids.length);
    for (const id of ids) out.uint(id);
  });
}

/** The options of a job; null where all are the defaults. */
function options(flags, argument, fields) {
  if (!flags && !argument && !fields.length) return null;
  const out = new Writer(32 + fields.length);
  out.array(4);
  out.uint(flags);
  out.uint(argument);
  out.uint(0);
  out.bin(fields);
  return out.done();
}

/** The argument of a job with a jq program: [program, {name: value}]. */
function packTransform(program, args) {
  const out = new Writer(64 + program.length);
  out.array(2);
  out.text(program);
  const members = Object.entries(args || {});
  out.map(members.length);
  for (const [name, value] of members) {
    out.text(name);
    writeValue(out, value);
  }
  return out.done();
}

/** One JOBS message in its frame, as pieces: [{id, op, flags, separator, deadline, options,
    payload: [Buffer...]}]. */
function jobs(batch) {
  const out = new Writer(64 * batch.length + 16);
  const payloads = [];
  let total = 0;
  out.raw(Buffer.from([0x4f, VERSION, TYPE.JOBS]));
  out.array(batch.length);
  for (const job of batch) {
    let length = 0;
    for (const piece of job.payload) {
      length += piece.length;
      payloads.push(piece);
    }
    total += length;
    out.byte(0x9a);
    out.uint(job.id);
    out.uint(job.op);
    out.uint(job.flags);
    out.uint(job.separator);
    out.uint(job.deadline);
    out.uint(0); // the largest result that is allowed
    out.byte(0xc0); // no shared memory
    if (job.options) out.bin(job.options);
    else out.byte(0xc0);
    out.uint(length);
    out.byte(0xc0);
  }
  return [frameHead(out.length + total), out.done(), ...payloads];
}

/** The length of the message whose frame begins there; 9 bytes must be there. */
function frameLength(bytes, at) {
  const length = bytes.readUInt32BE(at + 5);
  if (bytes[at] !== 1 || bytes.readUInt32BE(at + 1) !== 0 || length > MAX_MESSAGE || length < 4) {
    throw new ProtocolError('not a frame');
  }
  return length;
}

/** Reads the MessagePack of a message's body, strictly. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 3;
    if (bytes.length < 4 || bytes[0] !== 0x4f || bytes[1] !== VERSION) {
      throw new ProtocolError('not a message of version 1');
    }
  }

  need(count) {
    if (this.at + count > this.bytes.length) throw new ProtocolError('a message is cut short');
  }

  uint() {
    this.need(1);
    const first = this.bytes[this.at++];
    if (first < 0x80) return first;
    const width = first >= 0xcc && first <= 0xcf ? 1 << (first - 0xcc) : 0;
    if (!width) throw new ProtocolError('a number is expected');
    this.need(width);
    const from = this.at;
    this.at += width;
    return width === 8 ? Number(this.bytes.readBigUInt64BE(from)) : this.bytes.readUIntBE(from, width);
  }

  array() {
    this.need(1);
    const first = this.bytes[this.at++];
    if ((first & 0xf0) === 0x90) return first & 15;
    if (first !== 0xdc) throw new ProtocolError('an array is expected');
    this.need(2);
    this.at += 2;
    return this.bytes.readUInt16BE(this.at - 2);
  }

  text() {
    this.need(1);
    const first = this.bytes[this.at++];
    let length;
    if ((first & 0xe0) === 0xa0) length = first & 31;
    else if (first === 0xd9) {
      this.need(1);
      length = this.bytes[this.at++];
    } else throw new ProtocolError('a text is expected');
    this.need(length);
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }

  nil() {
    this.need(1);
    if (this.bytes[this.at++] !== 0xc0) throw new ProtocolError('a result that is not in the message');
  }

  end() {
    if (this.at !== this.bytes.length) throw new ProtocolError('bytes are left over');
  }
}

function readWelcome(bytes) {
  const reader = new Reader(bytes);
  if (reader.array() !== 5) throw new ProtocolError('not a welcome');
  const welcome = {
    version: reader.uint(), maxJobs: reader.uint(), maxBytes: reader.uint(),
    capabilities: reader.uint(), engine: reader.text(),
  };
  reader.end();
  return welcome;
}

function readRefused(bytes) {
  const reader = new Reader(bytes);
  reader.array();
  return { reason: reader.uint(), text: reader.text() };
}

/** The results of a message: [{id, verdict, status, fault, payload}]; a payload is a view of
    the message's bytes. */
function readResults(bytes) {
  const reader = new Reader(bytes);
  const count = reader.array();
  const results = [];
  for (let i = 0; i < count; i++) {
    if (reader.array() !== 8) throw new ProtocolError('not a result');
    const result = {
      id: reader.uint(), verdict: reader.uint(), status: reader.uint(), fault: reader.uint(), payload: null,
    };
    reader.uint(); // microseconds of waiting,
    reader.uint(); // and in the codec
    result.length = reader.uint();
    reader.nil();
    results.push(result);
  }
  for (const result of results) {
    reader.need(result.length);
    result.payload = bytes.subarray(reader.at, reader.at + result.length);
    reader.at += result.length;
  }
  reader.end();
  return results;
}

/** Whether bytes are JSON text and not MessagePack. JSON begins with an ASCII byte; a
    MessagePack value that does is one byte long. */
function isJson(document) {
  if (document.length === 0) return true; // neither; the codec says what is wrong
  if (document[0] >= 0x80) return false;
  return document.length > 1 || (document[0] >= 0x30 && document[0] <= 0x39);
}

module.exports = {
  GREETING, FRAME_HEAD_BYTES, Writer, MAX_JOBS_IN_MESSAGE, OP, FLAG, INDENT, VERDICT, TYPE, appHello, cancel, options, packTransform,
  packValue, jobs, frameLength, readWelcome, readRefused, readResults, isJson,
};
