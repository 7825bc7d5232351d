import { SERVE_OPTIONS, type ServeOption } from './serve-options.js'

type Schema = Record<string, unknown>

const STRINGS = { type: 'array', items: { type: 'string' } }
const PAIRS = { type: 'object', additionalProperties: { type: 'string' } }
const HEADERS = {
  type: 'object',
  additionalProperties: { type: 'object', additionalProperties: { type: 'string' } },
}

function typeOf({ kind, choices, min, max }: ServeOption): Schema {
  if (choices !== undefined) return { enum: choices }
  if (kind === 'headers') return HEADERS
  if (kind === 'pairs') return PAIRS
  if (kind === 'strings') return STRINGS
  return kind === 'integer' ? { type: kind, minimum: min, maximum: max } : { type: kind }
}

function schemaOf(option: ServeOption): Schema {
  const { description, also } = option
  const type = typeOf(option)
  return also === undefined ? { ...type, description } : { anyOf: [type, { enum: also }], description }
}

/** The JSON schema of the configuration file of `sluice serve`. @see https://json-schema.org/draft/2020-12 */
export function serveSchema(): Schema {
  const properties: Record<string, Schema> = { $schema: { type: 'string' } }
  for (const [name, option] of Object.entries(SERVE_OPTIONS)) {
    const [group, part] = name.split('.')
    if (part === undefined) {
      properties[name] = schemaOf(option)
      continue
    }
    properties[group] ??= { type: 'object', properties: {}, additionalProperties: false }
    const { properties: parts } = properties[group] as { properties: Record<string, Schema> }
    parts[part] = schemaOf(option)
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of sluice serve',
    type: 'object',
    properties,
    additionalProperties: false,
  }
}
