/*
 * The part of libuv that we use. Node exports it from its own binary, but its header comes with no package that
 * a user would have installed; these declarations are libuv 1's stable ABI. Handles are allocated by the size
 * that libuv itself reports, and only its functions look inside.
 *
 * See docs.libuv.org: uv_poll_t, uv_handle_t, uv_loop_t.
 */
#ifndef SLUICE_LIBUV_H
#define SLUICE_LIBUV_H

#include <stddef.h>
#include <stdint.h>

struct uv_loop_s;

/* Every handle begins with the pointer that belongs to its user. */
typedef struct {
  void *data;
} uv_handle;

enum { UV_HANDLE_POLL = 8 };
enum { UV_EVENT_READABLE = 1, UV_EVENT_WRITABLE = 2, UV_EVENT_DISCONNECT = 4, UV_EVENT_PRIORITIZED = 8 };

extern size_t uv_handle_size(int type);
extern int uv_poll_init(struct uv_loop_s *loop, uv_handle *handle, int fd);
extern int uv_poll_start(uv_handle *handle, int events, void (*callback)(uv_handle *, int status, int events));
extern int uv_poll_stop(uv_handle *handle);
extern void uv_close(uv_handle *handle, void (*callback)(uv_handle *));
extern void uv_ref(uv_handle *handle);
extern void uv_unref(uv_handle *handle);
extern int uv_backend_fd(const struct uv_loop_s *loop);
extern int uv_backend_timeout(const struct uv_loop_s *loop);
extern uint64_t uv_now(const struct uv_loop_s *loop);
extern uint64_t uv_hrtime(void);

#endif
