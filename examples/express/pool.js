'use strict';
// A pool of threads (worker_threads) or of processes (child_process) for makeReply().
const { fork } = require('node:child_process');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { makeReply } = require('./reply.js');

class Pool {
  constructor(kind, count, account) {
    this.waiting = new Map(); // id: {resolve, reject}
    this.next = 0;
    this.members = Array.from({ length: count }, () => this.#start(kind, account));
  }

  #start(kind, account) {
    const member = kind === 'threads'
      ? new Worker(__filename, { workerData: account })
      : fork(__filename, [JSON.stringify(account)], { serialization: 'advanced' });
    member.on('message', ({ id, body }) => {
      const { resolve } = this.waiting.get(id);
      this.waiting.delete(id);
      resolve(body);
    });
    member.post = (message) => (kind === 'threads' ? member.postMessage(message) : member.send(message));
    member.end = () => (kind === 'threads' ? member.terminate() : member.kill());
    return member;
  }

  /** The reply for a stored document, from the members by turns. */
  run(stored) {
    return new Promise((resolve) => {
      const id = ++this.next;
      this.waiting.set(id, { resolve });
      this.members[id % this.members.length].post({ id, stored });
    });
  }

  async close() { for (const member of this.members) member.end(); }
}

const answer = (account, send) => ({ id, stored }) => send({ id, body: makeReply(Buffer.from(stored), account) });

if (!isMainThread) parentPort.on('message', answer(workerData, (message) => parentPort.postMessage(message)));
else if (require.main === module) process.on('message', answer(JSON.parse(process.argv[2]), (message) => process.send(message)));

module.exports = { Pool };
