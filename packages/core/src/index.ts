/** Public door of @understudy/core: what an embedding application may use. */
export { ConfigError, ERROR_CODES, KeyspaceError, LinkError, ProtocolError, RdbError, ReplicaError } from './errors.ts'
export type { ErrorCode, ReplicaErrorOptions } from './errors.ts'
