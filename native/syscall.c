/*
 * One door to every system call. Which number, which arguments and what they mean is kernel/'s business.
 *
 *   syscall(number, ...up to six numbers, ArrayBuffers or views) -> result, or -errno
 *   addressOf(buffer) -> the address of its first byte
 *   copyFrom(address, bytes) fills the Uint8Array with what lies at an address
 */
#include "sluice.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static napi_value call(napi_env env, napi_callback_info info) {
  napi_value argv[7];
  size_t argc = 7;
  int64_t args[7] = {0};
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  if (argc > 7) argc = 7;
  for (size_t index = 0; index < argc; index++) {
    if (!sluice_address(env, argv[index], &args[index])) {
      napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a system call takes numbers, ArrayBuffers and views");
      return NULL;
    }
  }
  long result = syscall(args[0], args[1], args[2], args[3], args[4], args[5], args[6]);
  return sluice_number(env, result == -1 ? -errno : (double)result);
}

static napi_value address_of(napi_env env, napi_callback_info info) {
  napi_value buffer;
  size_t argc = 1;
  int64_t address = 0;
  TRY(env, napi_get_cb_info(env, info, &argc, &buffer, NULL, NULL));
  if (argc < 1 || !sluice_address(env, buffer, &address)) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "an ArrayBuffer or a view is needed");
    return NULL;
  }
  return sluice_number(env, (double)address);
}

static napi_value copy_from(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2, length = 0;
  int64_t source = 0;
  void *target = NULL;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(env, napi_get_value_int64(env, argv[0], &source));
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, argv[1], &type, &length, &target, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a Uint8Array is needed");
    return NULL;
  }
  if (length > 0) memcpy(target, (const void *)(intptr_t)source, length);
  return NULL;
}

void sluice_syscall_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "syscall", call);
  sluice_export(env, exports, "addressOf", address_of);
  sluice_export(env, exports, "copyFrom", copy_from);
}
