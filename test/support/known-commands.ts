/** Which commands this build has: tests that play whole families leave out cases whose commands it does not have. */
import { dataCommandFamilies, LibraryStore } from '@understudy/core/internal'
import { clientCommandFamilies } from '@understudy/net/internal'

const ofTheServer = ['CONFIG', 'REPLICAOF', 'ROLE', 'WAIT', 'SHUTDOWN']

const memory = (): never => {
  throw new Error('not asked')
}

const known: ReadonlySet<string> = new Set([
  ...dataCommandFamilies({ libraries: new LibraryStore(), memory }).flatMap((family) => Object.keys(family)),
  ...clientCommandFamilies().flatMap((family) => Object.keys(family)),
  ...ofTheServer,
])

/** Are all of these commands there? @param names in any case. */
export function knowsCommands(names: Iterable<string>): boolean {
  for (const name of names) if (!known.has(name.toUpperCase())) return false
  return true
}
