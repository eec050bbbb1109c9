/** Finds TCP ports on 127.0.0.1 that nobody listens on: the same way as the demo. */
export { freePort } from '../../scripts/free-port.mjs'
