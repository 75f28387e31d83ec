'use strict';
// What a job costs a node program: as tests/bench/client/client_bench.c, in JavaScript.
//
//     side.js SOCKET FILE IN_FLIGHT SECONDS
const fs = require('node:fs');
const path = require('node:path');
const offloop = require(path.join(__dirname, '../../../clients/node'));

async function run(jobs, text, inFlight, seconds) {
  const took = [];
  const end = performance.now() + seconds * 1000;
  const one = async () => {
    for (;;) {
      const began = performance.now();
      await jobs.compact(text);
      const now = performance.now();
      took.push((now - began) * 1000);
      if (now >= end) return;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return took;
}

async function main(socket, file, inFlight, seconds) {
  const text = fs.readFileSync(file);
  const jobs = await offloop.connect(socket, { name: 'side.js', inline: false });
  await run(jobs, text, Number(inFlight), 0.1);
  const before = process.cpuUsage();
  const took = (await run(jobs, text, Number(inFlight), Number(seconds))).sort((a, b) => a - b);
  const { user, system } = process.cpuUsage(before);
  await jobs.close();
  const at = (share) => took[Math.floor(took.length * share)];
  process.stdout.write(`${JSON.stringify({
    jobs: took.length, cpu_us: (user + system) / took.length, p50_us: at(0.5), p99_us: at(0.99),
  })}\n`);
}

main(...process.argv.slice(2));
