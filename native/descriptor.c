/*
 * A descriptor, or another thing of the kernel's, that ends with its thread.
 *
 *   own(value, call, length) -> handle; the system call `call` ends `value` when the handle is collected or its thread
 *     ends; munmap(2) is told the length, others have no use for it
 *   disown(handle) -> ends it now; 0, or -errno
 *   ownMarked(marks) -> every descriptor whose bit is set in `marks`, a view, is closed when the thread ends
 *
 * Clean-up hooks run last in, first out: what is owned first is closed last.
 */
#include "sluice.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct owned {
  napi_env env;
  int64_t value; /* a descriptor, or the address of an AIO context or of a mapping; -1 once ended */
  int64_t length;
  int32_t call; /* close, munmap, or io_destroy, which waits for what is in flight */
};

static void thread_ends(void *data);

static int end_owned(struct owned *owned) {
  if (owned->value < 0) return 0;
  napi_remove_env_cleanup_hook(owned->env, thread_ends, owned);
  int result = syscall(owned->call, owned->value, owned->length) == 0 ? 0 : -errno;
  owned->value = -1;
  return result;
}

static void thread_ends(void *data) {
  end_owned(data);
}

static void handle_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  end_owned(data);
  free(data);
}

static napi_value own(napi_env env, napi_callback_info info) {
  napi_value argv[3], handle;
  size_t argc = 3;
  int64_t value, length;
  int32_t call;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(env, napi_get_value_int64(env, argv[0], &value));
  TRY(env, napi_get_value_int32(env, argv[1], &call));
  TRY(env, napi_get_value_int64(env, argv[2], &length));
  struct owned *owned = malloc(sizeof *owned);
  if (owned == NULL) return sluice_number(env, -ENOMEM);
  *owned = (struct owned){.env = env, .value = value, .length = length, .call = call};
  if (napi_create_external(env, owned, handle_gone, NULL, &handle) != napi_ok) {
    free(owned);
    return sluice_failed(env);
  }
  TRY(env, napi_add_env_cleanup_hook(env, thread_ends, owned));
  return handle;
}

static napi_value disown(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  size_t argc = 1;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  struct owned *owned = sluice_handle(env, argv[0]);
  return owned == NULL ? NULL : sluice_number(env, end_owned(owned));
}

/* Many descriptors that come and go: a bit for each, set and cleared from JavaScript. */
struct marked {
  napi_ref memory;
  const uint8_t *bits;
  size_t bytes;
};

static void marked_thread_ends(void *data) {
  struct marked *marked = data;
  for (size_t byte = 0; byte < marked->bytes; byte++) {
    for (int bit = 0; marked->bits[byte] >> bit != 0; bit++) {
      if ((marked->bits[byte] >> bit & 1) != 0) close((int)byte * 8 + bit);
    }
  }
  free(marked);
}

static napi_value own_marked(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  size_t argc = 1;
  void *bits;
  struct marked *marked = calloc(1, sizeof *marked);
  if (marked == NULL) return sluice_number(env, -ENOMEM);
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(env, napi_get_typedarray_info(env, argv[0], NULL, &marked->bytes, &bits, NULL, NULL));
  /* Clean-up hooks run before the heap is taken down, so what is referenced is still there. */
  TRY(env, napi_create_reference(env, argv[0], 1, &marked->memory));
  marked->bits = bits;
  TRY(env, napi_add_env_cleanup_hook(env, marked_thread_ends, marked));
  return sluice_number(env, 0);
}

void sluice_descriptor_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "own", own);
  sluice_export(env, exports, "disown", disown);
  sluice_export(env, exports, "ownMarked", own_marked);
}
