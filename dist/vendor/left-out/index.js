'use strict';
module.exports = new Proxy({}, {
  get(_, name) {
    throw new Error('This part of a package is left out of the bundle: ' + String(name));
  },
});
