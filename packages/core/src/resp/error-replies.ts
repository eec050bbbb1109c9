/**
 * Texts of error replies, as clients and tools match them: without the leading '-' and without CRLF. Mistakes of
 * clients are answered with these, never thrown.
 *
 * Source: redis 7.0 server.c createSharedObjects(), processCommand(), networking.c, multi.c.
 */
import type { CommandArgs } from '../commands/command.ts'

export const SYNTAX_ERROR = 'ERR syntax error'
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range'
export const NOT_A_FLOAT = 'ERR value is not a valid float'
export const OUT_OF_RANGE = 'ERR index out of range'
export const NO_SUCH_KEY = 'ERR no such key'
export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'
export const LOADING_ERROR = 'LOADING Redis is loading the dataset in memory'
export const MASTERDOWN_ERROR = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
export const READONLY_ERROR = "READONLY You can't write against a read only replica."
export const NOAUTH_ERROR = 'NOAUTH Authentication required.'
export const WRONGPASS_ERROR = 'WRONGPASS invalid username-password pair or user is disabled.'
export const OOM_ERROR = "OOM command not allowed when used memory > 'maxmemory'."
export const MISCONF_ERROR: string =
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may " +
  'modify the data set are disabled, because this instance is configured to report errors during writes if RDB ' +
  'snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.'
export const NOREPLICAS_ERROR = 'NOREPLICAS Not enough good replicas to write.'
export const NOPROTO_ERROR = 'NOPROTO unsupported protocol version'
export const BUSYKEY_ERROR = 'BUSYKEY Target key name already exists.'
export const EXECABORT_ERROR = 'EXECABORT Transaction discarded because of previous errors.'
export const NOT_IN_MULTI_ERROR = 'ERR Command not allowed inside a transaction'
export const REPLICA_CLIENT_ERROR = "ERR Replica can't interact with the keyspace"
export const MAX_CLIENTS_ERROR = 'ERR max number of clients reached'
export const CLUSTER_DISABLED_ERROR = 'ERR This instance has cluster support disabled'
export const NO_PASSWORD_ERROR: string =
  'ERR AUTH <password> called without any password configured for the default user. ' +
  'Are you sure your configuration is correct?'
export const HELLO_NOAUTH_ERROR: string =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> ' +
  'option can be used to authenticate the client and select the RESP protocol version at the same time'
export const INVALID_CLIENT_NAME_ERROR = 'ERR Client names cannot contain spaces, newlines or special characters.'
export const WAIT_ON_REPLICA_ERROR: string =
  'ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to ' +
  'be writable (which is not the default) writes to replicas are just local and are not propagated.'
export const UNBLOCKED_ERROR = 'UNBLOCKED client unblocked via CLIENT UNBLOCK'
/** Sent to blocked clients when the node's role changes. */
export const UNBLOCKED_ROLE_CHANGE_ERROR =
  'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)'

/** As Redis says it of its append-only file. @param fault one line */
export function misconfLog(fault: string): string {
  return `MISCONF Errors writing to the stream log: ${fault}`
}

/** Bytes of a command name, and of its arguments together, that an error quotes. */
const QUOTED_BYTES_MAX = 128

/** @param name lower case; subcommands as `client|list`. */
export function wrongNumberOfArguments(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`
}

/** The arguments are quoted as bytes (latin1), shortened to 128 in all. */
export function unknownCommand(args: CommandArgs): string {
  let quoted = ''
  for (let i = 1; i < args.count && quoted.length < QUOTED_BYTES_MAX; i++) {
    quoted += `'${quotedArgument(args, i, QUOTED_BYTES_MAX - quoted.length)}' `
  }
  return `ERR unknown command '${quotedArgument(args, 0, QUOTED_BYTES_MAX)}', with args beginning with: ${quoted}`
}

/** @param container name of the command that has the subcommands. */
export function unknownSubcommand(args: CommandArgs, container: string): string {
  const subcommand = quotedArgument(args, 1, QUOTED_BYTES_MAX)
  return `ERR unknown subcommand '${subcommand}'. Try ${container.toUpperCase()} HELP.`
}

/** Redis' answer of a container to arguments that do not fit the subcommand (addReplySubcommandSyntaxError). */
export function subcommandSyntaxError(args: CommandArgs, container: string): string {
  const subcommand = quotedArgument(args, 1, QUOTED_BYTES_MAX)
  return `ERR unknown subcommand or wrong number of arguments for '${subcommand}'. Try ${container.toUpperCase()} HELP.`
}

export function subscriberContext(name: string): string {
  return (
    `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this ` +
    'context'
  )
}

/** @param kind DEBUG or MODULE, lower case. */
export function protectedCommand(kind: string): string {
  return (
    `ERR ${kind.toUpperCase()} command not allowed. If the enable-${kind}-command option is set to "local", you can ` +
    'run it from a local connection, otherwise you need to set this option in the configuration file, and then ' +
    'restart the server.'
  )
}

/** Not one of Redis'. */
export function tooManyKeys(most: number): string {
  return `ERR too many keys for one command, at most ${most} are taken`
}

/** What EXEC answers when it is itself refused: the refusal without its '-'. */
export function execAbort(refusal: string): string {
  return `EXECABORT Transaction discarded because of: ${refusal}`
}

/** The first word of an error, as errorstats counts it. */
export function errorCode(text: string): string {
  const space = text.indexOf(' ')
  return space < 0 ? text : text.slice(0, space)
}

/** Up to `bytesMax` bytes of an argument, ended by a zero byte as C's %s is. */
function quotedArgument(args: CommandArgs, index: number, bytesMax: number): string {
  const from = args.start[index]!
  const to = Math.min(args.end[index]!, from + bytesMax)
  let text = ''
  for (let i = from; i < to; i++) {
    const byte = args.bytes[i]!
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}
