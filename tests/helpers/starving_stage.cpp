// SPDX-License-Identifier: Apache-2.0
// faceflow-stage that fails as it is told. Flows start it when FACEFLOW_STAGE names it.
//
// SIGUSR1: it runs out of memory: from then on the kernel gives the process no more of it, and it allocates nothing from what it has.
// SIGUSR2: its main thread sleeps for ever. SIGPROF: it computes for ever.
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "flow/multi_process/stage_server.hpp"
#include "ipc/child_process.hpp"

namespace {

std::atomic<bool> starved{false};  // lock-free: a signal handler may set it

void starve(int) {
    const rlimit least{1, 1};
    if (::setrlimit(RLIMIT_AS, &least) == 0) starved = true;
}

void sleep_for_ever(int) {
    for (;;)
        ::pause();
}

void compute_for_ever(int) {
    for (volatile unsigned long n = 0;;)
        n = n + 1;
}

bool on_signal(int number, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    return ::sigaction(number, &action, nullptr) == 0;
}

}  // namespace

// Memory that malloc still has would hide the limit for a while: a starved process asks the kernel each time.
void* operator new(std::size_t bytes) {
    if (starved) {
        void* const fresh = ::mmap(nullptr, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fresh == MAP_FAILED) throw std::bad_alloc();
        ::munmap(fresh, bytes + 1);  // it gave some after all: then as usual
    }
    if (void* const memory = std::malloc(bytes + (bytes == 0 ? 1 : 0))) return memory;
    throw std::bad_alloc();
}

// What std::stable_sort takes.
void* operator new(std::size_t bytes, const std::nothrow_t& /*tag*/) noexcept {
    try {
        return operator new(bytes);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void operator delete(void* memory) noexcept {
    std::free(memory);
}

void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

int main(int argc, char** argv) {
    const bool ready = on_signal(SIGUSR2, sleep_for_ever) && on_signal(SIGPROF, compute_for_ever);
    if (argc != 3 || !ready || !on_signal(SIGUSR1, starve)) return 2;
    if (!faceflow::internal::ipc::die_with_parent(std::atoi(argv[2]))) return 0;
    const auto served = faceflow::internal::flow::serve_stage(faceflow::internal::unique_fd(3));
    return served ? 0 : 1;
}
