/** The commands on data, in one list: the stream applies them, clients call them, COMMAND describes them. */
import { bitmapCommands } from './bitmap.ts'
import type { CommandTable } from './command.ts'
import { hyperloglogCommands } from './hyperloglog.ts'
import { stringCommands } from './string.ts'

export const dataCommandFamilies: readonly CommandTable[] = [stringCommands, bitmapCommands, hyperloglogCommands]
