/**
 * Names of files in `dir` that are not whole yet. They have the process' id, as in Redis, and the name that the data of this node have
 * there: an application may run several nodes in one directory. And no more than that: what a crash leaves is written over by the next
 * process of that id, which is always 1 in a container.
 */
import { basename, join } from 'node:path'

/** @param kind what for, such as `bg-`. @param dbFileName ordinary string */
export function temporaryPath(directory: string, kind: string, dbFileName: string): string {
  return join(directory, `temp-${kind}${process.pid}-${basename(dbFileName)}`)
}
