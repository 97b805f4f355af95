/**
 * Reads Postgres's text form of an array. Unquoted NULL is null; a stated lower bound (`[0:1]={1,2}`) is
 * dropped, as a JavaScript array has none. postgres.js's own reader hands NULL to the element parser, which
 * makes NaN of it.
 */
export function readArray(text: string, element?: (text: string) => unknown, delimiter = ','): unknown[] {
  const start = text.indexOf('{')
  if (start === -1) throw new TypeError('an array begins with {')
  return new ArrayReader(text, start + 1, element ?? String, delimiter).read()
}

/**
 * Writes an array, nested as it is, in Postgres's text form.
 * @throws {TypeError} at an undefined element: the driver refuses them everywhere else, too.
 */
export function writeArray(
  values: readonly unknown[],
  element: (value: unknown) => unknown,
  delimiter = ',',
): string {
  const parts = values.map((value) => {
    if (value === null) return 'NULL'
    if (value === undefined) throw new TypeError('an array element is undefined')
    if (Array.isArray(value)) return writeArray(value, element, delimiter)
    return quoted(String(element(value)))
  })
  return `{${parts.join(delimiter)}}`
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

class ArrayReader {
  readonly #text: string
  readonly #element: (text: string) => unknown
  readonly #delimiter: string
  #at: number

  constructor(text: string, at: number, element: (text: string) => unknown, delimiter: string) {
    this.#text = text
    this.#at = at
    this.#element = element
    this.#delimiter = delimiter
  }

  /** From behind a `{` to behind its `}`. */
  read(): unknown[] {
    const values: unknown[] = []
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]
      if (char === '}') {
        this.#at++
        return values
      }
      if (char === this.#delimiter) this.#at++
      else if (char === '{') {
        this.#at++
        values.push(this.read())
      } else values.push(char === '"' ? this.#quoted() : this.#bare())
    }
    throw new TypeError('an array ends with }')
  }

  #bare(): unknown {
    const start = this.#at
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]
      if (char === this.#delimiter || char === '}') break
      this.#at++
    }
    const text = this.#text.slice(start, this.#at)
    return text === 'NULL' ? null : this.#element(text)
  }

  #quoted(): unknown {
    let text = ''
    let from = ++this.#at
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]
      if (char === '"') break
      if (char === '\\') {
        text += this.#text.slice(from, this.#at)
        from = ++this.#at
      }
      this.#at++
    }
    text += this.#text.slice(from, this.#at)
    this.#at++
    return this.#element(text)
  }
}
