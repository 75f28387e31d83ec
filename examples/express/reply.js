'use strict';
// The work that a loop should not do: here in one place, for the loop, a thread or a process.

function makeReply(stored, account) {
  const document = JSON.parse(stored);
  document.account = account;
  return JSON.stringify(document);
}

module.exports = { makeReply };
