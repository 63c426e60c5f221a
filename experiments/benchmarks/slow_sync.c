/* Makes a sync of a file take a millisecond longer, as on disks that have no memory of their own to keep what was written.
   cc -shared -fPIC -o slow_sync.so slow_sync.c -ldl; LD_PRELOAD=slow_sync.so PROGRAM */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void wait_a_millisecond(void)
{
    struct timespec span = {0, 1000000};
    nanosleep(&span, 0);
}

#define SLOW(name)                                                                                                     \
    int name(int file)                                                                                                 \
    {                                                                                                                  \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name);                                                      \
        wait_a_millisecond();                                                                                          \
        return real(file);                                                                                             \
    }

SLOW(fsync)
SLOW(fdatasync)
