/* The caller's input through a pipe or a socket: its bytes are an input of the run, their arrival times are not. So a
 * look at it waits, in real time that is none of the world's, until all that was asked for is there or the other end
 * is closed. Somebody who writes only when he was answered is waited for once, for QUIET_MS; from then on the run is known
 * to depend on when his pieces came, and nothing is waited for. */
#include "vfs/host_input.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

enum { QUIET_MS = 250 };

bool host_input_settled(int fd, size_t want, bool (*over)(void *context), void *context)
{
    int seen = -1, quiet = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
        int there = 0, ready = poll(&p, 1, 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0 || (p.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL)) != 0)
            return true;
        if (ioctl(fd, FIONREAD, &there) < 0 || (there > 0 && (size_t)there >= want))
            return true;
        if (over && over(context))
            return false;
        if (there != seen) {
            seen = there;
            quiet = 0;
        } else if (++quiet > QUIET_MS) {
            return false;
        }
        const struct timespec moment = {.tv_nsec = 1000000};
        (void)nanosleep(&moment, NULL);
    }
}
