/*
 * CRC-32C (Castagnoli), by the processor's own instruction where it has one.
 *
 *   crc32c(view, seed) -> the checksum; seed is that of what came before, 0 at the beginning
 *   crc32cRows(view, rows, count, store) -> rows carried out
 *
 * A row is four 32-bit words: offset and length of a range of the view, the offset of its little-endian checksum, and
 * the seed. With `store` the checksums are written, one after the other, so that a later range may include an earlier
 * checksum; without, they are compared, and the count ends at the first that differs. A row that leaves the view ends
 * the count too.
 */
#include "sluice.h"

#include <errno.h>
#include <string.h>

#if defined(__x86_64__)
#define TARGET __attribute__((target("sse4.2")))
#define STEP_8(crc, word) ((uint32_t)__builtin_ia32_crc32di((crc), (word)))
#define STEP_1(crc, byte) __builtin_ia32_crc32qi((crc), (byte))
static bool has_instruction(void) {
  return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#if defined(__clang__)
#define TARGET __attribute__((target("crc")))
#else
#define TARGET __attribute__((target("+crc")))
#endif
#define STEP_8(crc, word) __crc32cd((crc), (word))
#define STEP_1(crc, byte) __crc32cb((crc), (byte))
static bool has_instruction(void) {
  return (getauxval(AT_HWCAP) & (1 << 7)) != 0; /* HWCAP_CRC32 */
}
#endif

/* What four bits contribute. Small, since hardly any machine comes this way. */
static const uint32_t nibbles[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t by_table(uint32_t crc, const uint8_t *bytes, size_t length) {
  for (size_t index = 0; index < length; index++) {
    crc ^= bytes[index];
    crc = (crc >> 4) ^ nibbles[crc & 15];
    crc = (crc >> 4) ^ nibbles[crc & 15];
  }
  return crc;
}

#ifdef TARGET
TARGET static uint32_t by_instruction(uint32_t crc, const uint8_t *bytes, size_t length) {
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    crc = STEP_8(crc, word);
  }
  for (; length > 0; bytes++, length--) crc = STEP_1(crc, *bytes);
  return crc;
}
#endif

static uint32_t checksum(const uint8_t *bytes, size_t length, uint32_t seed) {
#ifdef TARGET
  if (has_instruction()) return ~by_instruction(~seed, bytes, length);
#endif
  return ~by_table(~seed, bytes, length);
}

static bool view_info(napi_env env, napi_value view, uint8_t **bytes, size_t *length) {
  void *data = NULL;
  napi_value buffer;
  size_t offset, count;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, view, &type, &count, &data, &buffer, &offset) != napi_ok) return false;
  *bytes = data;
  *length = type == napi_uint32_array ? count * 4 : count;
  return type == napi_uint32_array || type == napi_uint8_array;
}

static napi_value crc32c(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2, length;
  uint8_t *bytes;
  uint32_t seed;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  if (!view_info(env, argv[0], &bytes, &length)) return sluice_failed(env);
  TRY(env, napi_get_value_uint32(env, argv[1], &seed));
  return sluice_number(env, checksum(bytes, length, seed));
}

struct row {
  uint32_t offset, length, at, seed;
};

static bool lies_within(uint64_t offset, uint64_t length, size_t size) {
  return offset + length <= size;
}

static napi_value crc32c_rows(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  size_t argc = 4, length, size;
  uint8_t *bytes, *table;
  uint32_t count, done = 0;
  bool store;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  if (!view_info(env, argv[0], &bytes, &length) || !view_info(env, argv[1], &table, &size)) return sluice_failed(env);
  TRY(env, napi_get_value_uint32(env, argv[2], &count));
  TRY(env, napi_get_value_bool(env, argv[3], &store));
  if (count > size / sizeof(struct row)) count = (uint32_t)(size / sizeof(struct row));
  for (; done < count; done++) {
    struct row row;
    memcpy(&row, table + done * sizeof row, sizeof row);
    if (!lies_within(row.offset, row.length, length) || !lies_within(row.at, 4, length)) break;
    uint32_t crc = checksum(bytes + row.offset, row.length, row.seed);
    if (store) {
      memcpy(bytes + row.at, &crc, sizeof crc);
    } else if (memcmp(bytes + row.at, &crc, sizeof crc) != 0) {
      break;
    }
  }
  return sluice_number(env, done);
}

void sluice_crc32c_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "crc32c", crc32c);
  sluice_export(env, exports, "crc32cRows", crc32c_rows);
}
