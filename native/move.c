/*
 * Bytes moved by call after call, none of which waits, without a way back into JavaScript between them: there, the
 * processor's caches are filled anew for each.
 *
 *   lendFile(words): sendfile(2), as long as the sink takes all
 *   passOn(words): splice(2) into a pipe and out of it again, as long as the source gives and the sink takes all
 *
 * How far they go is the caller's to say: `sure` bytes, and up to `most` as long as the event loop has nothing else to
 * do. The words are the layout that src/kernel/move.ts knows as well: doubles, of which the last ones are the answer.
 */
#define _GNU_SOURCE
#include "sluice.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>

#include "libuv.h"

enum { SLICE = 1 << 20 };
enum { LEND_SOURCE, LEND_SINK, LEND_OFFSET, LEND_SURE, LEND_MOST, LEND_MOVED, LEND_RESULT };
enum {
  PASS_SOURCE,
  PASS_SINK,
  PASS_INLET,
  PASS_OUTLET,
  PASS_ROOM,      /* bytes that the pipe takes when it is empty */
  PASS_PENDING,   /* bytes that are in it, before and after */
  PASS_REMAINING, /* bytes that may yet be put into it */
  PASS_SURE,
  PASS_MOST,
  PASS_MOVED, /* bytes that have reached the sink */
  PASS_FILLED,
  PASS_FILL_RESULT,
  PASS_DRAIN_RESULT
};

/* No timer is due, nothing is to be run at once, no descriptor is ready. libuv's clock stands still while callbacks run. */
static bool is_quiet(const struct uv_loop_s *loop) {
  int timeout = uv_backend_timeout(loop);
  if (timeout == 0 || (timeout > 0 && uv_hrtime() / 1000000 - uv_now(loop) >= (uint64_t)timeout)) return false;
  struct pollfd backend = {.fd = uv_backend_fd(loop), .events = POLLIN};
  return poll(&backend, 1, 0) == 0;
}

/* The call's first argument, and the loop of its thread. */
static double *words_and_loop(napi_env env, napi_callback_info info, struct uv_loop_s **loop) {
  napi_value argument;
  size_t argc = 1;
  int64_t address = 0;
  if (napi_get_cb_info(env, info, &argc, &argument, NULL, NULL) != napi_ok || argc < 1) return NULL;
  if (!sluice_address(env, argument, &address) || napi_get_uv_event_loop(env, loop) != napi_ok) return NULL;
  return (double *)(intptr_t)address;
}

static napi_value lend_file(napi_env env, napi_callback_info info) {
  struct uv_loop_s *loop = NULL;
  double *words = words_and_loop(env, info, &loop);
  if (words == NULL) return sluice_failed(env);
  int source = (int)words[LEND_SOURCE], sink = (int)words[LEND_SINK];
  off_t offset = (off_t)words[LEND_OFFSET];
  int64_t sure = (int64_t)words[LEND_SURE], most = (int64_t)words[LEND_MOST], moved = 0;
  ssize_t result = 0;
  while (moved < most && (moved < sure || is_quiet(loop))) {
    int64_t wanted = moved < sure ? sure - moved : most - moved < SLICE ? most - moved : SLICE;
    do {
      result = sendfile(sink, source, &offset, (size_t)wanted);
    } while (result == -1 && errno == EINTR);
    if (result == -1) result = -errno;
    if (result > 0) moved += result;
    if (result < wanted) break;
  }
  words[LEND_MOVED] = (double)moved;
  words[LEND_RESULT] = (double)result;
  return NULL;
}

static ssize_t splice_now(int from, int to, int64_t length) {
  ssize_t result;
  do {
    result = splice(from, NULL, to, NULL, (size_t)length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (result == -1 && errno == EINTR);
  return result == -1 ? -errno : result;
}

/* How many bytes can be put into the pipe. What remains may be infinite. */
static int64_t room(const double *words) {
  double free = words[PASS_ROOM] - words[PASS_PENDING];
  double left = words[PASS_REMAINING] - words[PASS_FILLED];
  return (int64_t)(left < free ? left : free);
}

/* Into the pipe and out of it. Answers whether it makes sense to go on. */
static bool pass_once(double *words) {
  int64_t wanted = room(words);
  ssize_t filled = 1;
  if (wanted > 0) {
    filled = splice_now((int)words[PASS_SOURCE], (int)words[PASS_INLET], wanted);
    words[PASS_FILL_RESULT] = (double)filled;
    if (filled > 0) {
      words[PASS_PENDING] += (double)filled;
      words[PASS_FILLED] += (double)filled;
    }
  }
  if (words[PASS_PENDING] == 0) return false;
  ssize_t drained = splice_now((int)words[PASS_OUTLET], (int)words[PASS_SINK], (int64_t)words[PASS_PENDING]);
  words[PASS_DRAIN_RESULT] = (double)drained;
  if (drained > 0) {
    words[PASS_PENDING] -= (double)drained;
    words[PASS_MOVED] += (double)drained;
  }
  return filled > 0 && words[PASS_PENDING] == 0 && room(words) > 0;
}

static napi_value pass_on(napi_env env, napi_callback_info info) {
  struct uv_loop_s *loop = NULL;
  double *words = words_and_loop(env, info, &loop);
  if (words == NULL) return sluice_failed(env);
  words[PASS_MOVED] = words[PASS_FILLED] = 0;
  words[PASS_FILL_RESULT] = words[PASS_DRAIN_RESULT] = 1;
  do {
    if (!pass_once(words)) break;
  } while (words[PASS_MOVED] < words[PASS_SURE] || (words[PASS_MOVED] < words[PASS_MOST] && is_quiet(loop)));
  return NULL;
}

void sluice_move_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "lendFile", lend_file);
  sluice_export(env, exports, "passOn", pass_on);
}
