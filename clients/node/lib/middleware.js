'use strict';
// res.offload(document, {jq, args, fields, pretty}) for Express, and reply.offload() for Fastify.
const { JobError, Overloaded, NoWorker, JobTimeout, JobLost } = require('./errors.js');

const JSON_TYPE = 'application/json';
const NDJSON_TYPE = 'application/x-ndjson';

/** The result of a document for a reply: {status, headers, body}. */
async function make(jobs, document, options, acceptEncoding) {
  const gzip = options.gzip ?? /\bgzip\b/.test(acceptEncoding || '');
  const wanted = { ...options, gzip };
  const body = options.jq === undefined
    ? await jobs.project(document, options.fields || '', wanted)
    : await jobs.jq(document, options.jq, wanted);
  const headers = { 'Content-Type': options.ndjson ? NDJSON_TYPE : JSON_TYPE, Vary: 'Accept-Encoding' };
  // A result that is small stays plain although gzip was asked for.
  if (body.length > 2 && body[0] === 0x1f && body[1] === 0x8b) headers['Content-Encoding'] = 'gzip';
  return { headers, body };
}

// Of programs; a stored document that is malformed is the application's own fault.
const PROGRAM_STATUSES = { program: 400, argument: 400, failed: 422, steps: 422, several: 422, none: 422 };

/** The HTTP status that an error of a job means. */
function statusOf(problem) {
  if (problem instanceof Overloaded || problem instanceof NoWorker || problem instanceof JobLost) return 503;
  if (problem instanceof JobTimeout) return 504;
  if (problem instanceof JobError) return PROGRAM_STATUSES[problem.status] || 500;
  return 500;
}

/** Express: app.use(offloop.express(jobs)); then res.offload(stored, {jq}) sends the reply.
    Errors go to next(), with the status in error.status as Express expects it. */
function express(jobs) {
  return (request, response, next) => {
    response.offload = async (document, options = {}) => {
      try {
        const { headers, body } = await make(jobs, document, options, request.headers['accept-encoding']);
        response.set(headers);
        response.end(body);
      } catch (problem) {
        problem.jobStatus = problem.status;
        problem.status = statusOf(problem);
        next(problem);
      }
    };
    next();
  };
}

/** Fastify: app.register(offloop.fastify, {jobs}); then return reply.offload(stored, {jq}). */
function fastify(app, { jobs }, done) {
  app.decorateReply('offload', async function offload(document, options = {}) {
    try {
      const { headers, body } = await make(jobs, document, options, this.request.headers['accept-encoding']);
      return this.headers(headers).send(body);
    } catch (problem) {
      problem.statusCode = statusOf(problem);
      throw problem;
    }
  });
  done();
}
// Decorations are for the whole application, not for a scope of the plugin's own.
fastify[Symbol.for('skip-override')] = true;

module.exports = { express, fastify };
