'use strict';
let loaded;
module.exports = new Proxy({}, { get: (_, name) => (loaded ??= require('./undici.js'))[name] });
