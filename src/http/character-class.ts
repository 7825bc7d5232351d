/** Part of a token: a method, a field's name. @see RFC 9110, section 5.6.2 */
export const TOKEN = 1
/** Part of a request target. */
export const TARGET = 2
/** Part of a field's value. @see RFC 9110, section 5.5 */
export const VALUE = 4

/** What a byte may be part of: the three above, ORed. */
export const CLASS = new Uint8Array(256)
for (let byte = 0x21; byte < 0x7f; byte++) CLASS[byte] = TARGET | VALUE
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  CLASS[character.charCodeAt(0)] |= TOKEN
}
CLASS[0x20] = VALUE
CLASS[0x09] = VALUE
for (let byte = 0x80; byte < 0x100; byte++) CLASS[byte] = VALUE
