'use strict';
// What can go wrong with a job. Everything here is an OffloopError.

/** The codec's statuses, by their numbers in the protocol (PROTOCOL.md, RESULTS). */
const STATUSES = [
  'ok', 'syntax', 'truncated', 'trailing', 'utf8', 'surrogate', 'control', 'number', 'depth',
  'msgpack', 'type', 'key', 'too_large', 'memory', 'unsupported',
];

class OffloopError extends Error {
  constructor(message) {
    super(message);
    this.name = this.constructor.name;
  }
}

/** The job ran, and its document or program was refused: status is a word, offset a byte. */
class JobError extends OffloopError {
  constructor(status, offset, text) {
    super(text || `${status} at byte ${offset}`);
    this.status = status;
    this.offset = offset;
  }
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
  STATUSES, OffloopError, JobError, Overloaded, NoWorker, JobLost, JobTimeout, ProtocolError,
};
