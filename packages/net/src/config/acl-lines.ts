/**
 * The ACL rules of a configuration. There is one user here, `default`, who may do everything and whose password is requirepass.
 * Rules that say just that are taken, as redis-server writes them into each file that it rewrites; those that protect the server in another
 * way are refused, as it would run without them.
 *
 * Source: redis 7.0 acl.c ACLSetUser(); a line in the file begins with the user's defaults: off, no password, no rights.
 */
import { createHash } from 'node:crypto'
import { ConfigError } from '@understudy/core/internal'
import type { Config } from './config.ts'

const DEFAULT_USER = 'default'

interface UserRules {
  isOn: boolean
  needsNoPassword: boolean
  hasAllKeys: boolean
  hasAllChannels: boolean
  hasAllCommands: boolean
  /** As they stand in the line: `>password`, `#SHA-256`. */
  passwords: string[]
  /** The first rule that this server cannot keep. */
  foreign: string | undefined
}

const RULES: Readonly<Record<string, (rules: UserRules) => void>> = {
  on: (rules) => (rules.isOn = true),
  off: (rules) => (rules.isOn = false),
  nopass: (rules) => {
    rules.needsNoPassword = true
    rules.passwords = []
  },
  allkeys: (rules) => (rules.hasAllKeys = true),
  '~*': (rules) => (rules.hasAllKeys = true),
  allchannels: (rules) => (rules.hasAllChannels = true),
  '&*': (rules) => (rules.hasAllChannels = true),
  allcommands: (rules) => (rules.hasAllCommands = true),
  '+@all': (rules) => (rules.hasAllCommands = true),
  'sanitize-payload': () => {},
  'skip-sanitize-payload': () => {},
}

function parseRules(words: readonly string[]): UserRules {
  const rules: UserRules = {
    isOn: false,
    needsNoPassword: false,
    hasAllKeys: false,
    hasAllChannels: false,
    hasAllCommands: false,
    passwords: [],
    foreign: undefined,
  }
  for (const word of words) {
    const known = RULES[word.toLowerCase()]
    if (known !== undefined) known(rules)
    else if (word.startsWith('>') || word.startsWith('#')) {
      rules.needsNoPassword = false
      rules.passwords.push(word)
    } else rules.foreign ??= word
  }
  return rules
}

/**
 * Takes the password of the user `default` from its line. Other users cannot log in here: nothing is opened by leaving them out.
 * @throws ConfigError CONFIG_BAD_VALUE for rules that this server cannot keep
 */
export function takeAclLines(config: Config): void {
  if (config.get('aclfile') !== '') {
    throw refused("'aclfile'", 'its rules would not be kept')
  }
  for (const [name, ...words] of config.get('user')) {
    if (name === DEFAULT_USER) takeDefaultUser(config, parseRules(words))
  }
}

function takeDefaultUser(config: Config, rules: UserRules): void {
  const line = "'user default'"
  if (rules.foreign !== undefined) throw refused(line, `the rule '${rules.foreign}' would not be kept`)
  const { isOn, hasAllKeys, hasAllChannels, hasAllCommands } = rules
  if (!isOn || !hasAllKeys || !hasAllChannels || !hasAllCommands) {
    throw refused(line, 'it has less than all rights')
  }
  if (rules.needsNoPassword) return
  const [password, ...more] = rules.passwords
  if (password === undefined || more.length > 0) throw refused(line, 'it needs one password, or nopass')
  if (password.startsWith('>')) config.assign('requirepass', password.slice(1))
  else if (password.slice(1) !== createHash('sha256').update(config.get('requirepass'), 'latin1').digest('hex')) {
    throw refused(line, 'its password is known as a hash only, and is not that of requirepass')
  }
}

function refused(what: string, why: string): ConfigError {
  return new ConfigError(
    'CONFIG_BAD_VALUE',
    `${what}: there are no ACL users here, and ${why}; leave it out, and protect this server by requirepass`,
  )
}
