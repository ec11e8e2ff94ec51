/* Preloaded into a process: makes the n-th call of one kind fail, of those that touch files below one folder.
 *
 * fault_arm(kind, nth, error, folder) starts counting anew, and with ALL only counts; fault_count(kind) says how
 * many there were. Files below a folder named `pipeline` or `stages` (the code) and `.zsad/prefect` do not count.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { NONE, OPEN, READ, WRITE, FSYNC, RENAME, MKDIR, ALL };

static atomic_int armed = NONE, nth, counted[ALL], error_number;
static char below[PATH_MAX];

void fault_arm(int kind, int n, int error, const char *folder) {
    armed = NONE;
    snprintf(below, sizeof below, "%s/", folder);
    nth = n;
    for (int each = 0; each < ALL; each++) counted[each] = 0;
    error_number = error;
    armed = kind;
}

int fault_count(int kind) { return counted[kind]; }

static int watched(enum kind kind) { return armed == (int)kind || armed == ALL; }

static int counts(const char *path) {
    return strncmp(path, below, strlen(below)) == 0 && !strstr(path, "/pipeline/") && !strstr(path, "/stages/");
}

static int fails(enum kind kind, const char *path) {
    if (!watched(kind) || !path || !counts(path)) return 0;
    if (++counted[kind] != nth || armed == ALL) return 0;
    errno = error_number;
    return 1;
}

static int fails_at(enum kind kind, int folder, const char *path) {
    char whole[2 * PATH_MAX], link[64];
    if (!watched(kind) || !path) return 0;
    if (path[0] == '/') return fails(kind, path);
    if (folder == AT_FDCWD) {
        if (!getcwd(whole, PATH_MAX)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t size = readlink(link, whole, PATH_MAX - 1);
        if (size < 0) return 0;
        whole[size] = 0;
    }
    strcat(whole, "/");
    strncat(whole, path, PATH_MAX);
    return fails(kind, whole);
}

static int fails_on(enum kind kind, int handle) {
    char link[64], path[PATH_MAX];
    if (!watched(kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return fails(kind, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE(flags) return fails_at(OPEN, AT_FDCWD, path) ? -1 : NEXT(open)(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return fails_at(OPEN, AT_FDCWD, path) ? -1 : NEXT(open64)(path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return fails_at(OPEN, folder, path) ? -1 : NEXT(openat)(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return fails_at(OPEN, folder, path) ? -1 : NEXT(openat64)(folder, path, flags, mode); }
FILE *fopen(const char *path, const char *mode) { return fails_at(OPEN, AT_FDCWD, path) ? NULL : NEXT(fopen)(path, mode); }
FILE *fopen64(const char *path, const char *mode) { return fails_at(OPEN, AT_FDCWD, path) ? NULL : NEXT(fopen64)(path, mode); }
DIR *opendir(const char *path) { return fails_at(OPEN, AT_FDCWD, path) ? NULL : NEXT(opendir)(path); }
ssize_t read(int handle, void *into, size_t size) { return fails_on(READ, handle) ? -1 : NEXT(read)(handle, into, size); }
ssize_t pread(int handle, void *into, size_t size, off_t at) { return fails_on(READ, handle) ? -1 : NEXT(pread)(handle, into, size, at); }
ssize_t pread64(int handle, void *into, size_t size, off64_t at) { return fails_on(READ, handle) ? -1 : NEXT(pread64)(handle, into, size, at); }
ssize_t readv(int handle, const struct iovec *parts, int number) { return fails_on(READ, handle) ? -1 : NEXT(readv)(handle, parts, number); }
ssize_t write(int handle, const void *from, size_t size) { return fails_on(WRITE, handle) ? -1 : NEXT(write)(handle, from, size); }
ssize_t pwrite(int handle, const void *from, size_t size, off_t at) { return fails_on(WRITE, handle) ? -1 : NEXT(pwrite)(handle, from, size, at); }
ssize_t pwrite64(int handle, const void *from, size_t size, off64_t at) { return fails_on(WRITE, handle) ? -1 : NEXT(pwrite64)(handle, from, size, at); }
ssize_t writev(int handle, const struct iovec *parts, int number) { return fails_on(WRITE, handle) ? -1 : NEXT(writev)(handle, parts, number); }
int posix_fallocate(int handle, off_t at, off_t size) { return fails_on(WRITE, handle) ? errno : NEXT(posix_fallocate)(handle, at, size); }
int posix_fallocate64(int handle, off64_t at, off64_t size) { return fails_on(WRITE, handle) ? errno : NEXT(posix_fallocate64)(handle, at, size); }
int fsync(int handle) { return fails_on(FSYNC, handle) ? -1 : NEXT(fsync)(handle); }
int fdatasync(int handle) { return fails_on(FSYNC, handle) ? -1 : NEXT(fdatasync)(handle); }
int rename(const char *from, const char *to) { return fails_at(RENAME, AT_FDCWD, to) ? -1 : NEXT(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) { return fails_at(RENAME, b, to) ? -1 : NEXT(renameat)(a, from, b, to); }
int mkdir(const char *path, mode_t mode) { return fails_at(MKDIR, AT_FDCWD, path) ? -1 : NEXT(mkdir)(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return fails_at(MKDIR, folder, path) ? -1 : NEXT(mkdirat)(folder, path, mode); }
