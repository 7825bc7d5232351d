// An HTTP client for what wrk cannot do: HEAD, requests at a fixed rate, and a list of paths in random order.
//
//   http-load PORT CONNECTIONS SECONDS RATE METHOD PATHS
//
// RATE 0 sends the next request once a connection has its response; any other sends so many a second, whether or not
// responses keep up, and counts a request's time from when it was due. PATHS is a file with a path a line.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_BYTES 8192
#define SINK_BYTES (1 << 20)
#define BUCKETS 1000000 // of a microsecond each

struct connection {
  int fd;
  int busy;
  int64_t due;
  size_t held;    // bytes of a head that is not there whole
  int64_t left;   // bytes of a body that are to come
  char head[HEAD_BYTES];
};

static struct connection *connections;
static int *idle;
static int idle_count;
static char **paths;
static size_t path_count;
static const char *method;
static int bodyless;
static uint32_t histogram[BUCKETS];
static uint64_t done;
static char sink[SINK_BYTES];

static int64_t now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static void read_paths(const char *file) {
  FILE *in = fopen(file, "r");
  char *line = NULL;
  size_t size = 0, room = 0;
  if (!in) fail(file);
  while (getline(&line, &size, in) > 0) {
    line[strcspn(line, "\n")] = 0;
    if (path_count == room) paths = realloc(paths, (room = room ? room * 2 : 64) * sizeof *paths);
    paths[path_count++] = strdup(line);
  }
  free(line);
  fclose(in);
  if (path_count == 0) exit(1);
}

static void request(struct connection *connection, int64_t due) {
  char text[1024];
  const char *path = paths[path_count == 1 ? 0 : (size_t)random() % path_count];
  int length = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, path);
  connection->busy = 1;
  connection->due = due;
  connection->held = 0;
  connection->left = -1;
  if (send(connection->fd, text, length, MSG_NOSIGNAL) != length) fail("send");
}

static void finished(struct connection *connection) {
  int64_t took = (now() - connection->due) / 1000;
  histogram[took < BUCKETS ? took : BUCKETS - 1]++;
  done++;
  connection->busy = 0;
  idle[idle_count++] = connection - connections;
}

static void receive(struct connection *connection) {
  while (connection->busy) {
    if (connection->left > 0) {
      size_t most = connection->left < SINK_BYTES ? connection->left : SINK_BYTES;
      ssize_t got = recv(connection->fd, sink, most, MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) fail("the server ended a connection in a body");
      connection->left -= got;
      if (connection->left == 0) finished(connection);
      continue;
    }
    char *head = connection->head;
    ssize_t got = recv(connection->fd, head + connection->held, HEAD_BYTES - 1 - connection->held, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fail("the server ended a connection");
    connection->held += got;
    head[connection->held] = 0;
    char *end = strstr(head, "\r\n\r\n");
    if (!end) continue;
    if (head[9] != '2') {
      fprintf(stderr, "%.*s\n", (int)strcspn(head, "\r"), head);
      exit(1);
    }
    char *field = strcasestr(head, "\r\ncontent-length:");
    int64_t length = bodyless || !field ? 0 : atoll(field + 17);
    connection->left = length - (int64_t)(connection->held - (end + 4 - head));
    if (connection->left <= 0) finished(connection);
  }
}

static double percentile(double part) {
  uint64_t wanted = done * part, seen = 0;
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram[bucket];
    if (seen >= wanted) return bucket;
  }
  return BUCKETS;
}

static void open_connections(int port, int count, int queue) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int one = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connections = calloc(count, sizeof *connections);
  idle = calloc(count, sizeof *idle);
  for (int each = 0; each < count; each++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = each};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
    connections[each].fd = fd;
    idle[idle_count++] = each;
  }
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  double seconds = atof(argv[3]), rate = atof(argv[4]);
  int queue = epoll_create1(0);
  method = argv[5];
  bodyless = strcmp(method, "HEAD") == 0;
  read_paths(argv[6]);
  open_connections(atoi(argv[1]), atoi(argv[2]), queue);
  int64_t start = now(), end = start + seconds * 1e9;
  double interval = rate > 0 ? 1e9 / rate : 0;
  uint64_t sent = 0;
  for (int64_t at = start; at < end; at = now()) {
    while (idle_count > 0) {
      int64_t due = rate > 0 ? start + (int64_t)(sent * interval) : at;
      if (due > at) break;
      sent++;
      request(&connections[idle[--idle_count]], due);
    }
    struct timespec wait = {.tv_nsec = 1000000};
    if (rate > 0 && idle_count > 0) {
      int64_t until = start + (int64_t)(sent * interval) - now();
      wait.tv_nsec = until < 0 ? 0 : until < 1000000 ? until : 1000000;
    }
    struct epoll_event events[256];
    int count = epoll_pwait2(queue, events, 256, &wait, NULL);
    for (int each = 0; each < count; each++) receive(&connections[events[each].data.u32]);
  }
  printf("{\"operations\": %lu, \"seconds\": %f, \"p50\": %f, \"p99\": %f}\n", done, (now() - start) / 1e9,
         percentile(0.5), percentile(0.99));
  return 0;
}
