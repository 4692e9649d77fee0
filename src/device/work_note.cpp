#include "device/work_note.hpp"

#include <atomic>

namespace faceflow {
namespace {
// Constant-initialised, so that a signal handler reads it without running an initialiser.
constinit thread_local const work_note* innermost = nullptr;
}  // namespace

// The fences keep the compiler from moving work out of the note's life: the reader is a signal handler on this thread.
work_note::work_note(const tag& t) noexcept : noted_(t), outer_(innermost) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    innermost = this;
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

work_note::~work_note() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    innermost = outer_;
}

std::optional<tag> work_note::current() noexcept {
    if (innermost == nullptr) return std::nullopt;
    return innermost->noted_;
}

}  // namespace faceflow
