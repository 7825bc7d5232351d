/*
 * One door to every system call. Which number, which arguments and what they mean is kernel/'s business.
 *
 *   syscall(number, ...up to six numbers, ArrayBuffers or views) -> result, or -errno
 *   addressOf(buffer) -> the address of its first byte
 */
#include "sluice.h"

#include <errno.h>
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

void sluice_syscall_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "syscall", call);
  sluice_export(env, exports, "addressOf", address_of);
}
