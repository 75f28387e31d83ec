'use strict';
// The work that a loop should not do: here in one place, for the loop, a thread or a process.

function makeReply(stored, account) {
  const document = JSON.parse(stored);
  document.account = account;
  return JSON.stringify(document);
}

const ACCOUNT = { name: 'demo', currency: 'EUR', margin_rate: 0.15 };

/** What a pool of threads calls by its name; bytes come there as a Uint8Array. */
const makeDemoReply = (stored) => makeReply(Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).toString(), ACCOUNT);

module.exports = { ACCOUNT, makeReply, makeDemoReply };
