/*
 * A descriptor that ends with its thread.
 *
 *   own(fd) -> handle; the descriptor is closed when the handle is collected or its thread ends
 *   disown(handle) -> closes it now; 0, or -errno
 *   ownMarked(marks) -> every descriptor whose bit is set in `marks`, a view, is closed when the thread ends
 *
 * Clean-up hooks run last in, first out: what is owned first is closed last.
 */
#include "sluice.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct descriptor {
  napi_env env;
  int fd; /* -1 once closed */
};

static void thread_ends(void *data);

static int end_descriptor(struct descriptor *descriptor) {
  if (descriptor->fd < 0) return 0;
  napi_remove_env_cleanup_hook(descriptor->env, thread_ends, descriptor);
  int result = close(descriptor->fd) == 0 ? 0 : -errno;
  descriptor->fd = -1;
  return result;
}

static void thread_ends(void *data) {
  end_descriptor(data);
}

static void handle_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  end_descriptor(data);
  free(data);
}

static napi_value own(napi_env env, napi_callback_info info) {
  napi_value argv[1], handle;
  size_t argc = 1;
  int32_t fd;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(env, napi_get_value_int32(env, argv[0], &fd));
  struct descriptor *descriptor = malloc(sizeof *descriptor);
  if (descriptor == NULL) return sluice_number(env, -ENOMEM);
  *descriptor = (struct descriptor){.env = env, .fd = fd};
  if (napi_create_external(env, descriptor, handle_gone, NULL, &handle) != napi_ok) {
    free(descriptor);
    return sluice_failed(env);
  }
  TRY(env, napi_add_env_cleanup_hook(env, thread_ends, descriptor));
  return handle;
}

static napi_value disown(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  size_t argc = 1;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  struct descriptor *descriptor = sluice_handle(env, argv[0]);
  return descriptor == NULL ? NULL : sluice_number(env, end_descriptor(descriptor));
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
