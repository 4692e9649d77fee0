// SPDX-License-Identifier: Apache-2.0
// A stack of its own, to which control goes and from which it comes back.
#pragma once

#include <cstddef>
#include <memory>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace faceflow::internal::emulation {

class fibre {
public:
    // Unused until it is started.
    fibre();
    ~fibre();
    fibre(fibre&&) noexcept = default;

    // The next switch to it calls `entry`, which never returns.
    void start(void (*entry)());
    // From this one, which runs, to another. `last`: for good.
    void switch_to(fibre& other, bool last = false);

    // The stack of the thread that calls; not to be started.
    struct thread_stack {};
    explicit fibre(thread_stack);

private:
    std::unique_ptr<std::byte[]> stack_;
    void* fake_stack_ = nullptr;  // AddressSanitizer's
    const void* bottom_ = nullptr;
    std::size_t size_ = 0;
#if defined(__x86_64__)
    void* top_ = nullptr;  // where the registers are kept while it does not run
#else
    std::unique_ptr<ucontext_t> context_;
#endif
    friend void fibre_arrived();
};

// To be called first by the entry of a fibre.
void fibre_arrived();

}  // namespace faceflow::internal::emulation
