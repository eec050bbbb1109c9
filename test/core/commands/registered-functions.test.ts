import { registeredFunctions } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CpuTime } from '../../support/cpu-time.ts'

const names = (text: string): string[] => registeredFunctions(text).map(({ name }) => name)

describe('functions that a library registers', () => {
  it.each([
    [`redis.register_function('a', f)`, ['a']],
    [`redis.register_function 'a'`, ['a']],
    [`local r = redis\nr.register_function("a\\"b\\65\\n", f)`, ['a"bA\n']],
    [`redis.register_function([==[a]]]==], f)`, ['a]]']],
    [`redis.register_function{callback=function() return {1, {2}} end, function_name='a'}`, ['a']],
    [`redis.register_function({function_name=NAME, callback=f})`, []],
    [`redis.register_function(name, f)`, []],
    [`-- redis.register_function('a', f)\nredis.register_function('b', f)`, ['b']],
    [`--[[ redis.register_function('a', f)\n ]] redis.register_function('b', f)`, ['b']],
    [`--[==[ ]] redis.register_function('a', f)\n ]==] redis.register_function('b', f)`, ['b']],
    [`local s = '-- not a comment'; redis.register_function('a', f)`, ['a']],
    [`local s = "redis.register_function('a', f)"`, []],
    [`redis.register_function('never closed`, ['never closed']],
    [`redis.register_function{function_name='never closed`, ['never closed']],
    [`redis.register_function{{function_name='inner'}}`, []],
    [`register_function`, []],
    [`--[[`, []],
    [`[[`, []],
    [``, []],
  ])('%s', (text, expected) => {
    expect(names(text)).toEqual(expected)
  })

  it('are found in linear time in any text', () => {
    for (const piece of [
      'register_function{',
      '--[[',
      "'",
      'register_function{flags={',
      '[=',
      '{',
      'register_function(',
    ]) {
      const cpu = new CpuTime()
      registeredFunctions(piece.repeat(100_000))
      expect(cpu.ms).toBeLessThan(5000)
    }
  })

  it('come with description and flags', () => {
    const [found] = registeredFunctions(
      `redis.register_function{ function_name = 'a', flags = {'no-writes', "allow-stale"}, description = [[what it does]] }`,
    )
    expect(found).toEqual({ name: 'a', flags: ['no-writes', 'allow-stale'], description: 'what it does' })
  })
})
