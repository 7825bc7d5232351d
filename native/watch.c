/*
 * A descriptor on libuv's loop: the callback runs when it is ready, as any callback of Node does, with its
 * microtasks and nextTick queue afterwards. Where it returns true, it is called again behind those, with no events.
 *
 *   watch(fd, callback(events) -> again) -> handle, or -errno; starts stopped and without keeping the process alive
 *   watchStart(handle, events), watchStop(handle), watchRef(handle), watchUnref(handle), watchClose(handle)
 */
#include "sluice.h"

#include <errno.h>
#include <stdlib.h>

#include "libuv.h"

/* In a row: a thread that is being ended fails each. */
enum { MOST_CALLS = 16 };

struct watch {
  napi_env env;
  napi_async_cleanup_hook_handle cleanup; /* a thread that ends waits until libuv has let go of the handle */
  napi_ref callback;
  napi_async_context context;
  uv_handle *poll; /* libuv's until its close callback has run */
  bool collected;  /* no handle in JavaScript leads here any more */
};

static void poll_closed(uv_handle *poll) {
  struct watch *watch = poll->data;
  free(watch->poll);
  watch->poll = NULL;
  napi_remove_async_cleanup_hook(watch->cleanup);
  if (watch->collected) free(watch);
}

static void close_watch(struct watch *watch) {
  if (watch->callback == NULL) return;
  napi_delete_reference(watch->env, watch->callback);
  napi_async_destroy(watch->env, watch->context);
  watch->callback = NULL;
  uv_close(watch->poll, poll_closed);
}

static void thread_ends(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  close_watch(data);
}

/* Calls back. Returns whether that is to be done again, now that the callback's microtasks have run. */
static bool call(struct watch *watch, int events) {
  napi_env env = watch->env;
  napi_handle_scope scope;
  if (watch->callback == NULL || napi_open_handle_scope(env, &scope) != napi_ok) return false;
  napi_value callback, receiver, argument, result;
  bool again = false;
  if (napi_get_reference_value(env, watch->callback, &callback) == napi_ok &&
      napi_get_global(env, &receiver) == napi_ok && napi_create_int32(env, events, &argument) == napi_ok) {
    napi_status status = napi_make_callback(env, watch->context, receiver, callback, 1, &argument, &result);
    napi_value error;
    if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
    /* Anything but a boolean leaves it false. Where a tick behind it has thrown, what it returned is lost: it may have been true. */
    if (status == napi_ok) napi_get_value_bool(env, result, &again);
    else again = true;
  }
  napi_close_handle_scope(env, scope);
  return again;
}

static void ready(uv_handle *poll, int status, int events) {
  struct watch *watch = poll->data;
  bool again = call(watch, status < 0 ? status : events);
  for (int calls = 1; again && calls < MOST_CALLS; calls++) again = call(watch, 0);
}

static void handle_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct watch *watch = data;
  watch->collected = true;
  if (watch->callback != NULL) {
    close_watch(watch);
  } else if (watch->poll == NULL) {
    free(watch);
  }
}

static napi_value open_watch(napi_env env, napi_callback_info info) {
  napi_value argv[2], name, handle;
  size_t argc = 2;
  int32_t fd;
  struct uv_loop_s *loop;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(env, napi_get_value_int32(env, argv[0], &fd));
  TRY(env, napi_get_uv_event_loop(env, &loop));

  struct watch *watch = calloc(1, sizeof *watch);
  uv_handle *poll = calloc(1, uv_handle_size(UV_HANDLE_POLL));
  if (watch == NULL || poll == NULL) {
    free(watch);
    free(poll);
    return sluice_number(env, -ENOMEM);
  }
  int error = uv_poll_init(loop, poll, fd);
  if (error != 0) {
    free(watch);
    free(poll);
    return sluice_number(env, error);
  }
  *watch = (struct watch){.env = env, .poll = poll};
  poll->data = watch;
  uv_unref(poll);
  TRY(env, napi_create_reference(env, argv[1], 1, &watch->callback));
  TRY(env, napi_create_string_utf8(env, "sluice", NAPI_AUTO_LENGTH, &name));
  TRY(env, napi_async_init(env, NULL, name, &watch->context));
  TRY(env, napi_create_external(env, watch, handle_gone, NULL, &handle));
  TRY(env, napi_add_async_cleanup_hook(env, thread_ends, watch, &watch->cleanup));
  return handle;
}

/* The watch of the call's first argument, and its second one as a number; NULL when it is closed. */
static struct watch *watch_argument(napi_env env, napi_callback_info info, int32_t *number) {
  napi_value argv[2];
  size_t argc = 2;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok) return NULL;
  struct watch *watch = sluice_handle(env, argv[0]);
  if (number != NULL && argc > 1) napi_get_value_int32(env, argv[1], number);
  return watch == NULL || watch->callback == NULL ? NULL : watch;
}

static napi_value start_watch(napi_env env, napi_callback_info info) {
  int32_t events = UV_EVENT_READABLE;
  struct watch *watch = watch_argument(env, info, &events);
  return watch == NULL ? NULL : sluice_number(env, uv_poll_start(watch->poll, events, ready));
}

static napi_value stop_watch(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_argument(env, info, NULL);
  if (watch != NULL) uv_poll_stop(watch->poll);
  return NULL;
}

static napi_value ref_watch(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_argument(env, info, NULL);
  if (watch != NULL) uv_ref(watch->poll);
  return NULL;
}

static napi_value unref_watch(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_argument(env, info, NULL);
  if (watch != NULL) uv_unref(watch->poll);
  return NULL;
}

static napi_value end_watch(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_argument(env, info, NULL);
  if (watch != NULL) close_watch(watch);
  return NULL;
}

void sluice_watch_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "watch", open_watch);
  sluice_export(env, exports, "watchStart", start_watch);
  sluice_export(env, exports, "watchStop", stop_watch);
  sluice_export(env, exports, "watchRef", ref_watch);
  sluice_export(env, exports, "watchUnref", unref_watch);
  sluice_export(env, exports, "watchClose", end_watch);
}
