import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { AddressFilter } from './address-filter.js'

const client = (address: string) => ({
  family: address.includes(':') ? ('IPv6' as const) : ('IPv4' as const),
  address,
  port: 1,
})
const allows = (allowed: readonly string[], address: string, host = '127.0.0.1:80') =>
  new AddressFilter(allowed, ['web.example.org'], 'status').refusal(client(address), host) === undefined

test('only clients of this machine are let in by themselves', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
    assert.ok(allows([], address), address)
  for (const address of ['10.0.0.1', '::2', '::ffff:10.0.0.1', 'fe80::1%eth0', '0.0.0.0'])
    assert.ok(!allows([], address), address)
  const filter = new AddressFilter([], [], 'status')
  const unix = { family: 'Unix', path: '/run/socket' } as const
  assert.equal(filter.refusal(unix, 'x'), undefined, 'a Unix socket is of this machine')
  assert.equal(filter.refusal(undefined, 'x'), undefined)
})

test('addresses and networks that are named are let in, and no others', () => {
  const allowed = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8:1::1', '192.0.2.7', '127.0.0.1'])
    assert.ok(allows(allowed, address), address)
  for (const address of ['11.0.0.1', '2001:db9::1', '192.0.2.8'])
    assert.ok(!allows(allowed, address), address)
  assert.ok(allows(['all'], '203.0.113.5'))
})

test('a browser of this machine that was led here by the name of another site is not let in', () => {
  for (const host of ['localhost', 'LOCALHOST:8080', 'a.localhost', '127.0.0.1:1', '[::1]:80', hostname()])
    assert.ok(allows([], '127.0.0.1', host), host)
  for (const host of [
    'example.org',
    'example.org:8080',
    'localhost.example.org',
    '127.0.0.1.example.org',
    '',
  ])
    assert.ok(!allows([], '127.0.0.1', host), host)
  assert.ok(allows(['all'], '127.0.0.1', 'example.org'))
})

test('nor is one of a network that is named; the names that the operator knows are for both', () => {
  const network = ['10.0.0.0/8']
  for (const host of [
    '10.0.0.9:8080',
    '[2001:db8::1]',
    'localhost',
    hostname(),
    'WEB.example.org:8080',
    'web.example.org.',
  ]) {
    assert.ok(allows(network, '10.0.0.1', host), host)
    assert.ok(allows(network, '127.0.0.1', host), host)
  }
  for (const host of [
    'example.org',
    'rebound.example.org:8080',
    'web.example.org.evil.org',
    'a.web.example.org',
  ])
    assert.ok(!allows(network, '10.0.0.1', host), host)
  for (const name of ['', 'a b', 'web.example.org:80', 'http://web', '[::1]', 'bücher.example.org'])
    assert.throws(() => new AddressFilter([], [name], 'options.status'), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: /options\.status\.hosts/,
    })
})

test('a name is the same with the dot of the root behind it', () => {
  for (const [name, listening] of [
    ['web.example.org.', undefined],
    ['other.example.org', 'Web.Example.org.'],
  ] as const) {
    const filter = new AddressFilter([], [name], 'status', listening)
    for (const host of ['web.example.org', 'web.example.org.:80'])
      assert.equal(filter.refusal(client('127.0.0.1'), host), undefined, `${name}: ${host}`)
  }
})

test('what is no text, or no list of them, is refused by its name', () => {
  for (const wrong of ['10.0.0.1', [5], undefined] as never[]) {
    assert.throws(() => new AddressFilter(wrong, [], 'options.status'), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /options\.status\.allow/,
    })
    assert.throws(() => new AddressFilter([], wrong, 'options.status'), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /options\.status\.hosts/,
    })
  }
})

test('what is neither is refused by its name', () => {
  for (const entry of ['', 'here', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '*'])
    assert.throws(() => new AddressFilter([entry], [], 'options.status'), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: /options\.status\.allow/,
    })
})
