// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program: the FACEFLOW_THREAD_LIMIT threads that it makes first are the last that the system makes for it, as at a
// limit of processes, which does not hold root. Other programs that it starts are left alone.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<int> made{0};

int limit() {
    const char* const of = std::getenv("FACEFLOW_THREAD_LIMIT_OF");
    const char* const most = std::getenv("FACEFLOW_THREAD_LIMIT");
    if (of == nullptr || most == nullptr || std::strcmp(of, program_invocation_short_name) != 0) return -1;
    return std::atoi(most);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int pthread_create(pthread_t* thread,
                                                                     const pthread_attr_t* attributes,
                                                                     void* (*work)(void*), void* argument) noexcept {
    using create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    static const int most = limit();
    static const auto next = reinterpret_cast<create>(::dlsym(RTLD_NEXT, "pthread_create"));
    if (most >= 0 && made.fetch_add(1) >= most) return EAGAIN;
    return next(thread, attributes, work, argument);
}
