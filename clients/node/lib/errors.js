'use strict';
// What can go wrong with a job. Everything here is an OffloopError.

/** The codec's statuses by their numbers in the protocol: their names in common/codec/codec.h, in
    lower case, and what they mean. */
const STATUSES = [
  ['ok', 'ok'],
  ['syntax', 'not valid JSON'],
  ['truncated', 'ends too early'],
  ['trailing', 'bytes follow the value'],
  ['utf8', 'ill-formed UTF-8'],
  ['surrogate', 'lone surrogate in an escape'],
  ['control', 'unescaped control character in a string'],
  ['number', 'malformed number'],
  ['depth', 'nested more than 512 deep'],
  ['msgpack', 'not valid MessagePack'],
  ['type', 'MessagePack type that JSON does not have'],
  ['key', 'map key is not a string'],
  ['too_large', 'result is larger than allowed'],
  ['memory', 'needs more memory than one job may use'],
  ['unsupported', 'operation is not supported'],
  ['duplicate', 'a merge patch names a member twice'],
  ['fields', 'fields are not names divided by , and .'],
  ['gzip', 'not valid gzip data'],
  ['line', 'not one line of a bulk load'],
  ['name', 'the id is not allowed'],
  ['stopped', 'stopped before its end'],
  ['program', 'the program does not compile'],
  ['failed', 'the program fails'],
  ['steps', 'the program takes too many steps'],
  ['several', 'the program gives several results where one is needed'],
  ['none', 'the program gives no result where one is needed'],
  ['argument', 'an argument of the program is malformed'],
];
const LAST_OFFSET = Number.MAX_SAFE_INTEGER; // above: a fault that has no place

class OffloopError extends Error {
  constructor(message) {
    super(message);
    this.name = this.constructor.name;
  }
}

/** The job ran, and its document or program was refused: status is a word, offset the byte that
    is wrong, or null where it is no one byte. */
class JobError extends OffloopError {
  constructor(status, offset, text) {
    super(text || status);
    this.status = status;
    this.offset = offset;
  }
}

/** What a job that ended with this status is rejected with. */
function errorOfStatus(status, fault, text) {
  const [name, meaning] = STATUSES[status] || [`status_${status}`, 'refused'];
  if (fault > LAST_OFFSET) return new JobError(name, null, text || meaning);
  return new JobError(name, fault, text || `${meaning} at byte ${fault}`);
}

/** Too many jobs of this application wait for an answer. Nothing ran: try later. */
class Overloaded extends OffloopError {}
/** No daemon, or no worker, was there in time. */
class NoWorker extends OffloopError {}
/** The workers that had the job died, or its document has crashed workers before. */
class JobLost extends OffloopError {}
/** The job's deadline has passed. */
class JobTimeout extends OffloopError {}
/** The daemon said something that it must not say; the connection is closed. */
class ProtocolError extends OffloopError {}

module.exports = {
  STATUSES, errorOfStatus, OffloopError, JobError, Overloaded, NoWorker, JobLost, JobTimeout, ProtocolError,
};
