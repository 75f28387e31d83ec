'use strict';
// One connection to a daemon's job socket: bytes out, messages in. Its owner is told what
// happens: onConnect, onWelcome, onResult, onBye, onDrain, onLost, each with the link.
const net = require('node:net');
const wire = require('./wire.js');
const { OffloopError, ProtocolError } = require('./errors.js');

class Link {
  #owner; #socket; #greeted = false;
  #chunks = []; // what has come and is not read yet
  #have = 0;

  constructor(owner, path, name) {
    this.welcome = null;
    this.draining = false;
    this.#owner = owner;
    const socket = net.createConnection(path);
    this.#socket = socket;
    socket.on('connect', () => {
      socket.write(Buffer.concat([wire.GREETING, wire.appHello(name)]));
      owner.onConnect(this);
    });
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('drain', () => owner.onDrain(this));
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.#lose('the daemon has closed the connection'));
  }

  /** Whether jobs can be written now. */
  get isWritable() { return this.#socket !== null && !this.#socket.connecting && !this.#socket.writableNeedDrain; }

  /** Writes pieces as one. */
  send(pieces) {
    if (this.#socket === null) return;
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  /** Ends it; tells nobody. */
  close() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket) socket.destroy();
  }

  #lose(why) {
    if (this.#socket === null) return;
    this.close();
    this.#owner.onLost(this, why);
  }

  #onData(chunk) {
    this.#chunks.push(chunk);
    this.#have += chunk.length;
    try {
      this.#readMessages();
    } catch (problem) {
      if (!(problem instanceof OffloopError)) throw problem;
      this.#lose(problem.message);
    }
  }

  /** All that has come as one Buffer, if it is at least so many bytes; else null. */
  #gather(bytes) {
    if (this.#have < bytes) return null;
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks, this.#have)];
    return this.#chunks[0];
  }

  #need = wire.GREETING.length; // bytes until which there is nothing to read

  #readMessages() {
    const all = this.#gather(this.#need);
    if (all === null) return;
    let at = 0;
    if (!this.#greeted) {
      at = wire.GREETING.length;
      if (!all.subarray(0, at).equals(wire.GREETING)) throw new ProtocolError('this is no job socket');
      this.#greeted = true;
    }
    this.#need = wire.FRAME_HEAD_BYTES;
    while (all.length - at >= wire.FRAME_HEAD_BYTES) {
      const end = at + wire.FRAME_HEAD_BYTES + wire.frameLength(all, at);
      if (end > all.length) {
        this.#need = end - at;
        break;
      }
      this.#takeMessage(all.subarray(at + wire.FRAME_HEAD_BYTES, end));
      if (this.#socket === null) return;
      at = end;
    }
    this.#chunks = at < all.length ? [all.subarray(at)] : [];
    this.#have = all.length - at;
  }

  #takeMessage(bytes) {
    const type = bytes[2];
    if (type === wire.TYPE.RESULTS) {
      for (const result of wire.readResults(bytes)) this.#owner.onResult(result);
    } else if (type === wire.TYPE.APP_WELCOME) {
      this.welcome = wire.readWelcome(bytes);
      this.#owner.onWelcome(this);
    } else if (type === wire.TYPE.BYE) {
      this.draining = true;
      this.#owner.onBye(this);
    } else if (type === wire.TYPE.REFUSED) {
      throw new OffloopError(`the daemon refuses us: ${wire.readRefused(bytes).text}`);
    } else if (type !== wire.TYPE.ALIVE) {
      throw new ProtocolError(`message type ${type}`);
    }
  }
}

module.exports = { Link };
