/*
 * System calls carried out elsewhere than on the calling thread, or many of them in one crossing.
 *
 *   pool(threads, capacity, jobs, completions, control, eventfd) -> handle, or -errno
 *   poolSubmit(handle, count)    hands over the next `count` entries of the job queue
 *   poolClose(handle)            waits for what is running, then ends the threads
 *   run(jobs, count)             carries out `count` jobs here and now; a result replaces its job's first two words
 *
 * A job is 64 bytes, written by TypeScript into shared memory: the system call's number, six arguments, and the
 * caller's mark. A completion is 16: the mark and the result or -errno. The caller never has more than `capacity`
 * jobs under way, so neither queue can overflow.
 */
#include "sluice.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct job {
  int64_t number;
  int64_t args[6];
  uint64_t mark;
};

struct completion {
  uint64_t mark;
  int64_t result;
};

/* Shared with src/kernel/syscall-pool.ts. */
struct control {
  uint32_t completed; /* completions written so far, wrapping */
  uint32_t notified;  /* the eventfd has been signalled and the caller has not looked since */
};

enum { THREADS_MAX = 64 };

struct pool {
  napi_env env;
  napi_ref memory[3]; /* jobs, completions, control */
  pthread_mutex_t lock;
  pthread_cond_t work;
  pthread_t threads[THREADS_MAX];
  int thread_count;
  uint32_t head, tail, mask;
  struct job *jobs;
  struct completion *completions;
  struct control *control;
  int eventfd;
  bool stop;
};

/* A job that stands for others: its arguments are their address and how many they are. */
enum { RUN_JOBS = -1 };

static int64_t carry_out(const struct job *job) {
  const int64_t *args = job->args;
  if (job->number == RUN_JOBS) {
    struct job *jobs = (void *)(intptr_t)args[0];
    for (int64_t index = 0; index < args[1]; index++) jobs[index].number = carry_out(&jobs[index]);
    return args[1];
  }
  long result = syscall(job->number, args[0], args[1], args[2], args[3], args[4], args[5]);
  return result == -1 ? -errno : result;
}

static void complete(struct pool *pool, uint64_t mark, int64_t result) {
  struct control *control = pool->control;
  pool->completions[control->completed & pool->mask] = (struct completion){mark, result};
  __atomic_store_n(&control->completed, control->completed + 1, __ATOMIC_RELEASE);
  if (__atomic_exchange_n(&control->notified, 1, __ATOMIC_ACQ_REL) == 0) {
    uint64_t one = 1;
    while (write(pool->eventfd, &one, sizeof one) == -1 && errno == EINTR) continue;
  }
}

static void *worker(void *data) {
  struct pool *pool = data;
  pthread_mutex_lock(&pool->lock);
  while (true) {
    while (pool->head == pool->tail && !pool->stop) pthread_cond_wait(&pool->work, &pool->lock);
    if (pool->stop) break;
    struct job job = pool->jobs[pool->head++ & pool->mask];
    pthread_mutex_unlock(&pool->lock);
    int64_t result = carry_out(&job);
    pthread_mutex_lock(&pool->lock);
    complete(pool, job.mark, result);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

static void thread_ends(void *data);

static void close_pool(struct pool *pool) {
  if (pool->memory[0] == NULL) return;
  napi_remove_env_cleanup_hook(pool->env, thread_ends, pool);
  pthread_mutex_lock(&pool->lock);
  pool->stop = true;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->lock);
  for (int index = 0; index < pool->thread_count; index++) pthread_join(pool->threads[index], NULL);
  for (int index = 0; index < 3; index++) {
    if (pool->memory[index] != NULL) napi_delete_reference(pool->env, pool->memory[index]);
    pool->memory[index] = NULL;
  }
}

static void thread_ends(void *data) {
  close_pool(data);
}

static void handle_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct pool *pool = data;
  close_pool(pool);
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

/* Signals are the main thread's; a pool thread takes none. */
static int start_threads(struct pool *pool, int count) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  int error = 0;
  while (pool->thread_count < count && error == 0) {
    error = pthread_create(&pool->threads[pool->thread_count], &attributes, worker, pool);
    if (error == 0) pool->thread_count++;
  }
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool->thread_count > 0 ? 0 : -error; /* fewer threads than asked for still do the work */
}

static napi_value open_pool(napi_env env, napi_callback_info info) {
  napi_value argv[6], handle;
  size_t argc = 6;
  int32_t threads, eventfd;
  uint32_t capacity;
  int64_t addresses[3];
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(env, napi_get_value_int32(env, argv[0], &threads));
  TRY(env, napi_get_value_uint32(env, argv[1], &capacity));
  for (int index = 0; index < 3; index++) {
    if (!sluice_address(env, argv[2 + index], &addresses[index])) return sluice_failed(env);
  }
  TRY(env, napi_get_value_int32(env, argv[5], &eventfd));
  if (threads < 1 || threads > THREADS_MAX || capacity == 0 || (capacity & (capacity - 1)) != 0) {
    return sluice_number(env, -EINVAL);
  }

  struct pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return sluice_number(env, -ENOMEM);
  pool->env = env;
  pool->mask = capacity - 1;
  pool->jobs = (void *)(intptr_t)addresses[0];
  pool->completions = (void *)(intptr_t)addresses[1];
  pool->control = (void *)(intptr_t)addresses[2];
  pool->eventfd = eventfd;
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->work, NULL);
  for (int index = 0; index < 3; index++) {
    TRY(env, napi_create_reference(env, argv[2 + index], 1, &pool->memory[index]));
  }
  int error = start_threads(pool, threads);
  TRY(env, napi_add_env_cleanup_hook(env, thread_ends, pool));
  TRY(env, napi_create_external(env, pool, handle_gone, NULL, &handle));
  return error == 0 ? handle : sluice_number(env, error);
}

static napi_value submit(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  uint32_t count;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  struct pool *pool = sluice_handle(env, argv[0]);
  if (pool == NULL) return NULL;
  TRY(env, napi_get_value_uint32(env, argv[1], &count));
  pthread_mutex_lock(&pool->lock);
  pool->tail += count;
  if (count == 1) {
    pthread_cond_signal(&pool->work);
  } else {
    pthread_cond_broadcast(&pool->work);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

static napi_value end_pool(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  size_t argc = 1;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  struct pool *pool = sluice_handle(env, argv[0]);
  if (pool != NULL) close_pool(pool);
  return NULL;
}

static napi_value run(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  int64_t address;
  uint32_t count;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  if (!sluice_address(env, argv[0], &address)) return sluice_failed(env);
  TRY(env, napi_get_value_uint32(env, argv[1], &count));
  struct job *jobs = (void *)(intptr_t)address;
  for (uint32_t index = 0; index < count; index++) jobs[index].number = carry_out(&jobs[index]);
  return NULL;
}

void sluice_pool_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "pool", open_pool);
  sluice_export(env, exports, "poolSubmit", submit);
  sluice_export(env, exports, "poolClose", end_pool);
  sluice_export(env, exports, "run", run);
}
