/*
 * io_uring_enter(2), once a batch, and the guard of a ring whose thread ends.
 *
 *   ring(control, queues, kept) -> { address, close(), move(queues) }
 *   chosen: an ArrayBuffer for one address of a ring
 *   enter(): enters that ring
 *
 * `control` is the memory through which TypeScript speaks to enter() without passing a single argument, and `chosen`
 * says to which ring, so that one function serves them all; `queues` tells where the heads, tails and entries are.
 * When a worker or the process ends, nobody reaps any more, but the kernel may still be writing into buffers that are
 * about to be freed: the guard cancels everything, waits until nothing is in flight, and closes the descriptor. `kept` is
 * an object that holds whatever memory the kernel knows of by itself, and lives until then: finalizers run in any order.
 */
#include "sluice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The layout that src/ring/control.ts knows as well. */
struct control {
  int32_t to_submit;
  int32_t min_complete;
  uint32_t flags; /* of every call; GETEVENTS comes by itself where something is waited for */
  int32_t result;
  int32_t enter_fd; /* the descriptor, or its index when the ring is registered with itself */
  int32_t fd;
  uint32_t ended; /* entries whose last completion has been reaped, wrapping as the queue's tail does */
  uint32_t kind;  /* KIND_ bits */
  struct {
    uint64_t sigmask;
    uint32_t sigmask_size;
    uint32_t min_wait_usec;
    uint64_t timespec;
  } argument;
  uint64_t enters; /* how often the system call was made */
  int64_t seconds;
  int64_t nanoseconds;
};

/* The layout of the second argument: addresses as doubles. */
enum {
  QUEUE_SQ_HEAD,
  QUEUE_SQ_TAIL,
  QUEUE_CQ_HEAD,
  QUEUE_CQ_TAIL,
  QUEUE_CQES,
  QUEUE_CQ_MASK,
  QUEUE_CQE_SIZE,
  QUEUE_SQES,
  QUEUE_SQ_MASK,
  QUEUE_SQE_SIZE
};

struct entry {
  uint8_t opcode, flags;
  uint16_t priority;
  int32_t fd;
  uint64_t offset, address;
  uint32_t length, operation_flags;
  uint64_t user_data, rest[3];
};

struct completion {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
};

enum {
  KIND_POLLED = 1 << 0,   /* a kernel thread takes the entries */
  KIND_MESSAGES = 1 << 1, /* other rings post completions that end nothing of this one's */
  ENTER_GETEVENTS = 1 << 0,
  ENTER_SQ_WAKEUP = 1 << 1,
  ENTER_EXT_ARG = 1 << 3,
  ENTER_REGISTERED_RING = 1 << 4,
  ENTER_EXT_ARG_REG = 1 << 6,
  ENTRY_DRAIN = 1 << 1,
  COMPLETION_MORE = 1 << 1,
  COMPLETION_SKIP = 1 << 5,
  COMPLETION_32 = 1 << 15,
  UNREGISTER_RING_FDS = 21,
  REGISTER_SYNC_CANCEL = 24,
  CANCEL_ALL = 1 << 0,
  CANCEL_ANY = 1 << 2,
  GUARD_SECONDS = 10,
  WAIT_BYTES = 64 /* struct io_uring_reg_wait */
};

/* User data that TypeScript gives to nothing. */
#define DRAIN UINT64_MAX

struct ring {
  napi_env env;
  napi_ref memory[2]; /* the control block and what is kept */
  struct control *control;
  uint32_t *sq_head, *sq_tail, *cq_head, *cq_tail;
  uint8_t *entries, *completions;
  uint32_t entry_mask, mask;
  uint32_t entry_size, completion_size;
  bool open;
  enum { COUNTING, DRAINING, DRAINED, NO_DRAIN } end; /* how it is known that nothing is in flight */
};

static long enter_kernel(const struct control *control, uint32_t submit, uint32_t wait, uint32_t flags) {
  bool registered = (flags & ENTER_EXT_ARG_REG) != 0;
  bool extended = !registered && (flags & ENTER_EXT_ARG) != 0;
  const void *argument = extended ? &control->argument : NULL; /* of what is registered: its offset, 0 */
  size_t size = registered ? WAIT_BYTES : extended ? sizeof control->argument : 0;
  long result = syscall(SYS_io_uring_enter, control->enter_fd, submit, wait, flags, argument, size);
  return result == -1 ? -errno : result;
}

static uint32_t ready(const struct ring *ring) {
  return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) - *ring->cq_head;
}

static long enter_kernel_counted(struct control *control, uint32_t submit, uint32_t wait, uint32_t flags) {
  control->enters++;
  return enter_kernel(control, submit, wait, flags);
}

/* After a first `result` that was not all: goes on until everything is done, an error comes, or nothing moves. */
static int32_t go_on(struct ring *ring, long result, uint32_t left, uint32_t wait, uint32_t flags) {
  int32_t consumed = 0;
  while (true) {
    if (result < 0 && result != -EINTR) return consumed > 0 ? consumed : (int32_t)result;
    if (result > 0) {
      consumed += (int32_t)result;
      left -= (uint32_t)result;
    }
    if ((flags & ENTER_EXT_ARG) != 0 || (result == 0 && left > 0)) return consumed;
    if (left == 0 && ready(ring) >= wait) return consumed;
    result = enter_kernel_counted(ring->control, left, wait, flags);
  }
}

/*
 * Submits and waits; after a signal again, unless the wait is limited. Answers what was consumed; an error after some
 * was is left for the next call to find.
 */
static int32_t submit_and_wait(struct ring *ring) {
  struct control *control = ring->control;
  uint32_t submit = control->to_submit, wait = control->min_complete;
  uint32_t flags = control->flags | (wait == 0 ? 0 : ENTER_GETEVENTS);
  /* The kernel cuts a greater wait likewise, and would come back at once, for ever. */
  if (wait > ring->mask) wait = ring->mask + 1;
  if (submit == 0 && wait > 0 && ready(ring) >= wait) return 0;
  long result = enter_kernel_counted(control, submit, wait, flags);
  if (result == (long)submit && ready(ring) >= wait) return (int32_t)result;
  return go_on(ring, result, submit, wait, flags);
}

static napi_value enter(napi_env env, napi_callback_info info) {
  const double *chosen = NULL;
  if (napi_get_cb_info(env, info, NULL, NULL, NULL, (void **)&chosen) != napi_ok) return sluice_failed(env);
  struct ring *ring = (struct ring *)(intptr_t)*chosen;
  ring->control->result = ring->open ? submit_and_wait(ring) : -EBADF;
  return NULL;
}

static int32_t in_flight(const struct ring *ring) {
  return (int32_t)(*ring->sq_tail - ring->control->ended);
}

static uint32_t unconsumed(const struct ring *ring) {
  return *ring->sq_tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
}

static bool late(const struct timespec *start) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec - start->tv_sec >= GUARD_SECONDS;
}

static void drop_entries(struct ring *ring) {
  __atomic_store_n(ring->sq_tail, __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
}

/*
 * What was published but never consumed will not start. A kernel thread, though, may be taking it just now, and says
 * so only afterwards: it takes all, and what it started is cancelled.
 */
static void stop_intake(struct ring *ring, const struct timespec *start) {
  struct control *control = ring->control;
  uint32_t flags = ENTER_SQ_WAKEUP | (control->flags & ENTER_REGISTERED_RING);
  struct timespec pause = {.tv_nsec = 50 * 1000};
  while ((control->kind & KIND_POLLED) != 0 && unconsumed(ring) > 0 && !late(start)) {
    if (enter_kernel(control, 0, 0, flags) < 0) break; /* disabled, or its thread is dead */
    nanosleep(&pause, NULL);
  }
  drop_entries(ring);
}

/* Cancelling everything may cancel it too; then it is begun again. */
static void drain_ends(struct ring *ring, int32_t result) {
  ring->end = result == 0 ? DRAINED : result == -ECANCELED ? COUNTING : NO_DRAIN;
}

/* Counts and drops what has completed; a completion that announces more does not end its request. */
static void drop_completions(struct ring *ring) {
  uint32_t head = *ring->cq_head;
  uint32_t tail = __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);
  for (; head != tail; head++) {
    const struct completion *completion =
        (const void *)(ring->completions + (size_t)(head & ring->mask) * ring->completion_size);
    if (completion->user_data == DRAIN) drain_ends(ring, completion->result);
    if ((completion->flags & (COMPLETION_MORE | COMPLETION_SKIP)) == 0) ring->control->ended++;
    /* Among those of 16 bytes, one of 32 takes two places. */
    if ((completion->flags & COMPLETION_32) != 0 && ring->completion_size == sizeof *completion) head++;
  }
  __atomic_store_n(ring->cq_head, head, __ATOMIC_RELEASE);
}

/*
 * Where messages of other rings are among the completions, counting them tells nothing; an operation that starts only
 * after all others have ended does. Where it is refused, counting is all there is.
 */
static void begin_drain(struct ring *ring) {
  struct control *control = ring->control;
  if (ring->end != COUNTING) return;
  ring->end = NO_DRAIN;
  if ((control->kind & KIND_MESSAGES) == 0) return;
  uint32_t tail = *ring->sq_tail;
  struct entry *entry = (void *)(ring->entries + (size_t)(tail & ring->entry_mask) * ring->entry_size);
  *entry = (struct entry){.flags = ENTRY_DRAIN, .fd = -1, .user_data = DRAIN};
  __atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_SEQ_CST);
  uint32_t wake = (control->kind & KIND_POLLED) != 0 ? ENTER_SQ_WAKEUP : 0;
  if (enter_kernel(control, 1, 0, wake | (control->flags & ENTER_REGISTERED_RING)) >= 0) {
    ring->end = DRAINING;
  } else {
    drop_entries(ring);
  }
}

static bool busy(const struct ring *ring) {
  return ring->end == NO_DRAIN ? in_flight(ring) > 0 : ring->end != DRAINED;
}

static void cancel_everything(struct ring *ring) {
  struct {
    uint64_t address;
    int32_t fd;
    uint32_t flags;
    int64_t seconds, nanoseconds;
    uint8_t opcode, pad[7];
    uint64_t pad2[3];
  } cancel = {.fd = -1, .flags = CANCEL_ALL | CANCEL_ANY, .seconds = 0, .nanoseconds = 100 * 1000 * 1000};
  syscall(SYS_io_uring_register, ring->control->fd, REGISTER_SYNC_CANCEL, &cancel, 1);
}

/* The descriptor is registered with this thread as well: that reference must go too, or the ring stays. */
static void unregister_self(const struct control *control) {
  if (control->enter_fd == control->fd) return;
  struct {
    uint32_t offset, reserved;
    uint64_t data;
  } update = {.offset = (uint32_t)control->enter_fd};
  syscall(SYS_io_uring_register, control->fd, UNREGISTER_RING_FDS, &update, 1);
}

/*
 * Cancels everything, waits until nothing is in flight, closes the descriptor; answers how many requests are in
 * flight still. `force` closes even then: the thread ends and nobody could come back.
 */
static int32_t close_ring(struct ring *ring, bool force) {
  struct control *control = ring->control;
  if (!ring->open) return 0;
  struct timespec start, slice = {.tv_nsec = 50 * 1000 * 1000};
  uint64_t own_time = control->argument.timespec;
  clock_gettime(CLOCK_MONOTONIC, &start);
  stop_intake(ring, &start);
  drop_completions(ring);
  begin_drain(ring);
  while (busy(ring) && !late(&start)) {
    cancel_everything(ring);
    begin_drain(ring);
    control->argument.sigmask = 0;
    control->argument.sigmask_size = 0;
    control->argument.min_wait_usec = 0;
    control->argument.timespec = (uint64_t)(uintptr_t)&slice;
    enter_kernel(control, 0, 1, ENTER_GETEVENTS | ENTER_EXT_ARG | (control->flags & ENTER_REGISTERED_RING));
    drop_completions(ring);
  }
  control->argument.timespec = own_time;
  if (busy(ring) && !force) return in_flight(ring) > 0 ? in_flight(ring) : 1;
  ring->open = false;
  unregister_self(control);
  close(control->fd);
  return 0;
}

static void thread_ends(void *data) {
  close_ring(data, true);
}

static void forget(struct ring *ring) {
  for (int index = 0; index < 2; index++) {
    if (ring->memory[index] != NULL) napi_delete_reference(ring->env, ring->memory[index]);
    ring->memory[index] = NULL;
  }
}

static napi_value end(napi_env env, napi_callback_info info) {
  struct ring *ring = NULL;
  if (napi_get_cb_info(env, info, NULL, NULL, NULL, (void **)&ring) != napi_ok) return sluice_failed(env);
  int32_t left = close_ring(ring, false);
  if (left == 0) napi_remove_env_cleanup_hook(env, thread_ends, ring);
  return sluice_number(env, left);
}

/* The object that holds its functions is collected: a ring nobody can reach is closed with the guard's care. */
static void handle_gone(napi_env env, void *data, void *hint) {
  (void)hint;
  struct ring *ring = data;
  if (ring->open) {
    napi_remove_env_cleanup_hook(env, thread_ends, ring);
    close_ring(ring, true);
  }
  forget(ring);
  free(ring);
}

static bool set_queues(napi_env env, struct ring *ring, napi_value queues) {
  int64_t address;
  if (!sluice_address(env, queues, &address)) return false;
  const double *words = (const void *)(intptr_t)address;
  ring->sq_head = (uint32_t *)(uintptr_t)words[QUEUE_SQ_HEAD];
  ring->sq_tail = (uint32_t *)(uintptr_t)words[QUEUE_SQ_TAIL];
  ring->cq_head = (uint32_t *)(uintptr_t)words[QUEUE_CQ_HEAD];
  ring->cq_tail = (uint32_t *)(uintptr_t)words[QUEUE_CQ_TAIL];
  ring->completions = (uint8_t *)(uintptr_t)words[QUEUE_CQES];
  ring->mask = (uint32_t)words[QUEUE_CQ_MASK];
  ring->completion_size = (uint32_t)words[QUEUE_CQE_SIZE];
  ring->entries = (uint8_t *)(uintptr_t)words[QUEUE_SQES];
  ring->entry_mask = (uint32_t)words[QUEUE_SQ_MASK];
  ring->entry_size = (uint32_t)words[QUEUE_SQE_SIZE];
  return true;
}

/* move(queues): the ring has been resized and its queues stand elsewhere. */
static napi_value move(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  size_t argc = 1;
  struct ring *ring = NULL;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, (void **)&ring));
  return set_queues(env, ring, argv[0]) ? NULL : sluice_failed(env);
}

static napi_status add_method(napi_env env, napi_value handle, const char *name, napi_callback method, void *data) {
  napi_value function;
  napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, method, data, &function);
  return status == napi_ok ? napi_set_named_property(env, handle, name, function) : status;
}

static napi_value open_ring(napi_env env, napi_callback_info info) {
  napi_value argv[3], handle, address;
  size_t argc = 3;
  int64_t control;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  if (!sluice_address(env, argv[0], &control)) return sluice_failed(env);

  struct ring *ring = calloc(1, sizeof *ring);
  if (ring == NULL) return sluice_number(env, -ENOMEM);
  ring->env = env;
  ring->control = (void *)(intptr_t)control;
  if (!set_queues(env, ring, argv[1])) {
    free(ring);
    return sluice_failed(env);
  }
  TRY(env, napi_create_object(env, &handle));
  TRY(env, napi_wrap(env, handle, ring, handle_gone, NULL, NULL)); /* owns it from here on */
  TRY(env, napi_create_reference(env, argv[0], 1, &ring->memory[0]));
  TRY(env, napi_create_reference(env, argv[2], 1, &ring->memory[1]));
  TRY(env, napi_create_double(env, (double)(intptr_t)ring, &address));
  TRY(env, napi_set_named_property(env, handle, "address", address));
  TRY(env, add_method(env, handle, "close", end, ring));
  TRY(env, add_method(env, handle, "move", move, ring));
  TRY(env, napi_add_env_cleanup_hook(env, thread_ends, ring));
  ring->open = true;
  return handle;
}

void sluice_ring_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "ring", open_ring);
  napi_value buffer;
  napi_ref kept; /* as long as the environment */
  void *chosen = NULL;
  if (napi_create_arraybuffer(env, sizeof(double), &chosen, &buffer) != napi_ok) return;
  if (napi_create_reference(env, buffer, 1, &kept) != napi_ok) return;
  napi_set_named_property(env, exports, "chosen", buffer);
  add_method(env, exports, "enter", enter, chosen);
}
