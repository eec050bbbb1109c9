/**
 * INFO: sections by name, each a function that returns its lines, and redis 7's rules for selecting them.
 *
 * Source: redis 7.0 server.c genInfoSectionDict(), genRedisInfoString().
 */
export type InfoLines = readonly string[]

interface Section {
  readonly title: string
  readonly lines: () => InfoLines
  /** Shown without arguments and with `default`. */
  readonly isDefault: boolean
}

/** The order in which Redis prints them; others follow. */
const ORDER: readonly string[] = [
  'server',
  'clients',
  'memory',
  'persistence',
  'stats',
  'replication',
  'cpu',
  'modules',
  'commandstats',
  'errorstats',
  'latencystats',
  'cluster',
  'keyspace',
]

export class InfoRegistry {
  readonly #sections: Map<string, Section> = new Map()

  /**
   * @param title as printed behind '# '; its lower case is the name. @param lines `field:value` without line ends.
   * A later section of the same name replaces the earlier one.
   */
  add(title: string, lines: () => InfoLines, isDefault = true): void {
    this.#sections.set(title.toLowerCase(), { title, lines, isDefault })
  }

  /** The lines of one section; empty when there is none of that name. */
  section(name: string): InfoLines {
    return this.#sections.get(name.toLowerCase())?.lines() ?? []
  }

  /** @param selected arguments of INFO in any case; none selects the default sections, unknown names nothing. */
  render(selected: readonly string[]): string {
    const names = selected.length === 0 ? ['default'] : selected.map((name) => name.toLowerCase())
    const everything = names.includes('all') || names.includes('everything')
    const defaults = names.includes('default')
    const known = [...this.#sections.keys()].sort((a, b) => rank(a) - rank(b))
    const parts: string[] = []
    for (const name of known) {
      const section = this.#sections.get(name)
      if (section === undefined) continue
      if (!(everything || names.includes(name) || (defaults && section.isDefault))) continue
      parts.push([`# ${section.title}`, ...section.lines(), ''].join('\r\n'))
    }
    return parts.join('\r\n')
  }
}

function rank(name: string): number {
  const index = ORDER.indexOf(name)
  return index < 0 ? ORDER.length : index
}
