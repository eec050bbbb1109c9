/** Second door: for the other packages of this project and for tests. No promise of stability. */
export * from './errors.ts'
export * from './glob.ts'
export * from './resp/encoder.ts'
export * from './commands/flags.ts'
export type * from './commands/command.ts'
export type * from './ports.ts'
export type { Keyspace } from './keyspace/keyspace.ts'
