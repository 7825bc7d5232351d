import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { engine } from 'sluice'
import { open } from 'sluice/file'
import { prepareFdatasync } from 'sluice/ring'
import { mounted } from '../helpers/mounts.js'

const MIB = 1024 * 1024

test('a device that fails after the writes is told by the sync, to each who has the file open', async t => {
  // The image's own file system is full, so blocks of the image that are not there yet cannot be written.
  const below = await mounted(t, 'tmpfs', 24 * MIB)
  if (below === undefined) return
  const mount = await mounted(t, 'ext4', 128 * MIB, join(below, 'image'))
  if (mount === undefined) return
  const path = join(mount, 'file')
  const writer = await open(path, 'w')
  const other = await open(path, 'r+')
  for (let index = 0; index < 48; index++) await writer.write(Buffer.alloc(MIB, 1), 0, MIB, index * MIB)
  // Newer kernels pass on what the image's file system says, older ones call it an I/O error.
  await assert.rejects(writer.sync(), { code: /^(EIO|ENOSPC)$/, syscall: 'fsync' })
  const sync = engine().run((queue, id) => prepareFdatasync(queue, other.fd, id), { syscall: 'fdatasync' })
  await assert.rejects(sync, { code: /^(EIO|ENOSPC)$/, syscall: 'fdatasync' })
  await writer.close()
  await other.close()
})
