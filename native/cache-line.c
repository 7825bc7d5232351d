/*
 * Writing cache lines back to persistent memory.
 *
 *   cacheLineInstruction() -> its name, or an empty string where this processor has none that is known here
 *   flushCacheLines(address, length) writes back every line of a range and waits until it is persistent
 *
 * On memory that is mapped with MAP_SYNC this is all that durability takes: no system call.
 */
#include "sluice.h"

enum { LINE_BYTES = 64 };

#if defined(__x86_64__)
#include <cpuid.h>

enum { LEAF_FEATURES = 7, BIT_CLFLUSHOPT = 1 << 23, BIT_CLWB = 1 << 24 };

typedef enum { CLFLUSH, CLFLUSHOPT, CLWB } Kind;

static Kind kind;

/* Asked once: on a virtual machine each CPUID is an exit to the hypervisor. */
static void ask_processor(void) {
  unsigned eax, ebx = 0, ecx, edx;
  __get_cpuid_count(LEAF_FEATURES, 0, &eax, &ebx, &ecx, &edx);
  kind = ebx & BIT_CLWB ? CLWB : ebx & BIT_CLFLUSHOPT ? CLFLUSHOPT : CLFLUSH;
}

static const char *instruction(void) {
  return kind == CLWB ? "clwb" : kind == CLFLUSHOPT ? "clflushopt" : "clflush";
}

static void flush(const char *line, const char *end) {
  for (; line < end; line += LINE_BYTES) {
    if (kind == CLWB) {
      __asm__ volatile(".byte 0x66; xsaveopt %0" : "+m"(*(volatile char *)line)); /* clwb, for any assembler */
    } else if (kind == CLFLUSHOPT) {
      __asm__ volatile(".byte 0x66; clflush %0" : "+m"(*(volatile char *)line)); /* clflushopt */
    } else {
      __asm__ volatile("clflush %0" : "+m"(*(volatile char *)line));
    }
  }
  __asm__ volatile("sfence" ::: "memory");
}

#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

static bool has_persistence_point;

/* To the point of persistence where the processor knows one, else to the point of coherency, as the kernel does. */
static void ask_processor(void) {
  has_persistence_point = (getauxval(AT_HWCAP) & HWCAP_DCPOP) != 0;
}

static const char *instruction(void) {
  return has_persistence_point ? "dc cvap" : "dc cvac";
}

static void flush(const char *line, const char *end) {
  for (; line < end; line += LINE_BYTES) {
    if (has_persistence_point) {
      __asm__ volatile("sys #3, c7, c12, #1, %0" : : "r"(line) : "memory"); /* dc cvap */
    } else {
      __asm__ volatile("dc cvac, %0" : : "r"(line) : "memory");
    }
  }
  __asm__ volatile("dsb ish" ::: "memory");
}

#else

static void ask_processor(void) {}

static const char *instruction(void) {
  return "";
}

static void flush(const char *line, const char *end) {
  (void)line;
  (void)end;
}

#endif

static napi_value instruction_name(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value name;
  TRY(env, napi_create_string_utf8(env, instruction(), NAPI_AUTO_LENGTH, &name));
  return name;
}

static napi_value flush_lines(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  int64_t address, length;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(env, napi_get_value_int64(env, argv[0], &address));
  TRY(env, napi_get_value_int64(env, argv[1], &length));
  const char *start = (const char *)(intptr_t)(address & -LINE_BYTES);
  if (length > 0) flush(start, (const char *)(intptr_t)(address + length));
  return NULL;
}

void sluice_cache_line_exports(napi_env env, napi_value exports) {
  /* Each thread that loads this finds the same. */
  ask_processor();
  sluice_export(env, exports, "cacheLineInstruction", instruction_name);
  sluice_export(env, exports, "flushCacheLines", flush_lines);
}
