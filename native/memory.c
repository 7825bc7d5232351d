/*
 * Mapped memory as an ArrayBuffer.
 *
 *   map(address, length, prot, flags, fd, offset) -> [ArrayBuffer, handle], or -errno
 *   detach(handle, ArrayBuffer) -> its views become empty; the memory stays until unmap()
 *   unmap(handle, ArrayBuffer) -> 0, or -errno; the ArrayBuffer is detached first, so no view can dangle
 *
 * Two owners hold a mapping, the handle and the ArrayBuffer's backing store; one that is forgotten is unmapped when
 * both are gone.
 */
#include "sluice.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

struct mapping {
  void *address;
  size_t length;
  bool mapped;
  bool detached; /* by us */
  int owners;
};

static int release(struct mapping *mapping) {
  if (!mapping->mapped) return 0;
  mapping->mapped = false;
  return munmap(mapping->address, mapping->length) == 0 ? 0 : -errno;
}

static void let_go(struct mapping *mapping) {
  if (--mapping->owners > 0) return;
  release(mapping);
  free(mapping);
}

/*
 * The backing store is gone: collected, or moved by transfer() to an ArrayBuffer that was. The memory stays until
 * the handle goes too, since whoever has the kernel write here holds the first ArrayBuffer, and with it the handle.
 * And when a thread ends, Node ends its ArrayBuffers before any clean-up hook runs, the handle after the rings have
 * drained.
 */
static void buffer_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data;
  let_go(hint);
}

static void handle_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  let_go(data);
}

static napi_value map(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  size_t argc = 6;
  int64_t args[6] = {0};
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  for (size_t index = 0; index < 6; index++) TRY(env, napi_get_value_int64(env, argv[index], &args[index]));

  void *address =
      mmap((void *)(intptr_t)args[0], (size_t)args[1], (int)args[2], (int)args[3], (int)args[4], (off_t)args[5]);
  if (address == MAP_FAILED) return sluice_number(env, -errno);
  struct mapping *mapping = malloc(sizeof *mapping);
  if (mapping == NULL) {
    munmap(address, (size_t)args[1]);
    return sluice_number(env, -ENOMEM);
  }
  *mapping = (struct mapping){.address = address, .length = (size_t)args[1], .mapped = true, .owners = 1};

  napi_value buffer, handle, pair;
  if (napi_create_external_arraybuffer(env, address, mapping->length, buffer_gone, mapping, &buffer) != napi_ok) {
    munmap(address, mapping->length);
    free(mapping);
    return sluice_failed(env);
  }
  TRY(env, napi_create_external(env, mapping, handle_gone, NULL, &handle));
  mapping->owners++;
  TRY(env, napi_create_array_with_length(env, 2, &pair));
  TRY(env, napi_set_element(env, pair, 0, buffer));
  TRY(env, napi_set_element(env, pair, 1, handle));
  return pair;
}

/* Detaches the mapping's ArrayBuffer; false when somebody moved the memory to another one with transfer(). */
static bool detach_buffer(napi_env env, struct mapping *mapping, napi_value buffer) {
  if (mapping->detached) return true;
  bool moved = false;
  if (napi_is_detached_arraybuffer(env, buffer, &moved) != napi_ok || moved) return false;
  mapping->detached = true;
  return napi_detach_arraybuffer(env, buffer) == napi_ok;
}

static napi_value detach(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  struct mapping *mapping = sluice_handle(env, argv[0]);
  if (mapping == NULL) return NULL;
  return sluice_number(env, detach_buffer(env, mapping, argv[1]) ? 0 : -EBUSY);
}

static napi_value unmap(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  struct mapping *mapping = sluice_handle(env, argv[0]);
  if (mapping == NULL) return NULL;
  /* Memory that was moved away is unmapped when its new ArrayBuffer is collected as well. */
  if (!detach_buffer(env, mapping, argv[1])) return sluice_number(env, -EBUSY);
  return sluice_number(env, release(mapping));
}

void sluice_memory_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "map", map);
  sluice_export(env, exports, "unmap", unmap);
  sluice_export(env, exports, "detach", detach);
}
