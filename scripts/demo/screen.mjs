/**
 * What the demo writes to its terminal: lines that stay, and below them a block of figures that is drawn again and again.
 * Without a terminal (a pipe, a CI log) the block becomes one plain line every few seconds.
 */
const CSI = '\u001B['
/** Between two lines of figures when there is no terminal to draw on. */
const PLAIN_LINE_EVERY_MS = 2000

export class Screen {
  #out
  #isTerminal
  #hasColour
  /** Lines of the block that is on the terminal now. */
  #drawn = 0
  #lastPlainMs = -Infinity

  /** @param {NodeJS.WriteStream} [out] */
  constructor(out = process.stdout) {
    this.#out = out
    this.#isTerminal = out.isTTY && process.env['TERM'] !== 'dumb'
    this.#hasColour = this.#isTerminal && !process.env['NO_COLOR']
    // A reader that goes away (`demo | head`) ends the demo, not with a stack trace.
    out.on('error', () => process.exit(1))
    if (this.#isTerminal) process.on('exit', () => out.write(`${CSI}?25h`))
  }

  /** A line that stays. It goes above the block, which has to be drawn again. @param {string} [text] */
  line(text = '') {
    this.clear()
    this.#out.write(`${text}\n`)
  }

  /**
   * Draws the figures.
   *
   * @param {string[]} block Lines for a terminal.
   * @param {string} plain The same in one line.
   * @param {boolean} [now] A plain line is due, however short ago the last was.
   */
  figures(block, plain, now = false) {
    if (!this.#isTerminal) {
      if (!now && performance.now() - this.#lastPlainMs < PLAIN_LINE_EVERY_MS) return
      this.#lastPlainMs = performance.now()
      this.#out.write(`${plain}\n`)
      return
    }
    const width = this.#out.columns || 80
    const up = this.#drawn > 0 ? `${CSI}${this.#drawn}A` : `${CSI}?25l`
    const text = block.map((line) => `${CSI}2K${cut(line, width)}\n`).join('')
    this.#out.write(`${up}\r${text}${this.#drawn > block.length ? `${CSI}0J` : ''}`)
    this.#drawn = block.length
  }

  /** Takes the block away. */
  clear() {
    if (this.#drawn === 0) return
    this.#out.write(`${CSI}${this.#drawn}A\r${CSI}0J${CSI}?25h`)
    this.#drawn = 0
  }

  /** Leaves the block where it is; what follows goes below. */
  keep() {
    if (this.#drawn > 0) this.#out.write(`${CSI}?25h`)
    this.#drawn = 0
  }

  /** @param {string} text */
  bold(text) {
    return this.#paint('1', '22', text)
  }

  /** @param {string} text */
  dim(text) {
    return this.#paint('2', '22', text)
  }

  /** @param {string} text */
  good(text) {
    return this.#paint('32', '39', text)
  }

  /** @param {string} text */
  bad(text) {
    return this.#paint('31', '39', text)
  }

  /**
   * @param {string} on
   * @param {string} off
   * @param {string} text
   */
  #paint(on, off, text) {
    return this.#hasColour ? `${CSI}${on}m${text}${CSI}${off}m` : text
  }
}

/**
 * At most `width` columns, so that no line wraps: a wrapped one would not be counted. Colours take no column.
 *
 * @param {string} line
 * @param {number} width
 */
function cut(line, width) {
  let columns = 0
  let out = ''
  // eslint-disable-next-line no-control-regex
  for (const [part] of line.matchAll(/\u001B\[[0-9;]*m|./gsu)) {
    if (part.length > 1 && part.startsWith('\u001B')) out += part
    else if (columns < width - 1) {
      out += part
      columns++
    }
  }
  return out
}

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** 1,234,567 @param {number} value */
export function count(value) {
  return whole.format(value)
}

/** 12.3 MB (decimal). @param {number} value */
export function bytes(value) {
  if (value < 1000) return `${whole.format(value)} B`
  for (const [unit, size] of /** @type {const} */ ([
    ['kB', 1e3],
    ['MB', 1e6],
    ['GB', 1e9],
  ])) {
    if (value < size * 1000 || unit === 'GB') return `${(value / size).toFixed(1)} ${unit}`
  }
  return ''
}

/** @param {number} value */
export function milliseconds(value) {
  return value < 10 ? `${value.toFixed(1)} ms` : `${whole.format(value)} ms`
}
