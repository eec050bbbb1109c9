/**
 * Which files an `include` means. A path with `*`, `?` or `[` is a pattern and may match nothing; any other names one
 * file, which must be there. As glob(3): `/` is matched by nothing else, a leading dot only by a dot, results are
 * sorted. Source: redis 7.0 config.c loadServerConfig().
 */
import { existsSync, readdirSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { globMatches } from '@understudy/core/internal'

const WILDCARDS = /[*?[]/

/** Absolute paths, sorted. @param path Ordinary string; relative ones start at `dir`. */
export function includePaths(path: string, dir: string): string[] {
  if (!WILDCARDS.test(path)) return [resolve(dir, path)]
  let found = [isAbsolute(path) ? '/' : dir]
  for (const segment of path.split('/').filter((part) => part !== '')) {
    found = WILDCARDS.test(segment)
      ? found.flatMap((parent) => matchingEntries(parent, segment).map((name) => join(parent, name)))
      : found.map((parent) => join(parent, segment)).filter((candidate) => existsSync(candidate))
  }
  return found.sort()
}

function matchingEntries(parent: string, segment: string): string[] {
  // glob(3) also takes [!a] for [^a].
  const pattern = Buffer.from(segment.replaceAll('[!', '[^'))
  let names: string[]
  try {
    names = readdirSync(parent)
  } catch {
    return []
  }
  return names.filter((name) => {
    if (name.startsWith('.') && !segment.startsWith('.')) return false
    const bytes = Buffer.from(name)
    return globMatches(pattern, 0, pattern.length, bytes, 0, bytes.length)
  })
}
