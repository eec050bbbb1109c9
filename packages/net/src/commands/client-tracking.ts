/** CLIENT TRACKING, CACHING and TRACKINGINFO. Source: redis 7.0 networking.c clientCommand(), tracking.c. */
import { argInteger, argIs, argText, SYNTAX_ERROR } from '@understudy/core/internal'
import { CLIENT_CACHING } from '../clients/connection-flags.ts'
import type { ClientSession } from '../clients/session.ts'
import type { TrackingOptions } from '../clients/tracking.ts'

interface ParsedOptions {
  broadcast: boolean
  optIn: boolean
  optOut: boolean
  noLoop: boolean
  redirect: number
  prefixes: string[]
}

/** @returns undefined when an error was written. */
function parseOptions(client: ClientSession): ParsedOptions | undefined {
  const { args, reply, server } = client
  const options: ParsedOptions = {
    broadcast: false,
    optIn: false,
    optOut: false,
    noLoop: false,
    redirect: 0,
    prefixes: [],
  }
  for (let i = 3; i < args.count; i++) {
    const more = i + 1 < args.count
    if (argIs(args, i, 'REDIRECT') && more) {
      i++
      if (options.redirect !== 0) {
        reply.error('ERR A client can only redirect to a single other client')
        return undefined
      }
      const id = argInteger(args, i)
      if (Number.isNaN(id)) {
        reply.error('ERR value is not an integer or out of range')
        return undefined
      }
      if (!server.sessions.has(id)) {
        reply.error('ERR The client ID you want redirect to does not exist')
        return undefined
      }
      options.redirect = id
    } else if (argIs(args, i, 'BCAST')) options.broadcast = true
    else if (argIs(args, i, 'OPTIN')) options.optIn = true
    else if (argIs(args, i, 'OPTOUT')) options.optOut = true
    else if (argIs(args, i, 'NOLOOP')) options.noLoop = true
    else if (argIs(args, i, 'PREFIX') && more) options.prefixes.push(argText(args, ++i))
    else {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
  }
  return options
}

function objection(current: TrackingOptions | undefined, wanted: ParsedOptions): string | undefined {
  if (wanted.prefixes.length > 0 && !wanted.broadcast) {
    return 'ERR PREFIX option requires BCAST mode to be enabled'
  }
  if (current !== undefined && current.broadcast !== wanted.broadcast) {
    return (
      "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with " +
      'a different mode.'
    )
  }
  if (wanted.broadcast && (wanted.optIn || wanted.optOut)) return 'ERR OPTIN and OPTOUT are not compatible with BCAST'
  if (wanted.optIn && wanted.optOut) return "ERR You can't specify both OPTIN mode and OPTOUT mode"
  if (current !== undefined && ((wanted.optIn && current.optOut) || (wanted.optOut && current.optIn))) {
    return (
      "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with " +
      'a different mode.'
    )
  }
  const all = [...(current?.prefixes ?? []), ...wanted.prefixes]
  for (let i = Math.max(0, all.length - wanted.prefixes.length); i < all.length; i++) {
    for (let k = 0; k < all.length; k++) {
      const one = all[i]!
      const other = all[k]!
      if (k !== i && (one.startsWith(other) || other.startsWith(one))) {
        return (
          `ERR Prefix '${one}' overlaps with ${k < all.length - wanted.prefixes.length ? 'an existing prefix' : 'another provided prefix'} ` +
          `'${other}'. Prefixes for a single client must not overlap.`
        )
      }
    }
  }
  return undefined
}

export function clientTracking(client: ClientSession): void {
  const { args, reply, server } = client
  const options = parseOptions(client)
  if (options === undefined) return
  if (argIs(args, 2, 'OFF')) {
    server.tracking.disable(client)
  } else if (argIs(args, 2, 'ON')) {
    const error = objection(client.tracking, options)
    if (error !== undefined) {
      reply.error(error)
      return
    }
    server.tracking.enable(client, options)
    client.redirectBroken = false
  } else {
    reply.error(SYNTAX_ERROR)
    return
  }
  reply.ok()
}

export function clientCaching(client: ClientSession): void {
  const { args, reply, tracking } = client
  if (tracking === undefined) {
    reply.error(
      'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
    )
    return
  }
  if (argIs(args, 2, 'YES')) {
    if (!tracking.optIn) {
      reply.error('ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.')
      return
    }
  } else if (argIs(args, 2, 'NO')) {
    if (!tracking.optOut) {
      reply.error('ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.')
      return
    }
  } else {
    reply.error(SYNTAX_ERROR)
    return
  }
  client.flags |= CLIENT_CACHING
  reply.ok()
}

export function clientTrackingInfo(client: ClientSession): void {
  const { reply, tracking } = client
  const flags: string[] = []
  if (tracking === undefined) flags.push('off')
  else {
    flags.push('on')
    if (tracking.broadcast) flags.push('bcast')
    if (tracking.optIn) flags.push('optin')
    if (tracking.optOut) flags.push('optout')
    if ((client.flags & CLIENT_CACHING) !== 0) flags.push(tracking.optIn ? 'caching-yes' : 'caching-no')
    if (tracking.noLoop) flags.push('noloop')
    if (client.redirectBroken) flags.push('broken_redirect')
  }
  reply.map(3)
  reply.bulkString('flags')
  reply.set(flags.length)
  for (const flag of flags) reply.bulkString(flag)
  reply.bulkString('redirect')
  reply.integer(tracking === undefined ? -1 : tracking.redirect)
  reply.bulkString('prefixes')
  const prefixes = tracking?.prefixes ?? []
  reply.array(prefixes.length)
  for (const prefix of prefixes) reply.bulkLatin1(prefix)
}
