// An HTTP server that answers whatever it is asked with so many bytes, lent from memory, so that it costs little itself.
// It prints its port.
//
//   spew BYTES

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static int file;
static off_t length;

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static int answer(int fd) {
  char head[128];
  int bytes = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n", (long long)length);
  if (send(fd, head, bytes, MSG_NOSIGNAL | MSG_MORE) != bytes) return -1;
  for (off_t at = 0; at < length;) {
    if (sendfile(fd, file, &at, length - at) <= 0) return -1;
  }
  return 0;
}

static void *serve(void *argument) {
  int fd = (int)(long)argument;
  char request[8192];
  size_t held = 0;
  for (;;) {
    ssize_t got = recv(fd, request + held, sizeof request - 1 - held, 0);
    if (got <= 0) break;
    held += got;
    request[held] = 0;
    if (!strstr(request, "\r\n\r\n")) continue;
    held = 0;
    if (answer(fd) < 0) break;
  }
  close(fd);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  length = atoll(argv[1]);
  file = memfd_create("spew", MFD_CLOEXEC);
  static char block[1 << 20];
  for (size_t each = 0; each < sizeof block; each++) block[each] = each * 2654435761u >> 16;
  for (off_t at = 0; at < length; at += sizeof block) {
    size_t bytes = length - at < (off_t)sizeof block ? (size_t)(length - at) : sizeof block;
    if (write(file, block, bytes) != (ssize_t)bytes) fail("write");
  }
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(listener, 16) < 0 || getsockname(listener, (struct sockaddr *)&address, &size) < 0) fail("listen");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    pthread_t thread;
    if (fd < 0) fail("accept");
    if (pthread_create(&thread, NULL, serve, (void *)(long)fd) != 0) fail("pthread_create");
    pthread_detach(thread);
  }
}
