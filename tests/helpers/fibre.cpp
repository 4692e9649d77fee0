// SPDX-License-Identifier: Apache-2.0
#include "helpers/fibre.hpp"

#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define FIBRES_UNDER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBRES_UNDER_ASAN
#endif
#endif
#ifdef FIBRES_UNDER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// The registers that a callee saves go onto the stack, the stack's pointer to *from; then the same back from `to`.
asm(R"(
.text
.globl faceflow_switch_fibre
.type faceflow_switch_fibre, @function
faceflow_switch_fibre:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size faceflow_switch_fibre, .-faceflow_switch_fibre
)");
extern "C" void faceflow_switch_fibre(void** from, void* to);
#endif

namespace faceflow::internal::emulation {
namespace {

// Kernels keep all in registers; without a card's, and unoptimised, that is some stack.
constexpr std::size_t fibre_stack_bytes = 512 * 1024;
// What the functions that a fibre never returns from may have left marked as theirs.
[[maybe_unused]] constexpr std::size_t last_frames_bytes = 16 * 1024;
fibre* switched_from = nullptr;

}  // namespace

fibre::fibre() : stack_(new std::byte[fibre_stack_bytes]), bottom_(stack_.get()), size_(fibre_stack_bytes) {
#if !defined(__x86_64__)
    context_ = std::make_unique<ucontext_t>();
#endif
}

fibre::fibre(thread_stack) {
#if !defined(__x86_64__)
    context_ = std::make_unique<ucontext_t>();
#endif
}

fibre::~fibre() = default;

void fibre::start(void (*entry)()) {
    fake_stack_ = nullptr;
#ifdef FIBRES_UNDER_ASAN
    __asan_unpoison_memory_region(stack_.get() + size_ - last_frames_bytes, last_frames_bytes);
#endif
#if defined(__x86_64__)
    auto end = reinterpret_cast<std::uintptr_t>(stack_.get() + size_) & ~std::uintptr_t{63};
    auto* slot = reinterpret_cast<void**>(end);
    *--slot = nullptr;  // the return address of one that does not return, which also aligns the stack as a call does
    *--slot = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i)
        *--slot = nullptr;
    top_ = slot;
#else
    getcontext(context_.get());
    context_->uc_stack.ss_sp = stack_.get();
    context_->uc_stack.ss_size = size_;
    context_->uc_link = nullptr;
    makecontext(context_.get(), entry, 0);
#endif
}

void fibre::switch_to(fibre& other, [[maybe_unused]] bool last) {
    switched_from = this;
#ifdef FIBRES_UNDER_ASAN
    __sanitizer_start_switch_fiber(last ? nullptr : &fake_stack_, other.bottom_, other.size_);
#endif
#if defined(__x86_64__)
    faceflow_switch_fibre(&top_, other.top_);
#else
    swapcontext(context_.get(), other.context_.get());
#endif
#ifdef FIBRES_UNDER_ASAN
    // Where the stack lies that control came from: that of the thread is not known before.
    __sanitizer_finish_switch_fiber(fake_stack_, &switched_from->bottom_, &switched_from->size_);
#endif
}

void fibre_arrived() {
#ifdef FIBRES_UNDER_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &switched_from->bottom_, &switched_from->size_);
#endif
}

}  // namespace faceflow::internal::emulation
