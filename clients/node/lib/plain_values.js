'use strict';
// JSON text and MessagePack in JavaScript, exactly as the workers have them (docs/CODEC.md).
// JSON.parse cannot be used: it rounds integers and drops duplicate names. Values are null,
// booleans, strings, numbers (doubles), BigInts (integers), arrays, Digits (a number's own
// text) and Members (the members of an object in their order, duplicates too).
const { STATUSES } = require('./errors.js');
const { Writer } = require('./wire.js');

const MAX_DEPTH = 512;
const NO_OFFSET = 2 ** 64;
const UINT64_MAX = (1n << 64n) - 1n;
const INT64_MIN = -(1n << 63n);

/** status is a word of STATUSES, offset a byte. */
class Refused extends Error {
  constructor(status, offset = NO_OFFSET) {
    super(status);
    this.status = STATUSES.findIndex(([name]) => name === status);
    this.offset = offset;
  }
}

/** A number that keeps its text. */
class Digits {
  constructor(text) { this.text = text; }
}

/** [name, value] each. */
class Members extends Array {}

// ---- JSON text

const SPACE = /[ \t\n\r]*/y;
const RUN = /[^"\\\x00-\x1f]*/y; // eslint-disable-line no-control-regex
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const WHOLE_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;
const ESCAPES = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const WORDS = [['null', null], ['true', true], ['false', false]];

class JsonReader {
  constructor(text, keepText) {
    Object.assign(this, { text, keepText, at: 0 });
  }

  fail(status, at = this.at) {
    const ends = at >= this.text.length && status === 'syntax';
    throw new Refused(ends ? 'truncated' : status, Buffer.byteLength(this.text.slice(0, at)));
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  whole() {
    const value = this.value(0);
    this.match(SPACE);
    if (this.at < this.text.length) this.fail('trailing');
    return value;
  }

  value(depth) {
    this.match(SPACE);
    const first = this.text[this.at];
    if (first === '"') return this.string();
    if (first === '[' || first === '{') {
      if (depth >= MAX_DEPTH) this.fail('depth');
      this.at++;
      return first === '[' ? this.array(depth + 1) : this.object(depth + 1);
    }
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  /** What follows an item: true for a comma, false for the end. */
  goesOn(end) {
    this.match(SPACE);
    const next = this.text[this.at];
    if (next !== ',' && next !== end) this.fail('syntax');
    this.at++;
    return next === ',';
  }

  isEmpty(end) {
    this.match(SPACE);
    if (this.text[this.at] !== end) return false;
    this.at++;
    return true;
  }

  array(depth) {
    const items = [];
    if (this.isEmpty(']')) return items;
    do items.push(this.value(depth)); while (this.goesOn(']'));
    return items;
  }

  object(depth) {
    const members = new Members();
    if (this.isEmpty('}')) return members;
    do {
      this.match(SPACE);
      if (this.text[this.at] !== '"') this.fail('syntax');
      const name = this.string();
      this.match(SPACE);
      if (this.text[this.at] !== ':') this.fail('syntax');
      this.at++;
      members.push([name, this.value(depth)]);
    } while (this.goesOn('}'));
    return members;
  }

  string() {
    this.at++;
    let made = '';
    for (;;) {
      made += this.match(RUN)[0];
      const next = this.text[this.at];
      if (next === undefined) this.fail('syntax');
      if (next === '"') break;
      if (next !== '\\') this.fail('control');
      made += this.escape();
    }
    this.at++;
    return made;
  }

  unit() {
    const digits = /^[0-9a-fA-F]{4}/.exec(this.text.slice(this.at + 2, this.at + 6));
    if (!digits) this.fail('syntax', Math.min(this.at + 2, this.text.length));
    this.at += 6;
    return parseInt(digits[0], 16);
  }

  escape() {
    const begin = this.at;
    const kind = this.text[begin + 1];
    if (kind !== 'u') {
      if (!Object.hasOwn(ESCAPES, kind ?? '')) this.fail('syntax', begin + 1);
      this.at += 2;
      return ESCAPES[kind];
    }
    const first = this.unit();
    if (first < 0xd800 || first > 0xdfff) return String.fromCharCode(first);
    if (first > 0xdbff || !this.text.startsWith('\\u', this.at)) this.fail('surrogate', begin);
    const second = this.unit();
    if (second < 0xdc00 || second > 0xdfff) this.fail('surrogate', begin);
    return String.fromCharCode(first, second);
  }

  number() {
    const found = this.match(NUMBER);
    if (!found) this.fail('syntax');
    const [text, fraction, exponent] = found;
    if (this.keepText) return new Digits(text);
    if (fraction === undefined && exponent === undefined && text !== '-0') {
      const value = text.length < 21 ? BigInt(text) : UINT64_MAX + 1n;
      return value > UINT64_MAX || value < INT64_MIN ? new Digits(text) : value;
    }
    const value = Number(text);
    const isZero = !/[1-9]/.test(text.split(/[eE]/)[0]);
    return Number.isFinite(value) && (value !== 0 || isZero) ? value : new Digits(text);
  }
}

/** Where a byte is that UTF-8 does not have there. */
function firstIllFormed(bytes) {
  let low = 0;
  let high = bytes.length; // the longest start that is well formed, by halves
  const decodes = (end) => {
    try {
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (decodes(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function readText(bytes, offset = 0) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused('utf8', offset + firstIllFormed(bytes));
  }
}

/** The value of JSON text. keepText: every number is Digits. */
function readJson(bytes, keepText = false) { return new JsonReader(readText(bytes), keepText).whole(); }

function numberText(value) {
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** line: what begins a line at this depth; empty for compact text. */
function jsonText(value, line) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return numberText(value);
  if (value instanceof Digits) return value.text;
  if (!Array.isArray(value)) return String(value);
  const deeper = line && `${line}  `;
  const isObject = value instanceof Members;
  const parts = Array.from(value, (one) => deeper + (isObject
    ? `${JSON.stringify(one[0])}:${line && ' '}${jsonText(one[1], deeper)}` : jsonText(one, deeper)));
  const inside = parts.join(',') + (parts.length ? line : '');
  return isObject ? `{${inside}}` : `[${inside}]`;
}

function writeJson(value, pretty = false) { return Buffer.from(jsonText(value, pretty ? '\n' : '')); }

// ---- MessagePack

class MsgpackReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(count) {
    if (this.at + count > this.bytes.length) throw new Refused('truncated', this.bytes.length);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  uint(width) { return width === 8 ? this.take(8).readBigUInt64BE() : this.take(width).readUIntBE(0, width); }

  value(depth = 0) {
    const begin = this.at;
    const [first] = this.take(1);
    if (first < 0x80) return BigInt(first);
    if (first >= 0xe0) return BigInt(first - 256);
    if (first < 0xa0) return this.container(first & 15, first < 0x90, depth, begin);
    if (first < 0xc0) return this.text(first & 31);
    if (first >= 0xcc && first <= 0xcf) return BigInt(this.uint(1 << (first - 0xcc)));
    if (first >= 0xd0 && first <= 0xd3) return BigInt.asIntN(8 << (first - 0xd0), BigInt(this.uint(1 << (first - 0xd0))));
    if (first >= 0xd9 && first <= 0xdb) return this.text(this.uint(1 << (first - 0xd9)));
    if (first === 0xdc || first === 0xdd) return this.container(this.uint(2 << (first - 0xdc)), false, depth, begin);
    if (first === 0xde || first === 0xdf) return this.container(this.uint(2 << (first - 0xde)), true, depth, begin);
    return this.other(first, begin);
  }

  other(first, begin) {
    if (first === 0xc0) return null;
    if (first === 0xc2 || first === 0xc3) return first === 0xc3;
    if (first === 0xca || first === 0xcb) {
      const value = first === 0xca ? this.take(4).readFloatBE() : this.take(8).readDoubleBE();
      if (!Number.isFinite(value)) throw new Refused('type', begin);
      return value;
    }
    if (first === 0xc1) throw new Refused('msgpack', begin);
    let length;
    if (first >= 0xc7 && first <= 0xc9) length = this.uint(1 << (first - 0xc7));
    else if (first >= 0xd4 && first <= 0xd8) length = 1 << (first - 0xd4);
    else throw new Refused('type', begin); // bin
    const [kind] = this.take(1);
    const text = this.take(length).toString('latin1');
    if (kind !== 1 || !WHOLE_NUMBER.test(text)) throw new Refused('type', begin);
    return new Digits(text);
  }

  container(count, isMap, depth, begin) {
    if (depth >= MAX_DEPTH) throw new Refused('depth', begin);
    const items = isMap ? new Members() : [];
    for (let i = 0; i < count; i++) items.push(isMap ? [this.name(), this.value(depth + 1)] : this.value(depth + 1));
    return items;
  }

  name() {
    const begin = this.at;
    const name = this.value();
    if (typeof name !== 'string') throw new Refused('key', begin);
    return name;
  }

  text(length) {
    const begin = this.at;
    return readText(this.take(length), begin);
  }
}

function readMsgpack(bytes) {
  const reader = new MsgpackReader(bytes);
  const value = reader.value();
  if (reader.at !== bytes.length) throw new Refused('trailing', reader.at);
  return value;
}

const FIXEXT = { 1: 0xd4, 2: 0xd5, 4: 0xd6, 8: 0xd7, 16: 0xd8 };

function putInteger(out, value) {
  const [bits, code] = value >= 0n
    ? [[8n, 16n, 32n, 64n].find((one) => value < 1n << one), 0xcc]
    : [[8n, 16n, 32n, 64n].find((one) => value >= -(1n << (one - 1n))), 0xd0];
  if (value >= -32n && value < 128n) {
    out.byte(Number(BigInt.asUintN(8, value)));
    return;
  }
  out.byte(code + Math.log2(Number(bits) / 8));
  for (let shift = bits - 8n; shift >= 0n; shift -= 8n) out.byte(Number(BigInt.asUintN(8, value >> shift)));
}

function put(out, value) {
  if (value === null) out.byte(0xc0);
  else if (typeof value === 'boolean') out.byte(value ? 0xc3 : 0xc2);
  else if (typeof value === 'string') out.text(value);
  else if (typeof value === 'bigint') putInteger(out, value);
  else if (typeof value === 'number') out.float(value);
  else if (value instanceof Digits) {
    const { text } = value;
    if (FIXEXT[text.length]) {
      out.byte(FIXEXT[text.length]);
      out.byte(1);
      out.raw(Buffer.from(text));
    } else {
      out.digits(text);
    }
  } else if (value instanceof Members) {
    out.map(value.length);
    for (const [name, one] of value) {
      out.text(name);
      put(out, one);
    }
  } else {
    out.array(value.length);
    for (const one of value) put(out, one);
  }
}

function writeMsgpack(value) {
  const out = new Writer();
  put(out, value);
  return out.done();
}

module.exports = { Refused, Digits, Members, readJson, writeJson, readMsgpack, writeMsgpack };
