/** The commands on data, in one list: the stream applies them, clients call them, COMMAND describes them. */
import type { CommandTable } from './command.ts'

export const dataCommandFamilies: readonly CommandTable[] = []
