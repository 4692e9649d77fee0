// SPDX-License-Identifier: Apache-2.0
// A library for LD_PRELOAD that counts the calls by which a program gets at the system, lets one of them fail, or writes down what the
// program opens and connects to. By the environment:
//
//   FAULTS_COUNT=FILE          counts in FILE.PROGRAM.PROCESS: a 64-bit number for each call, in the order of `call`, also of a process
//                              that is killed
//   FAULTS_FAIL=CALL:N[:ERRNO] the Nth CALL of this process fails so
//   FAULTS_IN=PROGRAM          only in processes of that name
//   FAULTS_HIT=FILE            is created when the call failed, with the places in the program that led to it
//   FAULTS_WATCH=FILE          appends "write PATH" for each file opened for writing, "socket FAMILY", "resolve NAME"
//
// Calls count from main on: what fails before it can be told to nobody. Memory is only refused to calls from the program itself: what a library of others does without is not what is tested.
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

enum call : int {
    call_open,
    call_read,
    call_write,
    call_fsync,
    call_rename,
    call_ftruncate,
    call_fallocate,
    call_mmap,
    call_memfd_create,
    call_thread,
    call_socketpair,
    call_sendmsg,
    call_recvmsg,
    call_fcntl,
    call_eventfd,
    call_spawn,
    call_new,
    call_count
};
constexpr const char* names[call_count] = {"open",      "read",  "write",        "fsync",  "rename",     "ftruncate",
                                           "fallocate", "mmap",  "memfd_create", "thread", "socketpair", "sendmsg",
                                           "recvmsg",   "fcntl", "eventfd",      "spawn",  "new"};
constexpr int usual_reason[call_count] = {EMFILE, EIO,    ENOSPC,  EIO,    EACCES, EIO,    ENOSPC, ENOMEM, EMFILE,
                                          EAGAIN, EMFILE, ENOBUFS, EMFILE, EMFILE, EMFILE, EAGAIN, ENOMEM};

std::atomic<std::uint64_t> own_counts[call_count];
std::atomic<std::uint64_t>* counted = own_counts;
int failing = -1;
std::uint64_t failing_at = 0;
int failing_with = 0;
const char *hit_file = nullptr, *watch_file = nullptr;
bool wanted = false, ready = false;
struct range {
    std::uintptr_t base = 0, from = 0, to = 0;
    [[nodiscard]] bool has(const void* address) const {
        const auto at = reinterpret_cast<std::uintptr_t>(address);
        return at >= from && at < to;
    }
};
range program;

int raw_open(const char* file, int flags) {
    return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, file, flags | O_CLOEXEC, 0666));
}

void raw_line(const char* file, const char* first, const char* second) {
    char line[512];
    const int n = std::snprintf(line, sizeof line, "%s %s\n", first, second);
    const int to = raw_open(file, O_WRONLY | O_CREAT | O_APPEND);
    if (to < 0) return;
    ::syscall(SYS_write, to, line, static_cast<std::size_t>(n < 0 ? 0 : n));
    ::syscall(SYS_close, to);
}

// The first object is the program.
int take_program(dl_phdr_info* about, std::size_t, void*) {
    for (int i = 0; i < about->dlpi_phnum; ++i) {
        const auto& part = about->dlpi_phdr[i];
        if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
        const auto begin = about->dlpi_addr + part.p_vaddr;
        program = {about->dlpi_addr, begin, begin + part.p_memsz};
    }
    return 1;
}

void tell_where() {
    if (hit_file == nullptr) return;
    void* places[64];
    const int n = ::backtrace(places, 64);
    raw_line(hit_file, "failed", "");
    for (int i = 0; i < n; ++i) {
        if (!program.has(places[i])) continue;
        char text[32];
        std::snprintf(text, sizeof text, "%#zx", reinterpret_cast<std::uintptr_t>(places[i]) - program.base - 1);
        raw_line(hit_file, "at", text);
    }
}

void count_in(const char* file) {
    char name[512];
    std::snprintf(name, sizeof name, "%s.%s.%d", file, program_invocation_short_name, ::getpid());
    const int to = raw_open(name, O_RDWR | O_CREAT);
    constexpr std::size_t bytes = sizeof(own_counts);
    if (to < 0 || ::syscall(SYS_ftruncate, to, bytes) != 0) return;
    void* const there =
        reinterpret_cast<void*>(::syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0));
    if (there != MAP_FAILED) counted = static_cast<std::atomic<std::uint64_t>*>(there);
    ::syscall(SYS_close, to);
}

void prepare() {
    const char* const only = std::getenv("FAULTS_IN");
    if (only != nullptr && std::strcmp(only, program_invocation_short_name) != 0) return;
    wanted = true;
    if (const char* file = std::getenv("FAULTS_COUNT")) count_in(file);
    hit_file = std::getenv("FAULTS_HIT");
    watch_file = std::getenv("FAULTS_WATCH");
    dl_iterate_phdr(take_program, nullptr);
    if (const char* failure = std::getenv("FAULTS_FAIL")) {
        for (int c = 0; c < call_count; ++c) {
            const std::size_t length = std::strlen(names[c]);
            if (std::strncmp(failure, names[c], length) != 0 || failure[length] != ':') continue;
            char* end = nullptr;
            failing = c;
            failing_at = std::strtoull(failure + length + 1, &end, 10);
            failing_with = *end == ':' ? std::atoi(end + 1) : usual_reason[c];
        }
    }
}

// Whether this call is the one that fails; errno says why then.
bool fails(call c) {
    if (!ready) return false;
    const auto n = counted[c].fetch_add(1, std::memory_order_relaxed) + 1;
    if (c != failing || n != failing_at) return false;
    ready = false;  // what is done here counts for nothing
    tell_where();
    ready = true;
    errno = failing_with;
    return true;
}

using main_function = int (*)(int, char**, char**);
main_function real_main = nullptr;
int counted_main(int argc, char** argv, char** environment) {
    ready = wanted;
    const int code = real_main(argc, argv, environment);
    ready = false;
    return code;
}

template <class Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

void watch_open(const char* path, int flags) {
    const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
    if (ready && watch_file != nullptr && writes) raw_line(watch_file, "write", path);
}

int open_at(int folder, const char* path, int flags, mode_t mode) {
    watch_open(path, flags);
    if (fails(call_open)) return -1;
    return static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
}

mode_t mode_of(int flags, va_list more) {
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
}

}  // namespace

extern "C" {

int __libc_start_main(main_function main, int argc, char** argv, main_function init, void (*fini)(),
                      void (*loader_fini)(), void* stack_end) {
    prepare();
    real_main = main;
    static auto* const real =
        next<int(main_function, int, char**, main_function, void (*)(), void (*)(), void*)>("__libc_start_main");
    return real(counted_main, argc, argv, init, fini, loader_fini, stack_end);
}

#define OPEN_LIKE(name)                              \
    int name(const char* path, int flags, ...) {     \
        va_list more;                                \
        va_start(more, flags);                       \
        const mode_t mode = mode_of(flags, more);    \
        va_end(more);                                \
        return open_at(AT_FDCWD, path, flags, mode); \
    }
OPEN_LIKE(open)
OPEN_LIKE(open64)

#define OPENAT_LIKE(name)                                    \
    int name(int folder, const char* path, int flags, ...) { \
        va_list more;                                        \
        va_start(more, flags);                               \
        const mode_t mode = mode_of(flags, more);            \
        va_end(more);                                        \
        return open_at(folder, path, flags, mode);           \
    }
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

FILE* fopen(const char* path, const char* mode) {
    if (mode[0] != 'r' || std::strchr(mode, '+') != nullptr) watch_open(path, O_WRONLY);
    if (fails(call_open)) return nullptr;
    static auto* const real = next<FILE*(const char*, const char*)>("fopen");
    return real(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
    return fopen(path, mode);
}

ssize_t read(int fd, void* to, std::size_t bytes) {
    return fails(call_read) ? -1 : ::syscall(SYS_read, fd, to, bytes);
}
ssize_t pread(int fd, void* to, std::size_t bytes, off_t at) {
    return fails(call_read) ? -1 : ::syscall(SYS_pread64, fd, to, bytes, at);
}
ssize_t pread64(int fd, void* to, std::size_t bytes, off_t at) {
    return pread(fd, to, bytes, at);
}

// Standard error is not the program's work; a disk that is full takes a part first.
ssize_t write(int fd, const void* from, std::size_t bytes) {
    if (fd != STDERR_FILENO && fails(call_write)) {
        if (bytes > 1) ::syscall(SYS_write, fd, from, bytes / 2);
        errno = failing_with;
        return -1;
    }
    return ::syscall(SYS_write, fd, from, bytes);
}
ssize_t pwrite(int fd, const void* from, std::size_t bytes, off_t at) {
    return fails(call_write) ? -1 : ::syscall(SYS_pwrite64, fd, from, bytes, at);
}
ssize_t pwrite64(int fd, const void* from, std::size_t bytes, off_t at) {
    return pwrite(fd, from, bytes, at);
}

int fsync(int fd) {
    return fails(call_fsync) ? -1 : static_cast<int>(::syscall(SYS_fsync, fd));
}
int fdatasync(int fd) {
    return fails(call_fsync) ? -1 : static_cast<int>(::syscall(SYS_fdatasync, fd));
}
int rename(const char* from, const char* to) noexcept {
    return fails(call_rename) ? -1 : static_cast<int>(::syscall(SYS_rename, from, to));
}
int renameat2(int a, const char* from, int b, const char* to, unsigned flags) noexcept {
    return fails(call_rename) ? -1 : static_cast<int>(::syscall(SYS_renameat2, a, from, b, to, flags));
}
int ftruncate(int fd, off_t size) noexcept {
    return fails(call_ftruncate) ? -1 : static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}
int ftruncate64(int fd, off_t size) noexcept {
    return ftruncate(fd, size);
}
int fallocate(int fd, int mode, off_t from, off_t bytes) {
    return fails(call_fallocate) ? -1 : static_cast<int>(::syscall(SYS_fallocate, fd, mode, from, bytes));
}
int fallocate64(int fd, int mode, off_t from, off_t bytes) {
    return fallocate(fd, mode, from, bytes);
}

void* mmap(void* at, std::size_t bytes, int access, int flags, int fd, off_t from) noexcept {
    if (fails(call_mmap)) return MAP_FAILED;
    return reinterpret_cast<void*>(::syscall(SYS_mmap, at, bytes, access, flags, fd, from));
}
void* mmap64(void* at, std::size_t bytes, int access, int flags, int fd, off_t from) noexcept {
    return mmap(at, bytes, access, flags, fd, from);
}
int memfd_create(const char* name, unsigned flags) noexcept {
    return fails(call_memfd_create) ? -1 : static_cast<int>(::syscall(SYS_memfd_create, name, flags));
}
int pthread_create(pthread_t* made, const pthread_attr_t* how, void* (*work)(void*), void* with) noexcept {
    if (fails(call_thread)) return failing_with;
    static auto* const real = next<int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create");
    return real(made, how, work, with);
}
int socket(int family, int kind, int protocol) noexcept {
    char text[32];
    std::snprintf(text, sizeof text, "%d", family);
    if (ready && watch_file != nullptr) raw_line(watch_file, "socket", text);
    return static_cast<int>(::syscall(SYS_socket, family, kind, protocol));
}
int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
    if (ready && watch_file != nullptr) raw_line(watch_file, "resolve", name != nullptr ? name : "");
    static auto* const real = next<int(const char*, const char*, const addrinfo*, addrinfo**)>("getaddrinfo");
    return real(name, service, hints, found);
}
int socketpair(int family, int kind, int protocol, int* ends) noexcept {
    return fails(call_socketpair) ? -1 : static_cast<int>(::syscall(SYS_socketpair, family, kind, protocol, ends));
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    return fails(call_sendmsg) ? -1 : ::syscall(SYS_sendmsg, fd, message, flags);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) {
    return fails(call_recvmsg) ? -1 : ::syscall(SYS_recvmsg, fd, message, flags);
}
int fcntl(int fd, int what, ...) {
    va_list more;
    va_start(more, what);
    void* const argument = va_arg(more, void*);
    va_end(more);
    if (what == F_DUPFD_CLOEXEC && fails(call_fcntl)) return -1;
    return static_cast<int>(::syscall(SYS_fcntl, fd, what, argument));
}
int fcntl64(int fd, int what, ...) {
    va_list more;
    va_start(more, what);
    void* const argument = va_arg(more, void*);
    va_end(more);
    return fcntl(fd, what, argument);
}
int eventfd(unsigned start, int flags) noexcept {
    return fails(call_eventfd) ? -1 : static_cast<int>(::syscall(SYS_eventfd2, start, flags));
}
int posix_spawn(pid_t* id, const char* path, const void* actions, const void* attributes, char* const* arguments,
                char* const* environment) {
    if (fails(call_spawn)) return failing_with;
    static auto* const real =
        next<int(pid_t*, const char*, const void*, const void*, char* const*, char* const*)>("posix_spawn");
    return real(id, path, actions, attributes, arguments, environment);
}

}  // extern "C"

// NOLINTBEGIN: that is what replacing them takes
void* operator new(std::size_t bytes) {
    if (program.has(__builtin_return_address(0)) && fails(call_new)) throw std::bad_alloc();
    if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
// NOLINTEND
