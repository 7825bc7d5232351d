const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text of a page, of which everything that came from outside is escaped. */
export class Html {
  readonly text: string

  /** For others there is {@link html}. */
  constructor(text: string) {
    this.text = text
  }
}

/** What may stand in a template: markup as it is, everything else escaped, and nothing for what is not there. */
type Value = Html | string | number | undefined | readonly Value[]

function textOf(value: Value): string {
  if (value instanceof Html) return value.text
  if (value === undefined) return ''
  if (typeof value === 'object') return value.map(textOf).join('')
  return String(value).replace(/[&<>"']/g, character => ESCAPES[character] as string)
}

/** A template of markup: what is put into it is escaped for text and for quoted attributes. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(strings.map((text, index) => text + textOf(values[index])).join(''))
}

/** A value as JSON that may stand in a script element, whatever its strings hold. */
export function jsonForScript(value: unknown): Html {
  const json = JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return new Html(json)
}
