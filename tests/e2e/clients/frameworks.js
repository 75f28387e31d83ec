'use strict';
// A small server of each node framework, with the client's middleware; as frameworks.py.
//
//     frameworks.js express|fastify SOCKET
const path = require('node:path');
const offloop = require(path.join(__dirname, '../../../clients/node'));

const WHOLE = Buffer.from(`{"name": "one", "rows": [${'{"n": 1, "t": "text"}, '.repeat(500)}null]}`);
const ROUTES = {
  whole: [WHOLE, {}], part: [WHOLE, { fields: 'name' }], packed: [Buffer.from([0x81, 0xa1, 0x61, 1]), {}],
  broken: [Buffer.from(`[1, 2${' '.repeat(5000)}`), {}],
};

async function main(framework, socket) {
  const jobs = await offloop.connect(socket, { inline: false });
  const say = (port) => process.stdout.write(`${port}\n`);
  if (framework === 'express') {
    const app = require('express')();
    app.use(offloop.express(jobs));
    app.get('/:name', (request, response) => {
      const [stored, options] = ROUTES[request.params.name];
      response.offload(stored, { timeout: 2000, ...options });
    });
    const server = app.listen(0, '127.0.0.1', () => say(server.address().port));
  } else {
    const app = require('fastify')();
    app.register(offloop.fastify, { jobs });
    app.get('/:name', (request, reply) => {
      const [stored, options] = ROUTES[request.params.name];
      return reply.offload(stored, { timeout: 2000, ...options });
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    say(app.server.address().port);
  }
}

main(...process.argv.slice(2));
