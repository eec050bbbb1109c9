/** Sockets, clients and the command line. */
export * from './link/link-status.ts'
export * from './link/replica-link.ts'
export * from './link/transport.ts'
export const SERVER_NAME = 'understudy'
