/*
 * System calls carried out elsewhere than on the calling thread, or many of them in one crossing.
 *
 *   pool(threads, capacity, jobs, completions, control, eventfd) -> handle, or -errno
 *   poolSubmit(handle, count)    hands over the next `count` entries of the job queue
 *   poolInterrupt(handle, mark)  a signal for the thread that carries out that job: what waits ends with EINTR
 *   poolClose(handle)            waits for what is running, then ends the threads
 *   run(jobs, count)             carries out `count` jobs here and now; a result replaces its job's first two words,
 *                                and an argument may stand for an earlier job's result
 *
 * A job is 64 bytes, written by TypeScript into shared memory: the system call's number, six arguments, and the
 * caller's mark. A completion is 16: the mark and the result or -errno. The caller never has more than `capacity`
 * jobs under way, so neither queue can overflow.
 */
#include "sluice.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
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

enum { THREADS_MAX = 64, GRACE_MS = 100, INSIST_MS = 10 };

/* Nothing else in a Node process uses it; its handler does nothing, so that a system call that waits is left. */
#define INTERRUPT (SIGRTMAX - 2)

struct worker {
  struct pool *pool;
  pthread_t thread;
  uint64_t mark; /* of the job it carries out */
  bool busy;
};

struct pool {
  napi_env env;
  napi_ref memory[3]; /* jobs, completions, control */
  pthread_mutex_t lock;
  pthread_cond_t work;
  pthread_cond_t over; /* a thread has ended */
  struct worker workers[THREADS_MAX];
  int thread_count;
  int alive;
  uint32_t idle; /* threads that wait for work and have not been called */
  uint32_t head, tail, mask;
  struct job *jobs;
  struct completion *completions;
  struct control *control;
  int eventfd; /* our own, closed after the threads: else a late signal would go to whatever has its number by then */
  bool stop;
};

/* A job that stands for others: its arguments are their address and how many they are. */
enum { RUN_JOBS = -1 };

/* An argument of a job among others that stands for the result of an earlier one: this less the earlier's index. */
#define RESULT_OF (-((int64_t)1 << 52))
enum { JOBS_MAX = 65536 };

static int64_t carry_out(const struct job *job);

/* A result replaces its job's number. A job that needs the result of one that failed is not carried out. */
static void run_jobs(struct job *jobs, int64_t count) {
  for (int64_t index = 0; index < count; index++) {
    struct job job = jobs[index];
    bool able = true;
    for (int each = 0; each < 6; each++) {
      int64_t earlier = RESULT_OF - job.args[each];
      if (earlier < 0 || earlier >= JOBS_MAX) continue;
      able = able && earlier < index && jobs[earlier].number >= 0;
      if (able) job.args[each] = jobs[earlier].number;
    }
    jobs[index].number = able ? carry_out(&job) : -ECANCELED;
  }
}

static int64_t carry_out(const struct job *job) {
  const int64_t *args = job->args;
  if (job->number == RUN_JOBS) {
    run_jobs((void *)(intptr_t)args[0], args[1]);
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

static void *work(void *data) {
  struct worker *worker = data;
  struct pool *pool = worker->pool;
  pthread_mutex_lock(&pool->lock);
  while (true) {
    while (pool->head == pool->tail && !pool->stop) {
      pool->idle++;
      pthread_cond_wait(&pool->work, &pool->lock);
    }
    if (pool->stop) break;
    struct job job = pool->jobs[pool->head++ & pool->mask];
    worker->mark = job.mark;
    worker->busy = true;
    pthread_mutex_unlock(&pool->lock);
    int64_t result = carry_out(&job);
    pthread_mutex_lock(&pool->lock);
    worker->busy = false;
    complete(pool, job.mark, result);
  }
  pool->alive--;
  pthread_cond_signal(&pool->over);
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

/*
 * With the lock held, the thread is in its system call or waits for the lock: the signal ends the one, or is over
 * before the next job. It can come just before the call and be lost, so that whoever insists must repeat it.
 */
static bool interrupt_workers(struct pool *pool, bool all, uint64_t mark) {
  bool found = false;
  for (int index = 0; index < pool->thread_count; index++) {
    struct worker *worker = &pool->workers[index];
    if (!worker->busy || (!all && worker->mark != mark)) continue;
    pthread_kill(worker->thread, INTERRUPT);
    found = true;
  }
  return found;
}

static void wait_for_end(struct pool *pool, int milliseconds) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += milliseconds * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_cond_timedwait(&pool->over, &pool->lock, &until);
}

/* Ends the threads. A job that waits for ever (the open of a FIFO) is interrupted: nobody is left to hear of it. */
static void end_threads(struct pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->stop = true;
  pthread_cond_broadcast(&pool->work);
  for (int waited = 0; pool->alive > 0 && waited < GRACE_MS; waited += INSIST_MS) wait_for_end(pool, INSIST_MS);
  while (pool->alive > 0) {
    interrupt_workers(pool, true, 0);
    wait_for_end(pool, INSIST_MS);
  }
  pthread_mutex_unlock(&pool->lock);
  for (int index = 0; index < pool->thread_count; index++) pthread_join(pool->workers[index].thread, NULL);
}

static void thread_ends(void *data);

static void close_pool(struct pool *pool) {
  if (pool->memory[0] == NULL) return;
  napi_remove_env_cleanup_hook(pool->env, thread_ends, pool);
  end_threads(pool);
  close(pool->eventfd);
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
  pthread_cond_destroy(&pool->over);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

static void ignore(int signal) {
  (void)signal;
}

/* Signals are the main thread's; a pool thread takes none but the one that interrupts it. */
static int start_threads(struct pool *pool, int count) {
  struct sigaction action = {.sa_handler = ignore}; /* without SA_RESTART */
  sigaction(INTERRUPT, &action, NULL);
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, INTERRUPT);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  int error = 0;
  pthread_mutex_lock(&pool->lock);
  while (pool->thread_count < count && error == 0) {
    struct worker *worker = &pool->workers[pool->thread_count];
    worker->pool = pool;
    error = pthread_create(&worker->thread, &attributes, work, worker);
    if (error == 0) pool->thread_count++;
  }
  pool->alive = pool->thread_count;
  pthread_mutex_unlock(&pool->lock);
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
  pool->eventfd = fcntl(eventfd, F_DUPFD_CLOEXEC, 0);
  if (pool->eventfd < 0) {
    free(pool);
    return sluice_number(env, -errno);
  }
  pool->env = env;
  pool->mask = capacity - 1;
  pool->jobs = (void *)(intptr_t)addresses[0];
  pool->completions = (void *)(intptr_t)addresses[1];
  pool->control = (void *)(intptr_t)addresses[2];
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->work, NULL);
  pthread_condattr_t by_monotonic_clock;
  pthread_condattr_init(&by_monotonic_clock);
  pthread_condattr_setclock(&by_monotonic_clock, CLOCK_MONOTONIC);
  pthread_cond_init(&pool->over, &by_monotonic_clock);
  pthread_condattr_destroy(&by_monotonic_clock);
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
  /* One thread a job, and none in vain: calling all of them for two jobs makes the rest fight over the lock. */
  for (; count > 0 && pool->idle > 0; count--) {
    pool->idle--;
    pthread_cond_signal(&pool->work);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

static napi_value interrupt(napi_env env, napi_callback_info info) {
  napi_value argv[2], result;
  size_t argc = 2;
  int64_t mark;
  TRY(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  struct pool *pool = sluice_handle(env, argv[0]);
  if (pool == NULL) return NULL;
  TRY(env, napi_get_value_int64(env, argv[1], &mark));
  pthread_mutex_lock(&pool->lock);
  bool found = interrupt_workers(pool, false, (uint64_t)mark);
  pthread_mutex_unlock(&pool->lock);
  TRY(env, napi_get_boolean(env, found, &result));
  return result;
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
  run_jobs((void *)(intptr_t)address, count);
  return NULL;
}

void sluice_pool_exports(napi_env env, napi_value exports) {
  sluice_export(env, exports, "pool", open_pool);
  sluice_export(env, exports, "poolSubmit", submit);
  sluice_export(env, exports, "poolInterrupt", interrupt);
  sluice_export(env, exports, "poolClose", end_pool);
  sluice_export(env, exports, "run", run);
}
