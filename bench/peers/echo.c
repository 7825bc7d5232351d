/*
 * An echo server with epoll, as one writes it in C: the peer of our sockets in bench/echo.js.
 *
 *   echo [busy] -> prints its port on 127.0.0.1, serves until standard input ends
 *     busy: it never sleeps, but asks for events again and again
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BUFFER_BYTES = 65536, BACKLOG = 1024 };

static char buffer[BUFFER_BYTES];

static void check(const char *what, int result) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static int start_listening(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  check("socket", listener);
  check("bind", bind(listener, (struct sockaddr *)&address, sizeof address));
  check("listen", listen(listener, BACKLOG));
  check("getsockname", getsockname(listener, (struct sockaddr *)&address, &length));
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  check("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static void accept_all(int epoll, int listener) {
  int one = 1, fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(epoll, fd);
  }
}

/* What the peer does not take at once is waited for: the load never leaves that much unread. */
static void echo_once(int fd) {
  ssize_t count = read(fd, buffer, sizeof buffer);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) {
    close(fd);
    return;
  }
  for (ssize_t sent = 0; sent < count;) {
    ssize_t result = write(fd, buffer + sent, (size_t)(count - sent));
    if (result < 0 && errno != EAGAIN) break;
    if (result > 0) sent += result;
  }
}

int main(int argc, char **argv) {
  int limit = argc > 1 && strcmp(argv[1], "busy") == 0 ? 0 : -1;
  int listener = start_listening();
  int epoll = epoll_create1(0);
  check("epoll_create1", epoll);
  watch(epoll, listener);
  watch(epoll, STDIN_FILENO);
  struct epoll_event events[EVENTS];
  while (true) {
    int count = epoll_wait(epoll, events, EVENTS, limit);
    for (int index = 0; index < count; index++) {
      int fd = events[index].data.fd;
      if (fd == listener) {
        accept_all(epoll, listener);
      } else if (fd == STDIN_FILENO) {
        if (read(STDIN_FILENO, buffer, 1) <= 0) return 0;
      } else {
        echo_once(fd);
      }
    }
  }
}
