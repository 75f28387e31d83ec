'use strict';
// A daemon for tests: speaks the job socket's protocol, with results that a test decides.
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const GREETING = Buffer.from([0, 0x53, 0x50, 0, 0, 0x10, 0, 0]);

function uint(value) {
  if (value < 0x80) return Buffer.from([value]);
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcf;
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
}

function frame(body) {
  const head = Buffer.alloc(9);
  head[0] = 1;
  head.writeUInt32BE(body.length, 5);
  return Buffer.concat([head, body]);
}

function array(count) {
  return count < 16 ? Buffer.from([0x90 | count]) : Buffer.from([0xdc, count >> 8, count & 255]);
}

/** [id, verdict, status, fault, payload] each. */
function results(...items) {
  const heads = items.flatMap((item) => [Buffer.from([0x98]), ...item.slice(0, 4).map(uint), uint(5), uint(7),
    uint(item[4].length), Buffer.from([0xc0])]);
  return frame(Buffer.concat([Buffer.from([0x4f, 1, 0x20]), array(items.length), ...heads,
    ...items.map((item) => item[4])]));
}

function welcome(maxJobs = 1000) {
  return frame(Buffer.concat([Buffer.from([0x4f, 1, 0x31, 0x95, 1]), uint(maxJobs), uint(1 << 28),
    Buffer.from([3, 0xa4]), Buffer.from('yajl')]));
}

function bye() { return frame(Buffer.from([0x4f, 1, 0x23, 0x91, 1])); }

class Reader {
  constructor(bytes) { this.bytes = bytes; this.at = 3; }
  take(count) {
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  value() {
    const first = this.bytes[this.at++];
    if (first < 0x80) return first;
    if (first === 0xc0) return null;
    if ((first & 0xf0) === 0x90) return this.list(first & 15);
    if ((first & 0xe0) === 0xa0) return this.take(first & 31).toString();
    if (first >= 0xcc && first <= 0xce) return this.take(1 << (first - 0xcc)).reduce((all, one) => all * 256 + one, 0);
    if (first === 0xc4) return this.take(this.bytes[this.at++]);
    if (first === 0xdc) return this.list(this.take(2).readUInt16BE());
    throw new Error(first.toString(16));
  }
  list(count) { return Array.from({ length: count }, () => this.value()); }
}

/** answer(job) may return bytes to send. */
class Daemon {
  constructor(answer, { greeting = GREETING, hello = welcome() } = {}) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'offloop-node-'));
    this.path = path.join(this.folder, 'jobs.sock');
    Object.assign(this, { answer, greeting, hello, jobs: [], cancelled: [], sockets: new Set(), names: [] });
  }

  start() {
    this.server = net.createServer((socket) => this.serve(socket));
    return new Promise((resolve) => this.server.listen(this.path, resolve));
  }

  hangUp() { for (const socket of this.sockets) socket.destroy(); }

  async stop() {
    this.hangUp();
    if (this.server) await new Promise((resolve) => this.server.close(resolve));
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  serve(socket) {
    this.sockets.add(socket);
    let all = Buffer.alloc(0);
    let chunks = [];
    let have = 0;
    let need = 8;
    let greeted = false;
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    socket.write(this.greeting);
    socket.write(this.hello);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      have += chunk.length;
      if (have < need) return;
      all = Buffer.concat(chunks, have);
      if (!greeted) {
        greeted = true;
        all = all.subarray(8);
      }
      while (all.length >= 9 && all.length >= 9 + all.readUInt32BE(5)) {
        const end = 9 + all.readUInt32BE(5);
        this.take(all.subarray(9, end), socket);
        all = all.subarray(end);
      }
      need = all.length >= 9 ? 9 + all.readUInt32BE(5) : 9;
      chunks = [all];
      have = all.length;
    });
  }

  take(bytes, socket) {
    const reader = new Reader(bytes);
    const items = reader.value();
    if (bytes[2] === 0x30) this.names.push(items[1]);
    else if (bytes[2] === 0x13) {
      this.cancelled.push(...items);
      socket.write(results(...items.map((id) => [id, 2, 0, 0, Buffer.alloc(0)])));
    } else {
      for (const [id, op, flags, separator, deadline, , , options, length] of items) {
        const job = { id, op, flags, separator, deadline, options, payload: reader.take(length) };
        this.jobs.push(job);
        const said = this.answer(job);
        if (said) socket.write(said);
      }
      if (reader.at !== bytes.length) throw new Error('bytes are left over');
    }
  }
}

module.exports = { Daemon, results, welcome, bye, GREETING };
