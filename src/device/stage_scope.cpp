// SPDX-License-Identifier: Apache-2.0
#include "device/stage_scope.hpp"

#include <atomic>

#ifdef FACEFLOW_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace faceflow::internal {
namespace {

// A range on the thread's row in Nsight Systems: the stage, with the frame's number as its payload.
void open_range([[maybe_unused]] const tag& t) noexcept {
#ifdef FACEFLOW_NVTX
    nvtxEventAttributes_t range{};
    range.version = NVTX_VERSION;
    range.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    range.messageType = NVTX_MESSAGE_TYPE_ASCII;
    range.message.ascii = name(t.at).data();  // a literal, so it is NUL-terminated
    range.payloadType = NVTX_PAYLOAD_TYPE_UNSIGNED_INT64;
    range.payload.ullValue = t.frame.sequence;
    range.category = t.frame.source;
    nvtxRangePushEx(&range);
#endif
}

void close_range() noexcept {
#ifdef FACEFLOW_NVTX
    nvtxRangePop();
#endif
}

// Constant-initialised, so that a signal handler can read it without running an initialiser.
constinit thread_local const stage_scope* innermost = nullptr;
}  // namespace

// The fences keep the compiler from moving work out of the scope: the reader is a signal handler on this thread.
stage_scope::stage_scope(const tag& t) noexcept : noted_(t), outer_(innermost) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    innermost = this;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    open_range(t);
}

stage_scope::~stage_scope() {
    close_range();
    std::atomic_signal_fence(std::memory_order_seq_cst);
    innermost = outer_;
}

std::optional<tag> stage_scope::current() noexcept {
    if (innermost == nullptr) return std::nullopt;
    return innermost->noted_;
}

}  // namespace faceflow::internal
