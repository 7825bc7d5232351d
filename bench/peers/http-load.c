/*
 * An HTTP/1.1 client that takes less of its core than wrk does, and for what wrk cannot do: HEAD, requests at a fixed
 * rate, and many paths.
 *
 *   http-load PORT CONNECTIONS SECONDS RATE METHOD PATHS [FIELD]
 *     RATE 0: a connection sends its next request once it has its response; PATHS, a file with a path a line, are asked
 *       for at random, or each once in random order where SECONDS is 0
 *     RATE n: n requests a second in all, timed from when each was due, whether or not a connection was free then; the
 *       first fifth of a second is not counted, since what is measured is connections that stay
 *     FIELD: sent with each request; of a condition (If-…), which must hold, every response must be 304, else 200
 *   -> {"operations": n, "seconds": s, "clientSeconds": s, "p50": us, "p99": us}
 *
 * Where one path alone is asked for and its body is large, bodies are thrown away in the kernel (MSG_TRUNC): a client that
 * copies them is busier than a server that does not, and would measure itself. Heads are looked at all the same.
 *
 * Responses with one path have one length: the first is parsed, and of those that follow the status, the length and the
 * head's end are compared with it; one that differs is parsed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { ENTRIES = 4096, HEAD_BYTES = 8192, STATUS_BYTES = 12, BUCKETS = 1000000 /* of a microsecond each */ };
enum { BLOCKS = 1024, BLOCK_BYTES = 4096, GROUP = 0 };
enum { UNCOUNTED_NS = 200000000 };
enum { LARGE_BYTES = 16384, DISCARD_BYTES = 1 << 20 };
enum { RECEIVED, SENT, HEAD, DROPPED, KINDS };

struct path {
  char *request;
  size_t request_bytes;
  /* Of its responses, once there was one; head_bytes is 0 before. */
  size_t head_bytes, body_bytes, length_at, length_bytes;
  char length[64];
};

struct connection {
  struct path *path; /* what it waits for; NULL while idle */
  int64_t due;
  size_t held; /* bytes of a head that is not there whole */
  size_t left; /* bytes of a body that are to come */
  char *head;
};

static struct io_uring ring;
static struct io_uring_buf_ring *block_ring;
static char *blocks;
static struct connection *connections;
static unsigned *idle, idle_first, idle_count, connection_count;
static struct path *paths;
static size_t path_count, asked;
static char status[STATUS_BYTES + 1], discarded[DISCARD_BYTES];
static bool once, bodyless, large;
static uint32_t histogram[BUCKETS];
static uint64_t done;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "http-load: %s\n", what);
  exit(1);
}

static void check(const char *what, int result) {
  if (result >= 0) return;
  fprintf(stderr, "http-load: %s: %s\n", what, strerror(result == -1 ? errno : -result));
  exit(1);
}

static void read_paths(const char *file, const char *method, const char *field) {
  FILE *in = fopen(file, "r");
  char *line = NULL;
  size_t size = 0, room = 0;
  check(file, in == NULL ? -1 : 0);
  while (getline(&line, &size, in) > 0) {
    line[strcspn(line, "\n")] = 0;
    if (path_count == room) paths = realloc(paths, (room = room ? room * 2 : 64) * sizeof *paths);
    struct path *path = &paths[path_count++];
    *path = (struct path){0};
    int length = asprintf(&path->request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n", method, line, field,
                          *field ? "\r\n" : "");
    check("asprintf", length);
    path->request_bytes = (size_t)length;
  }
  free(line);
  fclose(in);
  if (path_count == 0) fail("no paths");
  if (!once) return;
  for (size_t last = path_count - 1; last > 0; last--) {
    size_t other = (size_t)random() % (last + 1);
    struct path path = paths[last];
    paths[last] = paths[other];
    paths[other] = path;
  }
}

static struct io_uring_sqe *entry(unsigned connection, int kind) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
  if (sqe == NULL) {
    check("submit", io_uring_submit(&ring));
    sqe = io_uring_get_sqe(&ring);
  }
  io_uring_sqe_set_data64(sqe, connection * KINDS + (unsigned)kind);
  return sqe;
}

static void receive(unsigned index) {
  struct io_uring_sqe *sqe = entry(index, RECEIVED);
  io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
  sqe->buf_group = GROUP;
}

/* Of a large response, what is left of the head. */
static void receive_head(unsigned index) {
  struct connection *connection = &connections[index];
  size_t left = connection->path->head_bytes - connection->held;
  struct io_uring_sqe *sqe = entry(index, HEAD);
  io_uring_prep_recv(sqe, (int)index, connection->head + connection->held, left, MSG_WAITALL);
  sqe->flags |= IOSQE_FIXED_FILE;
}

/* Piece by piece: io_uring's own second try, with MSG_WAITALL, would begin anew, as nothing was copied. */
static void drop_body(unsigned index) {
  size_t left = connections[index].left;
  struct io_uring_sqe *sqe = entry(index, DROPPED);
  io_uring_prep_recv(sqe, (int)index, discarded, left < DISCARD_BYTES ? left : DISCARD_BYTES, MSG_TRUNC);
  sqe->flags |= IOSQE_FIXED_FILE;
}

static void request(unsigned index, int64_t due) {
  struct connection *connection = &connections[index];
  struct path *path = once ? &paths[asked] : path_count == 1 ? paths : &paths[(size_t)random() % path_count];
  asked++;
  connection->path = path;
  connection->due = due;
  connection->held = 0;
  connection->left = 0;
  struct io_uring_sqe *sqe = entry(index, SENT);
  io_uring_prep_send(sqe, (int)index, path->request, path->request_bytes, MSG_WAITALL | MSG_NOSIGNAL);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS | IOSQE_FIXED_FILE;
  if (large) receive_head(index);
}

/* Whether a chunk begins with the head that this path's response had before. */
static bool is_known(const struct path *path, const char *bytes, size_t length) {
  return path->head_bytes > 0 && length >= path->head_bytes && memcmp(bytes, status, STATUS_BYTES) == 0 &&
         memcmp(bytes + path->length_at, path->length, path->length_bytes) == 0 &&
         memcmp(bytes + path->head_bytes - 4, "\r\n\r\n", 4) == 0;
}

/* Takes a head apart that is there whole. */
static void parse(struct path *path, char *head, char *end) {
  if (strncmp(head, status, STATUS_BYTES) != 0) {
    fprintf(stderr, "http-load: %.*s\n", (int)strcspn(head, "\r"), head);
    exit(1);
  }
  char *field = strcasestr(head, "\r\ncontent-length:");
  path->head_bytes = (size_t)(end + 4 - head);
  path->body_bytes = 0;
  path->length_bytes = 0;
  if (field == NULL || field > end) {
    if (!bodyless) fail("a response without a length");
    return;
  }
  if (!bodyless) path->body_bytes = strtoull(field + 17, NULL, 10);
  path->length_at = (size_t)(field + 2 - head);
  path->length_bytes = strcspn(field + 2, "\r");
  if (path->length_bytes > sizeof path->length) fail("an odd length");
  memcpy(path->length, field + 2, path->length_bytes);
}

/* Collects a head. Returns how many of the bytes of its chunk it took, all of them where it is not whole yet. */
static size_t collect(struct connection *connection, const char *bytes, size_t length) {
  if (connection->head == NULL) connection->head = malloc(HEAD_BYTES);
  char *head = connection->head;
  size_t before = connection->held, room = HEAD_BYTES - 1 - before;
  size_t taken = length < room ? length : room;
  memcpy(head + before, bytes, taken);
  head[before + taken] = 0;
  connection->held += taken;
  char *end = strstr(head, "\r\n\r\n");
  if (end == NULL) {
    if (taken < length || taken == room) fail("a head without an end");
    return length;
  }
  parse(connection->path, head, end);
  connection->held = 0;
  connection->left = connection->path->body_bytes;
  return connection->path->head_bytes - before;
}

static void answered(unsigned index, int64_t time) {
  struct connection *connection = &connections[index];
  int64_t took = (time - connection->due) / 1000;
  histogram[took < BUCKETS ? took : BUCKETS - 1]++;
  done++;
  connection->path = NULL;
  idle[(idle_first + idle_count++) % connection_count] = index;
}

static void came(unsigned index, const char *bytes, size_t length, int64_t time) {
  struct connection *connection = &connections[index];
  struct path *path = connection->path;
  if (path == NULL) fail("a response that nobody asked for");
  if (connection->left == 0) {
    bool known = connection->held == 0 && is_known(path, bytes, length);
    size_t head = known ? path->head_bytes : collect(connection, bytes, length);
    if (known) connection->left = path->body_bytes;
    if (connection->held > 0) return;
    length -= head;
  }
  if (length > connection->left) fail("more bytes than there should be");
  connection->left -= length;
  if (connection->left == 0) answered(index, time);
}

static void head_came(unsigned index, size_t length) {
  struct connection *connection = &connections[index];
  connection->held += length;
  if (connection->held < connection->path->head_bytes) {
    receive_head(index);
    return;
  }
  if (!is_known(connection->path, connection->head, connection->held)) fail("a head unlike the first");
  connection->held = 0;
  connection->left = connection->path->body_bytes;
  drop_body(index);
}

static void body_dropped(unsigned index, size_t length, int64_t time) {
  connections[index].left -= length;
  if (connections[index].left > 0) drop_body(index);
  else answered(index, time);
}

static void completed(const struct io_uring_cqe *cqe, int64_t time, int returned) {
  unsigned index = (unsigned)(cqe->user_data / KINDS), kind = cqe->user_data % KINDS;
  if (cqe->res != -ENOBUFS) check("transfer", cqe->res);
  if (kind == SENT) return;
  if (cqe->res == 0) fail("the server hung up");
  if (kind == HEAD) head_came(index, (size_t)cqe->res);
  if (kind == DROPPED) body_dropped(index, (size_t)cqe->res, time);
  if (kind != RECEIVED) return;
  if (cqe->res > 0) {
    unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    char *block = blocks + (size_t)id * BLOCK_BYTES;
    came(index, block, (size_t)cqe->res, time);
    io_uring_buf_ring_add(block_ring, block, BLOCK_BYTES, id, BLOCKS - 1, returned);
  }
  if ((cqe->flags & IORING_CQE_F_MORE) == 0) receive(index);
}

static void reap(void) {
  struct io_uring_cqe *cqe;
  unsigned head, seen = 0;
  int returned = 0;
  int64_t time = now();
  io_uring_for_each_cqe(&ring, head, cqe) {
    completed(cqe, time, returned);
    if (cqe->flags & IORING_CQE_F_BUFFER) returned++;
    seen++;
  }
  io_uring_buf_ring_advance(block_ring, returned);
  io_uring_cq_advance(&ring, seen);
}

static unsigned next_idle(void) {
  unsigned index = idle[idle_first];
  idle_first = (idle_first + 1) % connection_count;
  idle_count--;
  return index;
}

static void set_up_ring(void) {
  struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                            IORING_SETUP_CQSIZE,
                                   .cq_entries = 4 * ENTRIES};
  check("set-up", io_uring_queue_init_params(ENTRIES, &ring, &params));
  check("register", io_uring_register_ring_fd(&ring));
  block_ring = aligned_alloc(4096, BLOCKS * sizeof(struct io_uring_buf));
  struct io_uring_buf_reg where = {.ring_addr = (uintptr_t)block_ring, .ring_entries = BLOCKS, .bgid = GROUP};
  check("buffer ring", io_uring_register_buf_ring(&ring, &where, 0));
  io_uring_buf_ring_init(block_ring);
  blocks = aligned_alloc(4096, (size_t)BLOCKS * BLOCK_BYTES);
  for (int id = 0; id < BLOCKS; id++) {
    io_uring_buf_ring_add(block_ring, blocks + (size_t)id * BLOCK_BYTES, BLOCK_BYTES, (unsigned short)id, BLOCKS - 1, id);
  }
  io_uring_buf_ring_advance(block_ring, BLOCKS);
}

static int connected(int port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  check("socket", fd);
  check("connect", connect(fd, (struct sockaddr *)&address, sizeof address));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

/* Asks for the one path once, to see how large its body is. */
static void look_first(int port) {
  struct connection first = {.path = paths};
  char bytes[HEAD_BYTES / 2];
  int fd = connected(port);
  check("send", (int)send(fd, paths->request, paths->request_bytes, MSG_NOSIGNAL));
  while (paths->head_bytes == 0) {
    ssize_t length = recv(fd, bytes, sizeof bytes, 0);
    check("receive", (int)length);
    if (length == 0) fail("the server hung up");
    collect(&first, bytes, (size_t)length);
  }
  free(first.head);
  close(fd);
  large = paths->body_bytes >= LARGE_BYTES;
}

static void open_connections(int port) {
  int *fds = calloc(connection_count, sizeof *fds);
  connections = calloc(connection_count, sizeof *connections);
  idle = calloc(connection_count, sizeof *idle);
  for (unsigned index = 0; index < connection_count; index++) {
    fds[index] = connected(port);
    if (large) connections[index].head = malloc(HEAD_BYTES);
    idle[idle_count++] = index;
  }
  check("register files", io_uring_register_files(&ring, fds, connection_count));
  for (unsigned index = 0; index < connection_count && !large; index++) receive(index);
}

static void run_closed(int64_t end) {
  int64_t time;
  while ((time = now()) < end && (!once || done < path_count)) {
    while (idle_count > 0 && (!once || asked < path_count)) request(next_idle(), time);
    check("submit", io_uring_submit_and_wait(&ring, 1));
    reap();
  }
}

static void run_open(int64_t start, int64_t end, double rate) {
  for (int64_t time = start; time < end; time = now()) {
    while (idle_count > 0) {
      int64_t due = start + (int64_t)((double)asked * 1e9 / rate);
      if (due > time) break;
      request(next_idle(), due);
    }
    check("submit", io_uring_submit_and_get_events(&ring));
    reap();
  }
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int percentile(double part) {
  uint64_t wanted = (uint64_t)((double)done * part), seen = 0;
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram[bucket];
    if (seen > wanted) return bucket;
  }
  return BUCKETS;
}

int main(int argc, char **argv) {
  if (argc != 7 && argc != 8) {
    fprintf(stderr, "usage: http-load PORT CONNECTIONS SECONDS RATE METHOD PATHS [FIELD]\n");
    return 2;
  }
  double seconds = atof(argv[3]), rate = atof(argv[4]);
  bool conditional = argc == 8 && strncmp(argv[7], "If-", 3) == 0;
  connection_count = (unsigned)atoi(argv[2]);
  once = seconds == 0;
  bodyless = conditional || strcmp(argv[5], "HEAD") == 0;
  snprintf(status, sizeof status, "HTTP/1.1 %s", conditional ? "304" : "200");
  srandom((unsigned)now());
  read_paths(argv[6], argv[5], argc == 8 ? argv[7] : "");
  set_up_ring();
  if (path_count == 1 && !bodyless) look_first(atoi(argv[1]));
  open_connections(atoi(argv[1]));
  if (rate > 0) {
    int64_t begun = now();
    run_open(begun, begun + UNCOUNTED_NS, rate);
    memset(histogram, 0, sizeof histogram);
    asked = done = 0;
  }
  double before = cpu_seconds();
  int64_t start = now(), end = once ? INT64_MAX : start + (int64_t)(seconds * 1e9);
  if (rate > 0) {
    run_open(start, end, rate);
  } else {
    run_closed(end);
  }
  printf("{\"operations\": %llu, \"seconds\": %.6f, \"clientSeconds\": %.6f, \"p50\": %d, \"p99\": %d}\n",
         (unsigned long long)done, (double)(now() - start) / 1e9, cpu_seconds() - before, percentile(0.5), percentile(0.99));
  return 0;
}
