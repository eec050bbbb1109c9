/**
 * What operators are shown of a command has no passwords in it: MONITOR and SLOWLOG show `(redacted)` in the place of each
 * argument that the command's row calls a secret, whether the command succeeds or not.
 *
 * Source: redis 7.0 networking.c redactClientCommandArgument(). There a command that fails early (HELLO with a wrong
 * version) is shown as it came; here it is not.
 */
import { argIs } from '@understudy/core/internal'
import type { CommandArgs, CommandMetadata } from '@understudy/core/internal'

export const REDACTED = '(redacted)'

type Secrets = NonNullable<CommandMetadata['secrets']>

const NONE: readonly number[] = []

/** Indexes of the arguments not to be shown. */
export function secretArguments(row: CommandMetadata, args: CommandArgs): readonly number[] {
  return row.secrets?.(args) ?? NONE
}

/** Of a row: all arguments from `first` on are secrets. */
export function secretFrom(first: number): Secrets {
  return ({ count }) => Array.from({ length: Math.max(0, count - first) }, (_, index) => first + index)
}

/** Of HELLO: what follows each AUTH. */
export function secretsOfHello(args: CommandArgs): readonly number[] {
  const secrets: number[] = []
  for (let i = 2; i < args.count; i++) {
    if (argIs(args, i, 'SETNAME')) i++
    else if (argIs(args, i, 'AUTH')) secrets.push(++i, ++i)
  }
  return secrets
}
