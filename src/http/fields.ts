/** Header fields in the order they are sent. */
export type Fields = readonly (readonly [name: string, value: string])[]
