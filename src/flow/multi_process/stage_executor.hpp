// SPDX-License-Identifier: Apache-2.0
// The work of a stage process, independent of the flow.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/unique_fd.hpp"
#include "flow/multi_process/stage_context.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "frame/frame_cache.hpp"

namespace faceflow::internal::flow {

// A reply and its payload, whose parts stay valid until the next call.
struct stage_answer {
    stage_reply reply;
    std::vector<std::span<const std::byte>> payload;
};

class stage_executor {
public:
    virtual ~stage_executor() = default;

    // The owner shares a slab from now on, or no longer.
    [[nodiscard]] virtual result<void> map(const slab_facts& facts, unique_fd memory) = 0;
    virtual void unmap(std::uint32_t number) = 0;

    // The destination of the call's payload: exactly `bytes` bytes. An error refuses the call.
    [[nodiscard]] virtual result<std::span<std::byte>> expect(const stage_call& call, std::size_t bytes) = 0;
    // `detections` came with the call; the payload is where `expect` returned.
    [[nodiscard]] virtual result<stage_answer> perform(const stage_call& call,
                                                       std::span<const vision::detection> detections) = 0;

    [[nodiscard]] virtual frame_cache_counts cache() const { return {}; }
};

// Makes an executor for stages that receive pixels and crops and send their output back: flows `copied` and `cached`.
[[nodiscard]] result<std::unique_ptr<stage_executor>> make_message_executor(stage_context& context);

}  // namespace faceflow::internal::flow
