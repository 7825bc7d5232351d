/*
 * No-ops through liburing, as fast as C does them: the peer of our ring in bench/nop.js.
 *
 *   nop BATCH SECONDS -> {"operations": n, "seconds": s}
 */
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENTRIES = 256, WARM_UP_MS = 200, BATCHES_A_LOOK = 1000 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(const char *what, int result) {
  if (result >= 0) return;
  fprintf(stderr, "nop: %s: %s\n", what, strerror(-result));
  exit(1);
}

/* One batch: prepare, submit and wait, reap. */
static void run_batch(struct io_uring *ring, unsigned batch, unsigned long long *sum) {
  for (unsigned index = 0; index < batch; index++) {
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    io_uring_prep_nop(entry);
    io_uring_sqe_set_data64(entry, index);
  }
  check("submit", io_uring_submit_and_wait(ring, batch));
  struct io_uring_cqe *completion;
  unsigned head, seen = 0;
  io_uring_for_each_cqe(ring, head, completion) {
    *sum += completion->user_data + (unsigned)completion->res;
    seen++;
  }
  io_uring_cq_advance(ring, seen);
  if (seen != batch) check("reap", -1);
}

/* @returns operations in so many seconds; `took` is how long it was exactly */
static unsigned long long run_for(struct io_uring *ring, unsigned batch, double seconds, double *took,
                                  unsigned long long *sum) {
  unsigned long long operations = 0;
  double start = now();
  do {
    for (int look = 0; look < BATCHES_A_LOOK; look++) run_batch(ring, batch, sum);
    operations += (unsigned long long)batch * BATCHES_A_LOOK;
    *took = now() - start;
  } while (*took < seconds);
  return operations;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: nop BATCH SECONDS\n");
    return 2;
  }
  unsigned batch = (unsigned)atoi(argv[1]);
  struct io_uring ring;
  struct io_uring_params params = {
      .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
  };
  check("set-up", io_uring_queue_init_params(ENTRIES, &ring, &params));
  check("register", io_uring_register_ring_fd(&ring));
  unsigned long long sum = 0;
  double took;
  run_for(&ring, batch, WARM_UP_MS / 1000.0, &took, &sum);
  unsigned long long operations = run_for(&ring, batch, atof(argv[2]), &took, &sum);
  printf("{\"operations\": %llu, \"seconds\": %.6f, \"sum\": %llu}\n", operations, took, sum);
  io_uring_queue_exit(&ring);
  return 0;
}
