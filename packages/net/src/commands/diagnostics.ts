/**
 * SLOWLOG, LATENCY, MONITOR: what an operator looks at when a server is slow.
 *
 * Source: redis 7.0 slowlog.c, latency.c.
 */
import { ADMIN, argInteger, argText, LOADING, NOSCRIPT, STALE, subcommandSyntaxError } from '@understudy/core/internal'
import type { CommandEntry, CommandTable } from '@understudy/core/internal'
import { CLIENT_MONITOR, CLIENT_MULTI, CLIENT_REPLICA } from '../clients/connection-flags.ts'
import type { ClientSession } from '../clients/session.ts'
import { EVENT_LOOP } from './info-sections.ts'
import { container, row } from './rows.ts'

const SLOWLOG_GET_DEFAULT = 10

function slowLogGet(client: ClientSession): void {
  const { args, reply, server } = client
  let count = SLOWLOG_GET_DEFAULT
  if (args.count > 3) {
    reply.error(subcommandSyntaxError(args, 'slowlog'))
    return
  }
  if (args.count === 3) {
    count = argInteger(args, 2)
    if (Number.isNaN(count) || count < -1) {
      reply.error('ERR count should be greater than or equal to -1')
      return
    }
  }
  const { entries } = server.slowLog
  const shown = count === -1 ? entries : entries.slice(0, count)
  reply.array(shown.length)
  for (const entry of shown) {
    reply.array(6)
    reply.integer(entry.id)
    reply.integer(entry.time)
    reply.integer(entry.micros)
    reply.array(entry.args.length)
    for (const arg of entry.args) reply.bulkLatin1(arg)
    reply.bulkLatin1(entry.address)
    reply.bulkLatin1(entry.name)
  }
}

function latencyLatest(client: ClientSession): void {
  const { reply, server } = client
  const { events } = server.latency
  reply.array(events.size)
  for (const [name, event] of events) {
    const last = event.samples.at(-1)
    reply.array(4)
    reply.bulkString(name)
    reply.integer(last?.time ?? 0)
    reply.integer(last?.ms ?? 0)
    reply.integer(event.maxMs)
  }
}

function latencyHistory(client: ClientSession): void {
  const { args, reply, server } = client
  const samples = server.latency.events.get(argText(args, 2))?.samples ?? []
  reply.array(samples.length)
  for (const { time, ms } of samples) {
    reply.array(2)
    reply.integer(time)
    reply.integer(ms)
  }
}

function latencyReset(client: ClientSession): void {
  const { args, reply, server } = client
  const names: string[] = []
  for (let i = 2; i < args.count; i++) names.push(argText(args, i))
  reply.integer(server.latency.reset(names))
}

/** Beside commands, the turns of the event loop can be asked for by name (ours): `LATENCY HISTOGRAM eventloop`. */
function latencyHistogram(client: ClientSession): void {
  const { args, reply, server } = client
  const { registry, statistics } = server
  const named: [name: string, id: number][] = []
  const addCommand = ({ id, name }: CommandEntry<ClientSession>): void => void named.push([name, id])
  if (args.count === 2) registry.byId.forEach(addCommand)
  for (let i = 2; i < args.count; i++) {
    const name = argText(args, i).toLowerCase()
    const entry = registry.findFullName(name)
    if (entry !== undefined) [entry, ...(entry.subcommands?.entries ?? [])].forEach(addCommand)
    else if (name === EVENT_LOOP) named.push([EVENT_LOOP, statistics.turnsId])
  }
  const shown = named.filter(([, id]) => statistics.timed(id) > 0)
  reply.map(shown.length)
  for (const [name, id] of shown) {
    const histogram = statistics.latencies(id)
    const pairs = histogram.cumulativeMicros()
    reply.bulkString(name)
    reply.map(2)
    reply.bulkString('calls')
    reply.integer(histogram.count)
    reply.bulkString('histogram_usec')
    reply.map(pairs.length)
    for (const [micros, count] of pairs) {
      reply.integer(micros)
      reply.integer(count)
    }
  }
}

function latencyDoctor(client: ClientSession): void {
  const { reply, server } = client
  if (server.settings.latencyMonitorThresholdMs === 0) {
    reply.verbatim(
      'txt',
      'Latency monitoring is off. Turn it on with CONFIG SET latency-monitor-threshold <milliseconds>.\n',
    )
    return
  }
  const { events } = server.latency
  if (events.size === 0) {
    reply.verbatim('txt', 'No event was slower than latency-monitor-threshold so far.\n')
    return
  }
  const lines = [`${events.size} kind(s) of slow events were seen:`]
  for (const [name, { samples, maxMs }] of events) {
    const sum = samples.reduce((total, sample) => total + sample.ms, 0)
    const mean = samples.length === 0 ? 0 : sum / samples.length
    lines.push(`- ${name}: ${samples.length} sample(s), average ${mean.toFixed(1)} ms, worst ${maxMs} ms`)
  }
  lines.push('SLOWLOG GET shows the slow commands; other causes are a busy machine, swapping, or large keys.')
  reply.verbatim('txt', lines.map((line) => `${line}\n`).join(''))
}

/** A small chart of the samples of one event. */
function latencyGraph(client: ClientSession): void {
  const { args, reply, server } = client
  const name = argText(args, 2)
  const event = server.latency.events.get(name)
  if (event === undefined) {
    reply.error(`ERR No samples available for event '${name}'`)
    return
  }
  const low = Math.min(...event.samples.map((sample) => sample.ms))
  const nowSeconds = Math.floor(client.nowMs / 1000)
  const lines = [`${name} - high ${event.maxMs} ms, low ${low} ms (all time high ${event.maxMs} ms)`]
  for (const { time, ms } of event.samples.slice(-40)) {
    const width = event.maxMs === 0 ? 0 : Math.round((ms / event.maxMs) * 40)
    lines.push(`${String(nowSeconds - time).padStart(8)}s ago ${'#'.repeat(width)} ${ms} ms`)
  }
  reply.verbatim('txt', lines.map((line) => `${line}\n`).join(''))
}

function monitor(client: ClientSession): void {
  const { reply, server } = client
  if ((client.flags & CLIENT_MULTI) !== 0) {
    reply.error("ERR MONITOR isn't allowed for DENY BLOCKING client")
    return
  }
  // As in Redis. A replica's stream would be of no use with lines of a monitor in it.
  if ((client.flags & (CLIENT_REPLICA | CLIENT_MONITOR)) !== 0) return
  client.flags |= CLIENT_MONITOR
  server.startMonitor(client)
  reply.ok()
}

const GROUP = 'server'
const OPERATOR: number = ADMIN | LOADING | STALE
const QUIET_OPERATOR: number = OPERATOR | NOSCRIPT
const ALL_NODES = ['request_policy:all_nodes']
const LATENCY_TIPS = { tips: ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'] }

export const diagnosticCommands: CommandTable<ClientSession> = {
  MONITOR: row(1, QUIET_OPERATOR, '1.0.0', GROUP, 'Shows every command the server runs, as it comes.', monitor),
  SLOWLOG: container('SLOWLOG', '2.2.12', GROUP, 'The slowest commands of late.', {
    GET: row(-2, OPERATOR, '2.2.12', GROUP, 'Newest entries, 10 by default, -1 for all.', slowLogGet, {
      usage: '[<count>]',
      tips: [...ALL_NODES, 'nondeterministic_output'],
    }),
    LEN: row(
      2,
      OPERATOR,
      '2.2.12',
      GROUP,
      'How many entries there are.',
      (client) => client.reply.integer(client.server.slowLog.entries.length),
      { tips: [...ALL_NODES, 'response_policy:agg_sum', 'nondeterministic_output'] },
    ),
    RESET: row(
      2,
      OPERATOR,
      '2.2.12',
      GROUP,
      'Forgets all entries.',
      (client) => {
        client.server.slowLog.clear()
        client.reply.ok()
      },
      { tips: [...ALL_NODES, 'response_policy:all_succeeded'] },
    ),
  }),
  LATENCY: container('LATENCY', '2.8.13', GROUP, 'Latencies of events and commands.', {
    DOCTOR: row(2, QUIET_OPERATOR, '2.8.13', GROUP, 'A report in words.', latencyDoctor, LATENCY_TIPS),
    GRAPH: row(3, QUIET_OPERATOR, '2.8.13', GROUP, 'A chart of one event.', latencyGraph, {
      ...LATENCY_TIPS,
      usage: '<event>',
    }),
    HISTOGRAM: row(-2, QUIET_OPERATOR, '7.0.0', GROUP, 'Cumulative latencies by command.', latencyHistogram, {
      ...LATENCY_TIPS,
      usage: '[<command> ...]',
    }),
    HISTORY: row(3, QUIET_OPERATOR, '2.8.13', GROUP, 'Time and length of the samples of one event.', latencyHistory, {
      ...LATENCY_TIPS,
      usage: '<event>',
    }),
    LATEST: row(2, QUIET_OPERATOR, '2.8.13', GROUP, 'The newest sample of every event.', latencyLatest, LATENCY_TIPS),
    RESET: row(-2, QUIET_OPERATOR, '2.8.13', GROUP, 'Forgets the samples of some or all events.', latencyReset, {
      usage: '[<event> ...]',
      tips: [...ALL_NODES, 'response_policy:all_succeeded'],
    }),
  }),
}
