'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const offloop = require('../lib/index.js');
const wire = require('../lib/wire.js');
const { STATUSES, errorOfStatus } = require('../lib/errors.js');
const { Daemon, results, welcome, bye, GREETING } = require('./fake_daemon.js');

const NONE = Buffer.alloc(0);
const echo = (job) => results([job.id, 0, 0, 0, job.payload]);

async function withDaemon(answer, run, options) {
  const daemon = new Daemon(answer, options);
  await daemon.start();
  const jobs = await offloop.connect(daemon.path, { name: 'shop', inline: false });
  try {
    await run(jobs, daemon);
  } finally {
    await jobs.close();
    await daemon.stop();
  }
}

test('every operation is sent as the protocol says', () => withDaemon(echo, async (jobs, daemon) => {
  assert.deepStrictEqual(await jobs.encode(Buffer.from('\xa1a', 'latin1')), Buffer.from('\xa1a', 'latin1'));
  await jobs.decode('{"a": 1}');
  await jobs.compact(Buffer.from('[1, 2]'), { gzip: true });
  await jobs.project(Buffer.from([0x81, 0xa1, 0x61, 1]), 'a,b.c', { zstd: true });
  await jobs.patch('{"a":1}', '{"a":2}');
  await jobs.validate(Buffer.from([0x90]));
  await jobs.jq('[1]', 'map(. + $n)', { args: { n: 5 }, timeout: 3000 });
  assert.deepStrictEqual(daemon.names, ['shop']);
  assert.deepStrictEqual(daemon.jobs.map((job) => job.op), [1, 0, 4, 1, 6, 3, 1]);
  assert.deepStrictEqual(daemon.jobs.map((job) => job.options && job.options.toString('latin1')),
    [null, null, '\x94\x01\x00\x00\xc4\x00', '\x94\x08\x00\x00\xc4\x05a,b.c', '\x94\x04\x07\x00\xc4\x00', null,
      '\x94\xce\x00\x00\x00\x84\x11\x00\xc4\x00']);
  assert.strictEqual(daemon.jobs[4].payload.toString(), '{"a":1}{"a":2}');
  assert.strictEqual(daemon.jobs[6].payload.toString('latin1'), '[1]\x92\xabmap(. + $n)\x81\xa1n\x05');
  assert.ok(daemon.jobs[6].deadline > 2000 && daemon.jobs[6].deadline <= 3000);
}));

test('results come in any order and grouping', () => {
  const held = [];
  return withDaemon((job) => {
    held.push(job);
    return held.length < 100 ? null : Buffer.concat([
      results(...held.slice(1).reverse().map((one) => [one.id, 0, 0, 0, one.payload])), echo(held[0])]);
  }, async (jobs) => {
    const wanted = Array.from({ length: 100 }, (_, n) => Buffer.from(`[${n}]`));
    assert.deepStrictEqual(await Promise.all(wanted.map((one) => jobs.compact(one))), wanted);
  });
});

test('large documents pass both ways', () => withDaemon(echo, async (jobs) => {
  const document = Buffer.alloc(12_000_000, 'abc');
  const got = await Promise.all([1, 2, 3].map(() => jobs.compact(document)));
  for (const one of got) assert.ok(one.equals(document));
}));

test('each verdict is its error', () => withDaemon((job) =>
  results([job.id, job.payload[1], job.payload[2], 9, job.payload[2] ? Buffer.from('why') : NONE]), async (jobs) => {
  for (const [verdict, kind] of [[1, offloop.JobTimeout], [3, offloop.Overloaded], [4, offloop.NoWorker],
    [5, offloop.JobLost], [6, offloop.JobLost]]) {
    await assert.rejects(jobs.encode(Buffer.from([0xa2, verdict, 0])), kind);
  }
  await assert.rejects(jobs.encode(Buffer.from([0xa2, 0, 1])),
    (problem) => problem instanceof offloop.JobError && problem.status === 'syntax' && problem.offset === 9 &&
      problem.message === 'why');
}));

test('an aborted job is taken back', () => withDaemon(() => null, async (jobs, daemon) => {
  const controller = new AbortController();
  const job = jobs.compact('1', { signal: controller.signal });
  while (!daemon.jobs.length) await new Promise(setImmediate);
  controller.abort();
  await assert.rejects(job, { name: 'AbortError' });
  while (!daemon.cancelled.length) await new Promise(setImmediate);
  assert.deepStrictEqual(daemon.cancelled, [daemon.jobs[0].id]);
  await assert.rejects(jobs.compact('1', { signal: AbortSignal.abort() }), { name: 'AbortError' });
}));

test('a lost connection costs one more sending', () => {
  let daemon;
  return withDaemon((job) => (daemon.jobs.length === 1 ? daemon.hangUp() : echo(job)), async (jobs, made) => {
    daemon = made;
    assert.strictEqual((await jobs.compact('[1]')).toString(), '[1]');
    assert.strictEqual(daemon.jobs.length, 2);
  });
});

test('a job that ends every connection is given up', () => {
  let daemon;
  return withDaemon(() => daemon.hangUp(), async (jobs, made) => {
    daemon = made;
    await assert.rejects(jobs.compact('[1]'), offloop.JobLost);
    assert.strictEqual(daemon.jobs.length, 2);
  });
});

test('a daemon that starts late is found', async () => {
  const daemon = new Daemon(echo);
  const jobs = await offloop.connect(daemon.path);
  const waiting = jobs.compact('[1]');
  await daemon.start();
  assert.strictEqual((await waiting).toString(), '[1]');
  await jobs.close();
  await daemon.stop();
});

test('no daemon is an error after half of the timeout', async () => {
  const jobs = await offloop.connect('/nonexistent/jobs.sock', { inline: false });
  await assert.rejects(jobs.compact('1', { timeout: 200 }), offloop.NoWorker);
  await jobs.close();
});

test('without a daemon jobs run on a thread here', async () => {
  const jobs = await offloop.connect('/nonexistent/jobs.sock');
  assert.strictEqual((await jobs.compact('[ 12500.00, 1e2, 18446744073709551616 ]')).toString(),
    '[12500.00,1e2,18446744073709551616]');
  assert.strictEqual((await jobs.project('{"a":{"b":1,"c":2},"":3}', 'a.b,%')).toString(), '{"a":{"b":1},"":3}');
  await assert.rejects(jobs.project('{}', 'a..b'), (problem) => problem.status === 'fields' && problem.offset === null);
  await assert.rejects(jobs.jq('[1]', '.', { timeout: 200 }), offloop.NoWorker);
  await jobs.close();
});

test('more than the daemon allows is overloaded at once', () => withDaemon(() => null, async (jobs, daemon) => {
  const waiting = [jobs.compact('1'), jobs.compact('2')];
  for (const one of waiting) one.catch(() => {});
  while (!jobs.connected || daemon.jobs.length < 2) await new Promise(setImmediate);
  await assert.rejects(jobs.compact('3'), offloop.Overloaded);
}, { hello: welcome(2) }));

test('nonsense ends the connection and never the application', async () => {
  for (const [greeting, hello] of [['HTTP/1.1', ''], [GREETING, Buffer.alloc(21, 2)],
    [GREETING, Buffer.from([1, 255, 255, 255, 255, 255, 255, 255, 255])],
    [GREETING, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 5, 0x4f, 1, 0x20, 0x91, 0x98])]]) {
    await withDaemon(() => null, async (jobs) => {
      await assert.rejects(jobs.compact('1', { timeout: 500 }), offloop.OffloopError);
    }, { greeting, hello });
  }
});

test('after a bye another connection is used at once', () => {
  const held = [];
  return withDaemon((job) => held.push(job) && (held.length === 1 ? bye() : echo(job)), async (jobs, daemon) => {
    const first = jobs.compact('[1]');
    while (daemon.sockets.size < 2) await new Promise(setImmediate);
    const [old] = daemon.sockets;
    assert.strictEqual((await jobs.compact('[2]')).toString(), '[2]');
    assert.strictEqual(daemon.sockets.size, 2);
    old.write(echo(held[0]));
    assert.strictEqual((await first).toString(), '[1]');
    assert.strictEqual(daemon.jobs.length, 2);
  });
});

test('what a draining daemon did not read is no try', () => {
  let daemon;
  return withDaemon((job) => {
    if (daemon.jobs.length > 5) return echo(job);
    for (const socket of daemon.sockets) socket.end(bye());
    return null;
  }, async (jobs, made) => {
    daemon = made;
    assert.strictEqual((await jobs.compact('[1]')).toString(), '[1]');
    assert.strictEqual(daemon.jobs.length, 6);
  });
});

test('errors of statuses', () => {
  for (const [status, fault, text, name, offset, said] of [[1, 5, '', 'syntax', 5, 'not valid JSON at byte 5'],
    [4, 0, 'why', 'utf8', 0, 'why'], [15, 2 ** 64, '', 'duplicate', null, 'a merge patch names a member twice'],
    [250, 1, '', 'status_250', 1, 'refused at byte 1']]) {
    const problem = errorOfStatus(status, fault, text);
    assert.deepStrictEqual([problem.status, problem.offset, problem.message], [name, offset, said]);
  }
});

test('statuses are those of the codec', (context) => {
  const header = path.join(__dirname, '../../../common/codec/codec.h');
  if (!fs.existsSync(header)) return context.skip("not in the project's tree");
  const [, table] = /#define CODEC_STATUS_MAP\(X\)([^]*?)\n\n/.exec(fs.readFileSync(header, 'utf8'));
  const names = [...table.matchAll(/X\((\w+),/g)].map((one) => one[1].toLowerCase());
  return assert.deepStrictEqual(STATUSES.map(([name]) => name), names);
});

test('results that are cut are refused', () => {
  const whole = results([7, 0, 0, 0, Buffer.from('abc')]).subarray(9);
  assert.strictEqual(wire.readResults(whole)[0].payload.toString(), 'abc');
  for (let end = 3; end < whole.length; end++) {
    assert.throws(() => wire.readResults(whole.subarray(0, end)), offloop.ProtocolError);
  }
  assert.throws(() => wire.readResults(Buffer.concat([whole, NONE, Buffer.from('x')])), offloop.ProtocolError);
});

test('values are packed as MessagePack says', () => {
  const cases = [[null, 'c0'], [true, 'c3'], [0, '00'], [-1, 'ff'], [-33, 'd3ffffffffffffffdf'], [200, 'cececec8'.slice(0, 2) + '000000c8'],
    [1.5, 'cb3ff8000000000000'], ['a', 'a161'], [[1], '9101'], [{ a: [], b: undefined }, '81a16190'],
    [2n ** 64n, 'c71401' + Buffer.from('18446744073709551616').toString('hex')]];
  for (const [value, hex] of cases) assert.strictEqual(wire.packValue(value).toString('hex'), hex, String(value));
  for (const value of [NaN, Infinity, () => 1, Symbol('x')]) assert.throws(() => wire.packValue(value), TypeError);
});

test('JSON and MessagePack are told apart', () => {
  for (const text of ['{}', ' 1', 'null', '7', '']) assert.ok(wire.isJson(Buffer.from(text)), text);
  for (const raw of [[0x80], [1], [0xc0], [0xcb, 0, 0]]) assert.ok(!wire.isJson(Buffer.from(raw)));
});

test('the Express middleware sends what a job made', () => withDaemon(echo, async (jobs) => {
  const sent = {};
  const response = { set: (headers) => Object.assign(sent, { headers }), end: (body) => Object.assign(sent, { body }) };
  offloop.express(jobs)({ headers: {} }, response, () => {});
  await response.offload('[1]', { jq: '.' });
  assert.strictEqual(sent.headers['Content-Type'], 'application/json');
  assert.ok(sent.body.toString('latin1').startsWith('[1]'));
  let failed;
  offloop.express(jobs)({ headers: {} }, response, (problem) => { failed = problem || failed; });
  await response.offload('[1]', { jq: '.', gzip: true, zstd: true });
  assert.strictEqual(failed.status, 500);
}));
