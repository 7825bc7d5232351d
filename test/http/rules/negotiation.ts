import { get, type Rule } from './rule.js'

const PLAIN = 'let app = 1'
const BODIES = { br: 'brotli', gzip: 'gzipped' } as const

function coded(
  name: string,
  accept: string[] | string | undefined,
  coding: keyof typeof BODIES | undefined,
): Rule {
  const lines = accept === undefined ? [] : [accept].flat().map(value => `Accept-Encoding: ${value}`)
  return {
    name,
    site: 'coded',
    request: get('/app.js', ...lines),
    status: 200,
    body: coding === undefined ? PLAIN : BODIES[coding],
    fields: {
      'content-encoding': coding ?? null,
      vary: 'Accept-Encoding',
      'content-type': 'text/javascript; charset=utf-8',
    },
  }
}

/** RFC 9110, section 12: which representation a client is sent. Brotli and gzip lie beside the file, zstd does not. */
export const NEGOTIATION: readonly Rule[] = [
  coded('RFC 9110 12.5.3: without the field, none is sent', undefined, undefined),
  coded('RFC 9110 12.5.3: with an empty one, none', '', undefined),
  coded('RFC 9110 12.5.3: one that is named is', 'gzip', 'gzip'),
  coded('RFC 9110 8.4.1: codings have no case', 'GZIP', 'gzip'),
  coded('RFC 9110 8.4.1.3: x-gzip is gzip', 'x-gzip', 'gzip'),
  coded('RFC 9110 12.5.3: the best of those that are liked alike', 'gzip, br, deflate', 'br'),
  coded('RFC 9110 12.4.2: the one that is liked most', 'br;q=0.5, gzip;q=0.8', 'gzip'),
  coded('RFC 9110 12.4.2: to three digits', 'br;q=0.501, gzip;q=0.5', 'br'),
  coded('RFC 9110 12.4.2: none of weight 0', 'br;q=0, gzip;q=0.000', undefined),
  coded('RFC 9110 12.4.2: white space around a weight', 'gzip ; q=0.8', 'gzip'),
  coded('RFC 9110 12.4.2: a weight that cannot be leaves its coding out', 'br;q=2, gzip;q=0.1', 'gzip'),
  coded('RFC 9110 12.5.3: an asterisk is any', '*', 'br'),
  coded('RFC 9110 12.5.3: that is not named', 'br;q=0, *;q=0.5', 'gzip'),
  coded('RFC 9110 12.5.3: identity may be liked most', 'identity, gzip;q=0.5', undefined),
  coded('RFC 9110 12.5.3: also as part of the asterisk', 'br;q=0, gzip;q=0.2, *;q=0.7', undefined),
  coded(
    'RFC 9110 12.5.3: where everything is refused the plain file is better than 406',
    'identity;q=0, *;q=0',
    undefined,
  ),
  coded('RFC 9110 12.5.3: what is not there is not sent', 'zstd, gzip;q=0.1', 'gzip'),
  coded('RFC 9110 5.3: several lines are one list', ['deflate', 'gzip'], 'gzip'),
  coded('RFC 9110 5.6.1.2: elements may be empty', ', gzip,,', 'gzip'),
  {
    name: 'RFC 9110 12.5.5: what has one coding only does not vary',
    site: 'coded',
    request: get('/a.txt', 'Accept-Encoding: br'),
    status: 200,
    body: 'hello',
    fields: { vary: null },
  },
  {
    name: 'RFC 9110 8.3: a representation has a type',
    request: get('/docs/'),
    status: 200,
    fields: { 'content-type': 'text/html; charset=utf-8' },
  },
  {
    name: 'RFC 9110 8.3: bytes of no known kind too',
    request: get('/blob'),
    status: 200,
    fields: { 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' },
  },
  {
    name: 'RFC 9110 12.5.1: a page in place of what is not there is for those who take HTML',
    site: 'fallback',
    request: get('/no/where', 'Accept: text/html, */*;q=0.8'),
    status: 200,
    fields: { vary: 'Accept' },
    body: '<p>app',
  },
  {
    name: 'RFC 9110 5.3: in whichever line they say so',
    site: 'fallback',
    request: get('/no/where', 'Accept: image/png', 'Accept: text/html'),
    status: 200,
    body: '<p>app',
  },
  {
    name: 'RFC 9110 12.5.5: for others it is 404, and varies likewise',
    site: 'fallback',
    request: get('/no/where', 'Accept: image/png'),
    status: 404,
    fields: { vary: 'Accept' },
  },
  {
    name: 'RFC 9110 12.5.1: what nobody would take is sent all the same',
    request: get('/a.txt', 'Accept: image/png'),
    status: 200,
    body: 'hello',
  },
]
