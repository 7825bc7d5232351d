/* The addon's face, and the few helpers that its files share. */
#include "sluice.h"

napi_value sluice_failed(napi_env env) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) {
    const napi_extended_error_info *info = NULL;
    napi_get_last_error_info(env, &info);
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                          info != NULL && info->error_message != NULL ? info->error_message : "invalid argument");
  }
  return NULL;
}

napi_value sluice_number(napi_env env, double value) {
  napi_value result;
  TRY(env, napi_create_double(env, value, &result));
  return result;
}

bool sluice_address(napi_env env, napi_value value, int64_t *address) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) != napi_ok) return false;
  if (type == napi_number) return napi_get_value_int64(env, value, address) == napi_ok;

  void *data = NULL;
  bool is = false;
  if (napi_is_typedarray(env, value, &is) == napi_ok && is) {
    if (napi_get_typedarray_info(env, value, NULL, NULL, &data, NULL, NULL) != napi_ok) return false;
  } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
    if (napi_get_arraybuffer_info(env, value, &data, NULL) != napi_ok) return false;
  } else if (napi_is_dataview(env, value, &is) == napi_ok && is) {
    if (napi_get_dataview_info(env, value, NULL, &data, NULL, NULL) != napi_ok) return false;
  } else {
    return false;
  }
  *address = (int64_t)(intptr_t)data;
  return true;
}

void *sluice_handle(napi_env env, napi_value value) {
  void *data = NULL;
  if (napi_get_value_external(env, value, &data) != napi_ok || data == NULL) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a native handle is needed");
    return NULL;
  }
  return data;
}

void sluice_export(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function) == napi_ok) {
    napi_set_named_property(env, exports, name, function);
  }
}

NAPI_MODULE_INIT() {
  sluice_syscall_exports(env, exports);
  sluice_memory_exports(env, exports);
  sluice_ring_exports(env, exports);
  sluice_watch_exports(env, exports);
  sluice_pool_exports(env, exports);
  sluice_descriptor_exports(env, exports);
  sluice_move_exports(env, exports);
  sluice_crc32c_exports(env, exports);
  sluice_cache_line_exports(env, exports);
  napi_value version;
  TRY(env, napi_create_string_utf8(env, SLUICE_VERSION, NAPI_AUTO_LENGTH, &version));
  TRY(env, napi_set_named_property(env, exports, "version", version));
  return exports;
}
