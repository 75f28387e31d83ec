'use strict';
// What node pays. side.js SOCKET MILLISECONDS FILE...; a JSON line for each measurement.
const fs = require('node:fs');
const path = require('node:path');
const offloop = require(path.join(__dirname, '../../../clients/node'));

const IN_FLIGHT = 16;
const ADDED = { account: { name: 'demo', margin_rate: 0.15 } };
const cpuMicroseconds = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function measure(run, milliseconds) {
  run();
  let count = 0;
  const cpu = cpuMicroseconds();
  const end = performance.now() + milliseconds;
  while (count < 3 || performance.now() < end) {
    run();
    count++;
  }
  return (cpuMicroseconds() - cpu) / count;
}

async function measureJobs(run, milliseconds, width) {
  await run();
  let count = 0;
  const cpu = cpuMicroseconds();
  const end = performance.now() + milliseconds;
  const one = async () => {
    for (let own = 0; own < 2 || performance.now() < end; own++) {
      await run();
      count++;
    }
  };
  await Promise.all(Array.from({ length: width }, one));
  return (cpuMicroseconds() - cpu) / count;
}

async function main(socket, milliseconds, ...files) {
  const jobs = await offloop.connect(socket, { name: 'break-even', inline: false });
  const patch = Buffer.from(JSON.stringify(ADDED));
  for (const file of files) {
    const text = fs.readFileSync(file);
    const value = JSON.parse(text);
    const packed = await jobs.decode(text);
    const say = (work, way, isJob, cpu) => process.stdout.write(`${JSON.stringify({
      document: path.basename(file, '.json'), bytes: text.length, work, way, offloop: isJob, cpu_us: cpu,
    })}\n`);
    const change = () => Buffer.from(JSON.stringify(Object.assign(JSON.parse(text), ADDED)));
    say('change', 'JSON', false, measure(change, milliseconds));
    say('encode', 'JSON of JSON text', false, measure(() => Buffer.from(JSON.stringify(JSON.parse(text))), milliseconds));
    say('objects', 'JSON', false, measure(() => Buffer.from(JSON.stringify(value)), milliseconds));
    for (const [width, way] of [[1, 'offloop, one at a time'], [IN_FLIGHT, `offloop, ${IN_FLIGHT} at a time`]]) {
      say('change', way, true, await measureJobs(() => jobs.patch(text, patch), milliseconds, width));
      say('encode', way, true, await measureJobs(() => jobs.encode(packed), milliseconds, width));
      say('objects', way, true, await measureJobs(() => jobs.encode(value), milliseconds, width));
    }
  }
  await jobs.close();
}

main(...process.argv.slice(2).map((one, at) => (at === 1 ? Number(one) : one)));
