import type { Answer } from './answer.js'

/** Has scripts of another origin see an answer, also one that tells them of a failure. */
export function readable(answer: Answer, cors: string): Answer {
  if (answer.isLocal === true) return answer
  const name = 'Access-Control-Allow-Origin'
  if (answer.fields.some(([known]) => known.toLowerCase() === name.toLowerCase())) return answer
  return { ...answer, fields: [...answer.fields, [name, cors]] }
}

/** For what one client gets and another one does not, by what it accepts. */
export function varyByAccept(answer: Answer): Answer {
  const others = answer.fields.filter(([name]) => name !== 'Vary')
  const vary = answer.fields.find(([name]) => name === 'Vary')?.[1]
  return { ...answer, fields: [...others, ['Vary', vary === undefined ? 'Accept' : `${vary}, Accept`]] }
}
