'use strict';
// JSON work off your event loop: a client for the workers of offloop-worker.
//
//     const { connect } = require('offloop');
//     const jobs = await connect();
//     const body = await jobs.jq(stored, 'map(.margin = 2 * .lot_size)');
const { STATUSES, errorOfStatus, ...errors } = require('./errors.js');

module.exports = { ...require('./client.js'), ...errors, ...require('./middleware.js') };
