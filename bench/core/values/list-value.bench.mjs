import { Generation, LIST_WORDS, listNodeRule, ListValue, prepareElement } from '@understudy/core/internal'

const ELEMENTS = 1000
const LONG = 1_000_000

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const generation = Generation.create({ databaseCount: 1, hashSeed: new Uint8Array(16), segmentBytesMax: 2 ** 31 })
  const [region] = generation.regions
  if (region === undefined) throw new Error('a generation has regions')
  const rule = listNodeRule(-2)
  const element = Buffer.from('element:0123456')
  const newList = () => new ListValue().open(region, new Int32Array(LIST_WORDS), 0)
  /**
   * @param {ListValue} list
   * @param {boolean} atHead
   */
  const push = (list, atHead) => {
    prepareElement(element, 0, element.length)
    list.push(atHead, rule)
  }
  const list = newList()
  for (let i = 0; i < LONG; i++) push(list, false)
  for (const end of ['tail', 'head']) {
    add({
      name: `push to the ${end} of a long list, and pop there`,
      perCall: ELEMENTS,
      unit: 'elements',
      call: () => {
        for (let i = 0; i < ELEMENTS; i++) push(list, end === 'head')
        for (let i = 0; i < ELEMENTS; i++) list.trim(end === 'head' ? 1 : 0, list.count - (end === 'head' ? 0 : 1))
      },
    })
  }
  add({
    name: 'push to the tail, pop from the head',
    perCall: ELEMENTS,
    unit: 'elements',
    call: () => {
      for (let i = 0; i < ELEMENTS; i++) {
        push(list, false)
        list.trim(1, list.count)
      }
    },
  })
  let position = 0
  add({
    name: 'element at a position of a million',
    perCall: ELEMENTS,
    unit: 'elements',
    call: () => {
      for (let i = 0; i < ELEMENTS; i++) {
        position = (position + 7919 * 31) % LONG
        if (!list.seek(position) || !list.load()) throw new Error('not there')
      }
    },
  })
  const short = newList()
  add({
    name: 'ten elements make a short list, which is freed',
    perCall: 10,
    unit: 'elements',
    call: () => {
      for (let i = 0; i < 10; i++) push(short, false)
      short.free()
    },
  })
}
