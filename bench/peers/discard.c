// An HTTP client that asks for one thing again and again on one connection, and has the kernel throw the bodies away, so
// that who sends them is the limit.
//
//   discard PORT SECONDS PATH

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HEAD_BYTES 8192
#define AT_ONCE (1 << 22)

static char head[HEAD_BYTES];

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "unexpected");
  exit(1);
}

// Reads a head and no byte more. Returns the length of the body behind it.
static long long read_head(int fd) {
  size_t held = 0;
  for (;;) {
    ssize_t got = recv(fd, head, HEAD_BYTES - 1, MSG_PEEK);
    if (got <= 0) fail("the server ended the connection");
    head[got] = 0;
    char *end = strstr(head, "\r\n\r\n");
    if (end) {
      held = end + 4 - head;
      break;
    }
    if (got == HEAD_BYTES - 1) fail("a head without end");
  }
  char *field = strcasestr(head, "\r\ncontent-length:");
  if (strncmp(head, "HTTP/1.1 200", 12) || !field) fail("no answer of a known length");
  long long length = atoll(field + 17);
  if (recv(fd, head, held, 0) != (ssize_t)held) fail("recv");
  return length;
}

static void throw_away(int fd, long long left) {
  while (left > 0) {
    ssize_t got = recv(fd, NULL, left < AT_ONCE ? left : AT_ONCE, MSG_TRUNC);
    if (got <= 0) fail("the server ended the connection in a body");
    left -= got;
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  char request[1024];
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[3]);
  double start = now(), end = start + atof(argv[2]), at = start;
  unsigned long long bytes = 0, answers = 0;
  do {
    if (send(fd, request, length, MSG_NOSIGNAL) != length) fail("send");
    long long body = read_head(fd);
    throw_away(fd, body);
    bytes += body;
    answers++;
    at = now();
  } while (at < end);
  printf("{\"bytes\": %llu, \"answers\": %llu, \"seconds\": %f}\n", bytes, answers, at - start);
  return 0;
}
