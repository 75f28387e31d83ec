'use strict';
// Drives the node client for the end-to-end cases, as driver.py does the Python client.
const path = require('node:path');
const readline = require('node:readline');
const offloop = require(path.join(__dirname, '../../../clients/node'));

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const toBytes = (value) => (value && value.hex !== undefined ? Buffer.from(value.hex, 'hex') : value);

async function call(jobs, { method, arguments: given, options = {} }) {
  const parts = given.map(toBytes);
  // Here the arguments of a program are one of the options.
  if (method === 'jq' && parts.length === 3) options.args = parts.pop();
  try {
    const made = await jobs[method](...parts, options);
    return made ? { hex: made.toString('hex') } : {};
  } catch (problem) {
    if (problem instanceof offloop.JobError) return { error: 'JobError', status: problem.status, offset: problem.offset };
    if (problem instanceof offloop.OffloopError) return { error: problem.name };
    throw problem;
  }
}

async function calls(jobs) {
  for await (const line of readline.createInterface({ input: process.stdin })) say(await call(jobs, JSON.parse(line)));
}

/** [method, input, expected]: every document is another one, some are large. */
function document(number) {
  if (number % 3 === 0) {
    const given = Buffer.from([0x81, 0xa1, 0x69, 0xce, 0, 0, 0, 0]);
    given.writeUInt32BE(number, 4);
    return ['encode', given, `{"i":${number}}`];
  }
  const rows = Array.from({ length: number % 50 === 1 ? 20000 : 200 }, (_, at) => number + at);
  return ['compact', Buffer.from(`[ ${rows.join(' ,')} ]`), `[${rows.join(',')}]`];
}

async function load(jobs, count, width) {
  const found = { lost: 0, wrong: 0, errors: [] };
  let next = 0;
  const one = async () => {
    while (next < count) {
      const number = next++;
      const [method, given, expected] = document(number);
      try {
        if ((await jobs[method](given)).toString() !== expected) found.wrong++;
      } catch (problem) {
        if (!(problem instanceof offloop.OffloopError)) throw problem;
        found.lost++;
        if (found.errors.length < 5) found.errors.push(`${problem.name}: ${problem.message}`);
      }
      if (number % 1000 === 0) say({ at: number });
    }
  };
  await Promise.all(Array.from({ length: width }, one));
  say(found);
}

async function cancel(jobs) {
  const controller = new AbortController();
  const long = jobs.compact(Buffer.from(`[${'1 ,'.repeat(20_000_000)}1]`), { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  const ended = await long.then(() => 'result', (problem) => (problem.name === 'AbortError' ? 'cancelled' : problem.name));
  say({ long: ended, short: (await jobs.compact('[ 1 ]')).toString() });
}

(async () => {
  const [where, what, ...rest] = process.argv.slice(2);
  const jobs = await offloop.connect(where, { name: 'driver' });
  await { calls, load, cancel }[what](jobs, ...rest.map(Number));
  await jobs.close();
})();
