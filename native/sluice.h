/*
 * The kernel boundary: what every file of native/ shares.
 *
 * No policy lives here. TypeScript decides, C only carries out what TypeScript cannot say: a system call, an
 * address, memory seen as an ArrayBuffer, a wait on libuv's loop, a thread. An addon is loaded once for every
 * worker, so no file keeps static state: what must be kept hangs on a handle, and a clean-up hook ends it.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the function with a JavaScript exception when a Node-API call fails. */
#define TRY(env, call)                                 \
  do {                                                 \
    if ((call) != napi_ok) return sluice_failed(env);  \
  } while (0)

napi_value sluice_failed(napi_env env);
napi_value sluice_number(napi_env env, double value);

/* The address of a number (taken as it is), an ArrayBuffer or a view's first byte; false for anything else. */
bool sluice_address(napi_env env, napi_value value, int64_t *address);

/* What napi_get_value_external gives, or NULL with an exception pending. */
void *sluice_handle(napi_env env, napi_value value);

void sluice_syscall_exports(napi_env env, napi_value exports);
void sluice_memory_exports(napi_env env, napi_value exports);
void sluice_ring_exports(napi_env env, napi_value exports);
void sluice_watch_exports(napi_env env, napi_value exports);
void sluice_pool_exports(napi_env env, napi_value exports);
void sluice_cache_line_exports(napi_env env, napi_value exports);
void sluice_crc32c_exports(napi_env env, napi_value exports);
void sluice_descriptor_exports(napi_env env, napi_value exports);
void sluice_move_exports(napi_env env, napi_value exports);

void sluice_export(napi_env env, napi_value exports, const char *name, napi_callback callback);

#endif
