'use strict';
// One connection to a daemon's job socket: bytes out, messages in. Its owner is told what
// happens: onConnect, onWelcome, onResult, onBye, onDrain, onLost, each with the link.
const net = require('node:net');
const wire = require('./wire.js');
const { OffloopError, ProtocolError } = require('./errors.js');

const READ_BYTES = 256 * 1024;

class Link {
  #owner; #socket; #greeted = false;
  #rest = Buffer.alloc(0); // the beginning of a frame's head, or of the greeting
  #frame = null; // the one that is coming,
  #have = 0; // and how much of it is there

  constructor(owner, path, name) {
    this.welcome = null;
    this.draining = false;
    this.#owner = owner;
    // One buffer for all reads: node would else allocate 64 KiB for each.
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (count, buffer) => {
        this.#onData(buffer.subarray(0, count));
        return true;
      },
    };
    const socket = net.createConnection({ path, onread });
    this.#socket = socket;
    socket.on('connect', () => {
      socket.write(Buffer.concat([wire.GREETING, wire.appHello(name)]));
      owner.onConnect(this);
    });
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

  /** A chunk has come; its bytes are overwritten by the next one. */
  #onData(chunk) {
    try {
      this.#read(this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk);
    } catch (problem) {
      if (!(problem instanceof OffloopError)) throw problem;
      this.#lose(problem.message);
    }
  }

  #read(chunk) {
    let at = this.#readFrame(chunk, this.#readGreeting(chunk));
    while (this.#greeted && !this.#frame && chunk.length - at >= wire.FRAME_HEAD_BYTES) {
      this.#frame = Buffer.allocUnsafe(wire.FRAME_HEAD_BYTES + wire.frameLength(chunk, at));
      at = this.#readFrame(chunk, at);
      if (this.#socket === null) return;
    }
    this.#rest = Buffer.from(chunk.subarray(at));
  }

  /** How many bytes of the chunk were the greeting. */
  #readGreeting(chunk) {
    const { length } = wire.GREETING;
    if (this.#greeted || chunk.length < length) return 0;
    if (!chunk.subarray(0, length).equals(wire.GREETING)) throw new ProtocolError('this is no job socket');
    this.#greeted = true;
    return length;
  }

  /** Copies what belongs to the frame under way out of the chunk; returns where the rest begins. */
  #readFrame(chunk, at) {
    if (!this.#frame) return at;
    const copied = chunk.copy(this.#frame, this.#have, at);
    this.#have += copied;
    if (this.#have === this.#frame.length) {
      const message = this.#frame.subarray(wire.FRAME_HEAD_BYTES);
      this.#frame = null;
      this.#have = 0;
      this.#takeMessage(message);
    }
    return at + copied;
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
