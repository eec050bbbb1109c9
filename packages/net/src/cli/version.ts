/** The version line of --version, in the shape that scripts parse redis-server's with. */

/** @param version Of @understudy/net, such as 0.1.0. */
export function versionLine(version: string): string {
  return `Understudy server v=${version} node=${process.versions.node} bits=${process.arch.endsWith('64') || process.arch === 's390x' ? 64 : 32} platform=${process.platform}-${process.arch}`
}
