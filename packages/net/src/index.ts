/** Sockets, clients and the command line. */
export const SERVER_NAME = 'understudy'
