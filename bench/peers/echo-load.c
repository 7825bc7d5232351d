/*
 * The load for bench/echo.js: keeps many connections to an echo server busy and times every answer.
 *
 *   echo-load PORT CONNECTIONS BYTES SECONDS RATE
 *     RATE 0: closed loop, each connection sends anew when its answer is complete
 *     RATE n: open loop, n requests a second in all, timed from when each was due, sent or not
 *   -> {"echoes": n, "seconds": s, "cpuSeconds": s, "p50Us": t, "p99Us": t, "p999Us": t, "maxUs": t}
 *
 * On a ring, so that a core of load outruns a core of server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { ENTRIES = 4096, PENDING = 4096, RECEIVE_BYTES = 65536, WARM_UP_MS = 300 };
enum { SUB_BUCKETS = 64, BUCKETS = 40 * SUB_BUCKETS };
enum { RECEIVED = 0, SENT = 1 };

struct connection {
  int fd;
  char *buffer;
  size_t partial;                 /* bytes of the answer that is under way */
  double due[PENDING];            /* when the requests under way were due, oldest first */
  unsigned first, pending;
};

static struct io_uring ring;
static struct connection *connections;
static char *message;
static size_t message_bytes;
static unsigned long long histogram[BUCKETS], echoes;
static double slowest, measure_from;
static bool open_loop, over;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(const char *what, int result) {
  if (result >= 0) return;
  fprintf(stderr, "echo-load: %s: %s\n", what, strerror(result == -1 ? errno : -result));
  exit(1);
}

/* Log-linear: 64 steps to every doubling of nanoseconds. */
static unsigned bucket_of(double seconds) {
  unsigned long long ns = (unsigned long long)(seconds * 1e9);
  if (ns < SUB_BUCKETS) return (unsigned)ns;
  unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - 6;
  unsigned index = (shift + 1) * SUB_BUCKETS + (unsigned)(ns >> shift) - SUB_BUCKETS;
  return index < BUCKETS ? index : BUCKETS - 1;
}

static double bucket_us(unsigned index) {
  if (index < SUB_BUCKETS) return index / 1e3;
  unsigned shift = index / SUB_BUCKETS - 1;
  return (double)((unsigned long long)(index % SUB_BUCKETS + SUB_BUCKETS) << shift) / 1e3;
}

static double quantile(double part) {
  unsigned long long wanted = (unsigned long long)((double)echoes * part), seen = 0;
  for (unsigned index = 0; index < BUCKETS; index++) {
    seen += histogram[index];
    if (seen > wanted) return bucket_us(index);
  }
  return slowest * 1e6;
}

static struct io_uring_sqe *entry(void) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
  if (sqe == NULL) {
    check("submit", io_uring_submit(&ring));
    sqe = io_uring_get_sqe(&ring);
  }
  return sqe;
}

static void receive(unsigned index) {
  struct connection *connection = &connections[index];
  struct io_uring_sqe *sqe = entry();
  io_uring_prep_recv(sqe, connection->fd, connection->buffer, RECEIVE_BYTES, 0);
  io_uring_sqe_set_data64(sqe, index * 2 + RECEIVED);
}

static void request(unsigned index, double due) {
  struct connection *connection = &connections[index];
  if (connection->pending == PENDING) {
    fprintf(stderr, "echo-load: the server is %d answers behind\n", PENDING);
    exit(1);
  }
  connection->due[(connection->first + connection->pending++) % PENDING] = due;
  struct io_uring_sqe *sqe = entry();
  io_uring_prep_send(sqe, connection->fd, message, message_bytes, MSG_WAITALL);
  io_uring_sqe_set_data64(sqe, index * 2 + SENT);
}

static void answered(struct connection *connection, double time) {
  double due = connection->due[connection->first];
  connection->first = (connection->first + 1) % PENDING;
  connection->pending--;
  if (due < measure_from) return;
  double took = time - due;
  if (took > slowest) slowest = took;
  histogram[bucket_of(took)]++;
  echoes++;
}

static void completed(struct io_uring_cqe *cqe, double time) {
  unsigned index = (unsigned)(cqe->user_data / 2);
  check("transfer", cqe->res);
  if (cqe->user_data % 2 == SENT) return;
  if (cqe->res == 0) {
    fprintf(stderr, "echo-load: the server hung up\n");
    exit(1);
  }
  struct connection *connection = &connections[index];
  connection->partial += (size_t)cqe->res;
  while (connection->partial >= message_bytes && connection->pending > 0) {
    connection->partial -= message_bytes;
    answered(connection, time);
    if (!open_loop && !over) request(index, now());
  }
  receive(index);
}

static void reap(void) {
  struct io_uring_cqe *cqe;
  unsigned head, seen = 0;
  double time = now();
  io_uring_for_each_cqe(&ring, head, cqe) {
    completed(cqe, time);
    seen++;
  }
  io_uring_cq_advance(&ring, seen);
}

static int connect_to(int port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  check("socket", fd);
  check("connect", connect(fd, (struct sockaddr *)&address, sizeof address));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void run_closed(unsigned count, double until) {
  for (unsigned index = 0; index < count; index++) request(index, now());
  while (now() < until) {
    check("submit", io_uring_submit_and_wait(&ring, 1));
    reap();
  }
}

static void run_open(unsigned count, double until, double rate) {
  double start = now(), time;
  unsigned long long issued = 0;
  while ((time = now()) < until) {
    for (; start + (double)issued / rate <= time; issued++) {
      request((unsigned)(issued % count), start + (double)issued / rate);
    }
    check("submit", io_uring_submit_and_get_events(&ring));
    reap();
  }
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: echo-load PORT CONNECTIONS BYTES SECONDS RATE\n");
    return 2;
  }
  unsigned count = (unsigned)atoi(argv[2]);
  message_bytes = (size_t)atol(argv[3]);
  double seconds = atof(argv[4]), rate = atof(argv[5]);
  open_loop = rate > 0;
  message = calloc(1, message_bytes);
  connections = calloc(count, sizeof *connections);
  struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
  check("set-up", io_uring_queue_init_params(ENTRIES, &ring, &params));
  check("register", io_uring_register_ring_fd(&ring));
  for (unsigned index = 0; index < count; index++) {
    connections[index].fd = connect_to(atoi(argv[1]));
    connections[index].buffer = malloc(RECEIVE_BYTES);
    receive(index);
  }
  measure_from = now() + WARM_UP_MS / 1e3;
  double until = measure_from + seconds;
  if (open_loop) {
    run_open(count, until, rate);
  } else {
    run_closed(count, until);
  }
  double took = now() - measure_from;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{\"echoes\": %llu, \"seconds\": %.6f, \"cpuSeconds\": %.3f, \"p50Us\": %.1f, \"p99Us\": %.1f, "
         "\"p999Us\": %.1f, \"maxUs\": %.1f}\n",
         echoes, took, cpu, quantile(0.5), quantile(0.99), quantile(0.999), slowest * 1e6);
  return 0;
}
