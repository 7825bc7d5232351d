import { ADDRESS, ALLOC, type Case, data, FAR, other, waiters, words } from './entry-values.test.support.js'
import * as prepare from './index.js'

/** Entries of polls, timeouts, cancels, pipes, messages, buffers, processes and commands. */
export const OTHER_ENTRIES: Case[] = [
  [prepare.preparePollAdd, [5, 0x80000001], { op: 6, fd: 5, opFlags: 0x80000001 }],
  [prepare.preparePollMultishot, [5, 1, 8], { op: 6, fd: 5, len: 9, opFlags: 1 }],
  [prepare.preparePollRemove, [FAR], { op: 7, fd: -1, addr: FAR }],
  [
    prepare.preparePollUpdate,
    [FAR, 2 ** 50, 4, 3],
    { op: 7, fd: -1, off: 2 ** 50, addr: FAR, len: 3, opFlags: 4 },
  ],
  [prepare.prepareEpollCtl, [5, 6, 1, other], { op: 29, fd: 5, off: 6, addr: other, len: 1 }],
  [prepare.prepareEpollWait, [5, data, 8], { op: 59, fd: 5, addr: data, len: 8 }],
  [prepare.prepareTimeout, [other, 3, 64], { op: 11, fd: -1, off: 3, addr: other, len: 1, opFlags: 64 }],
  [prepare.prepareTimeoutRemove, [FAR], { op: 12, fd: -1, addr: FAR }],
  [prepare.prepareTimeoutUpdate, [FAR, other, 1], { op: 12, fd: -1, off: other, addr: FAR, opFlags: 3 }],
  [prepare.prepareLinkTimeout, [other, 1], { op: 15, fd: -1, addr: other, len: 1, opFlags: 1 }],
  [prepare.prepareCancel, [FAR, 1], { op: 14, fd: -1, addr: FAR, opFlags: 1 }],
  [prepare.prepareCancelFd, [5, 1], { op: 14, fd: 5, opFlags: 3 }],
  [prepare.prepareCancelOperation, [22, 1], { op: 14, fd: -1, len: 22, opFlags: 33 }],
  [prepare.prepareCancelAny, [], { op: 14, fd: -1, opFlags: 4 }],
  [
    prepare.prepareSplice,
    [5, -1, 6, FAR, 9, 1],
    { op: 30, fd: 6, off: FAR, addr: -1, len: 9, opFlags: 1, fileIndex: 5 },
  ],
  [prepare.prepareTee, [5, 6, 9, 1], { op: 33, fd: 6, len: 9, opFlags: 1, fileIndex: 5 }],
  [prepare.preparePipe, [other, 0x800], { op: 62, addr: other, opFlags: 0x800 }],
  [prepare.preparePipeDirect, [other, 0x800, 4], { op: 62, addr: other, opFlags: 0x800, fileIndex: 5 }],
  [prepare.prepareMsgRing, [5, 9, FAR, 0], { op: 40, fd: 5, off: FAR, len: 9 }],
  [
    prepare.prepareMsgRingFlags,
    [5, 9, FAR, 0x30000],
    { op: 40, fd: 5, off: FAR, len: 9, opFlags: 2, fileIndex: 0x30000 },
  ],
  [
    prepare.prepareMsgRingFd,
    [5, 3, 4, FAR, 1],
    { op: 40, fd: 5, off: FAR, addr: 1, opFlags: 1, fileIndex: 5, addr3: 3 },
  ],
  [
    prepare.prepareProvideBuffers,
    [ADDRESS, 9, 4, 6, 1],
    { op: 31, fd: 4, off: 1, addr: ADDRESS, len: 9, buffer: 6 },
  ],
  [prepare.prepareRemoveBuffers, [4, 6], { op: 32, fd: 4, buffer: 6 }],
  [prepare.prepareFilesUpdate, [other, 7], { op: 20, fd: -1, off: 7, addr: other, len: 5 }],
  [prepare.prepareFixedFdInstall, [5, 1], { op: 54, flags: 1, fd: 5, opFlags: 1 }],
  [prepare.prepareWaitid, [1, 77, data, 4], { op: 50, fd: 77, off: data, len: 1, fileIndex: 4 }],
  [
    prepare.prepareFutexWait,
    [other, FAR, ALLOC, 130],
    { op: 51, fd: 130, off: FAR, addr: other, addr3: ALLOC },
  ],
  [prepare.prepareFutexWake, [other, 1, ALLOC, 130], { op: 52, fd: 130, off: 1, addr: other, addr3: ALLOC }],
  [prepare.prepareFutexWaitv, [waiters], { op: 53, addr: waiters, len: 3 }],
  [prepare.prepareMadvise, [ADDRESS, 4096, 4], { op: 25, fd: -1, addr: ADDRESS, len: 4096, opFlags: 4 }],
  [
    prepare.prepareMadvise,
    [ADDRESS, 2 ** 32, 4],
    { op: 25, fd: -1, off: 2 ** 32, addr: ADDRESS, opFlags: 4 },
  ],
  [
    prepare.prepareUringCmd,
    [5, 0x4e80, 1, words],
    {
      op: 46,
      fd: 5,
      off: 0x4e80,
      opFlags: 1,
      addr3: 11 - 12 * 2 ** 32,
      pad: 13 - 14 * 2 ** 32,
    },
  ],
  [prepare.prepareBlockDiscard, [5, FAR, 2 ** 40], { op: 46, fd: 5, off: 0x1200, addr: FAR, addr3: 2 ** 40 }],
]
